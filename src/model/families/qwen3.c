#include "model/family.h"

const pare_family pare_family_qwen3 = {
    .types = {"qwen3"},
    .class_name = "Qwen3ForCausalLM",
    .title = "Qwen3, dense",
    .fallback = {.positions = 32768, .eps = 1e-6, .kv_heads = 32, .head_dim = 128},
    .architecture = {.roles = PARE_ROLES_LLAMA | PARE_ROLES_HEAD_NORMS,
                     .ends = PARE_ENDS_LLAMA,
                     .slots = PARE_NORMS_BEFORE,
                     .head_norm = PARE_HEAD_NORM_EACH},
    .options = {{"attention_bias", PARE_OPTION_ROLES, .roles = PARE_ROLES_QKVO_BIAS}},
    .layers = {.window = PARE_WINDOW_FLAGGED, .first_window = 28, .window_fallback = 4096},
};
