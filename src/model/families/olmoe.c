#include "model/family.h"

/* Norms of queries and keys run over all heads, before what is clamped; their class has them as wide as the hidden
 * size. */
const pare_family pare_family_olmoe = {
    .types = {"olmoe"},
    .class_name = "OlmoeForCausalLM",
    .title = "OLMoE",
    .fallback = {.positions = 4096, .eps = 1e-5},
    .architecture = {.roles = PARE_ROLES_LLAMA | PARE_ROLES_HEAD_NORMS,
                     .ends = PARE_ENDS_LLAMA,
                     .slots = PARE_NORMS_BEFORE,
                     .head_norm = PARE_HEAD_NORM_ALL},
    .heads = PARE_HEADS_TIED,
    .options = {{"attention_bias", PARE_OPTION_ROLES, .roles = PARE_ROLES_QKVO_BIAS},
                {.key = "clip_qkv", .kind = PARE_OPTION_REFUSED}},
    .experts = {.router = "mlp.gate",
                .each = "mlp.experts.",
                .parts = {".gate_proj", ".up_proj", ".down_proj"},
                .count_key = "num_experts",
                .normalised_key = "norm_topk_prob",
                .fallback = {.count = 64, .chosen = 8, .width = 2048}},
};
