#include "model/family.h"

#define QWEN_EXPERTS                                                                                                   \
    .router = "mlp.gate", .each = "mlp.experts.", .parts = {".gate_proj", ".up_proj", ".down_proj"},                   \
    .count_key = "num_experts", .width_key = "moe_intermediate_size", .normalised_key = "norm_topk_prob",              \
    .sparse_step = true

/* No published model has windows. */
const pare_family pare_family_qwen2_moe = {
    .types = {"qwen2_moe"},
    .class_name = "Qwen2MoeForCausalLM",
    .title = "Qwen1.5-MoE, Qwen2-57B-A14B",
    .fallback = {.positions = 32768, .eps = 1e-6, .kv_heads = 16},
    .architecture = {.roles = PARE_ROLES_LLAMA, .ends = PARE_ENDS_LLAMA, .slots = PARE_NORMS_BEFORE},
    .options = {{"qkv_bias", PARE_OPTION_ROLES, .fallback = 1, .roles = PARE_ROLES_ATTENTION_BIAS},
                {.key = "use_sliding_window", .kind = PARE_OPTION_REFUSED}},
    .experts = {QWEN_EXPERTS, .shared = "mlp.shared_expert.", .shared_gate = "mlp.shared_expert_gate",
                .shared_key = "shared_expert_intermediate_size",
                .fallback = {.count = 60, .chosen = 4, .width = 1408, .shared = 5632}},
};

const pare_family pare_family_qwen3_moe = {
    .types = {"qwen3_moe"},
    .class_name = "Qwen3MoeForCausalLM",
    .title = "Qwen3-30B-A3B, Qwen3-235B-A22B, Qwen3-Coder",
    .fallback = {.positions = 32768, .eps = 1e-6, .kv_heads = 4},
    .architecture = {.roles = PARE_ROLES_LLAMA | PARE_ROLES_HEAD_NORMS,
                     .ends = PARE_ENDS_LLAMA,
                     .slots = PARE_NORMS_BEFORE,
                     .head_norm = PARE_HEAD_NORM_EACH},
    .options = {{"attention_bias", PARE_OPTION_ROLES, .roles = PARE_ROLES_QKVO_BIAS},
                {.key = "use_sliding_window", .kind = PARE_OPTION_REFUSED}},
    .experts = {QWEN_EXPERTS, .fallback = {.count = 128, .chosen = 8, .width = 768}},
};
