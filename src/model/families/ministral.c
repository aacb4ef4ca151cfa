#include "model/family.h"

const pare_family pare_family_ministral = {
    .types = {"ministral"},
    .class_name = "MinistralForCausalLM",
    .title = "Ministral 8B",
    .fallback = {.positions = 131072, .eps = 1e-6, .kv_heads = 8},
    .architecture = {.roles = PARE_ROLES_LLAMA, .ends = PARE_ENDS_LLAMA, .slots = PARE_NORMS_BEFORE},
    .layers = {.window = PARE_WINDOW_TYPES, .window_fallback = 4096},
};
