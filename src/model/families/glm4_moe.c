#include "model/family.h"

/* Routers of DeepSeek-V3: sigmoids, chosen by with a correction, in groups that their two best experts speak for. */
#define SIGMOID_EXPERTS                                                                                                \
    .router = "mlp.gate", .each = "mlp.experts.", .parts = {".gate_proj", ".up_proj", ".down_proj"},                   \
    .shared = "mlp.shared_experts.", .correction = "mlp.gate.e_score_correction_bias", .sigmoid = true,                \
    .groups_by_two = true, .count_key = "n_routed_experts", .width_key = "moe_intermediate_size",                      \
    .shared_count_key = "n_shared_experts", .normalised_key = "norm_topk_prob", .first_dense = true,                   \
    .scale_key = "routed_scaling_factor"

const pare_family pare_family_glm4_moe = {
    .types = {"glm4_moe"},
    .class_name = "Glm4MoeForCausalLM",
    .title = "GLM-4.5, GLM-4.5-Air, GLM-4.6, GLM-4.7",
    .fallback = {.positions = 131072, .eps = 1e-5, .kv_heads = 8},
    .architecture = {.roles = PARE_ROLES_LLAMA,
                     .ends = PARE_ENDS_LLAMA,
                     .slots = PARE_NORMS_BEFORE,
                     .head_norm = PARE_HEAD_NORM_EACH},
    .options = {{"attention_bias", PARE_OPTION_ROLES, .roles = PARE_ROLES_ATTENTION_BIAS},
                {"use_qk_norm", PARE_OPTION_NORMED, .roles = PARE_ROLES_HEAD_NORMS}},
    .rope = {.share = 0.5},
    .experts = {SIGMOID_EXPERTS, .fallback = {.count = 128,
                                              .chosen = 8,
                                              .width = 1408,
                                              .shared = 1,
                                              .first_dense = 1,
                                              .groups = 1,
                                              .groups_chosen = 1,
                                              .scale = 1.0,
                                              .normalised = true}},
};

const pare_family pare_family_dots1 = {
    .types = {"dots1"},
    .class_name = "Dots1ForCausalLM",
    .title = "dots.llm1",
    .fallback = {.positions = 2048, .eps = 1e-6, .kv_heads = 32},
    .architecture = {.roles = PARE_ROLES_LLAMA | PARE_ROLES_HEAD_NORMS,
                     .ends = PARE_ENDS_LLAMA,
                     .slots = PARE_NORMS_BEFORE,
                     .head_norm = PARE_HEAD_NORM_EACH},
    .options = {{"attention_bias", PARE_OPTION_ROLES, .roles = PARE_ROLES_QKVO_BIAS}},
    .layers = {.window = PARE_WINDOW_LATE, .first_window = 62, .window_fallback = 4096},
    .experts = {SIGMOID_EXPERTS, .fallback = {.groups = 1, .groups_chosen = 1, .scale = 1.0}},
};
