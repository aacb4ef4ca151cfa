#include "model/family.h"

/* w1 is the gate, w3 up and w2 down. */
const pare_family pare_family_mixtral = {
    .types = {"mixtral"},
    .class_name = "MixtralForCausalLM",
    .title = "Mixtral 8x7B, 8x22B",
    .fallback = {.positions = 131072, .eps = 1e-5, .kv_heads = 8},
    .architecture = {.roles = PARE_ROLES_LLAMA, .ends = PARE_ENDS_LLAMA, .slots = PARE_NORMS_BEFORE},
    .layers = {.window = PARE_WINDOW_ALL},
    .rope = {.theta = 1e6},
    .experts = {.router = "block_sparse_moe.gate",
                .each = "block_sparse_moe.experts.",
                .parts = {".w1", ".w3", ".w2"},
                .count_key = "num_local_experts",
                .fallback = {.count = 8, .chosen = 2, .width = 14336}},
};
