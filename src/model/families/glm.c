#include "model/family.h"

#define GLM_ROW                                                                                                        \
    .fused = {{"mlp.gate_up_proj", PARE_FUSION_ROWS, 2, {PARE_ROLE_GATE, PARE_ROLE_UP}}},                              \
    .fallback = {.positions = 131072, .eps = 1.5625e-7, .kv_heads = 2, .head_dim = 128},                               \
    .options = {{"attention_bias", PARE_OPTION_ROLES, .fallback = 1, .roles = PARE_ROLES_ATTENTION_BIAS}},             \
    .rope = {.share = 0.5}

const pare_family pare_family_glm = {
    .types = {"glm"},
    .class_name = "GlmForCausalLM",
    .title = "GLM-4-9B",
    GLM_ROW,
    .architecture = {.roles = PARE_ROLES_LLAMA,
                     .ends = PARE_ENDS_LLAMA,
                     .slots = PARE_NORMS_BEFORE,
                     .interleaved = true},
};

const pare_family pare_family_glm4 = {
    .types = {"glm4"},
    .class_name = "Glm4ForCausalLM",
    .title = "GLM-4-0414",
    GLM_ROW,
    .roles =
        {[PARE_ROLE_ATTENTION_OUT_NORM] = "post_self_attn_layernorm", [PARE_ROLE_FFN_OUT_NORM] = "post_mlp_layernorm"},
    .architecture = {.roles = PARE_ROLES_LLAMA | PARE_ROLES_OUT_NORMS,
                     .ends = PARE_ENDS_LLAMA,
                     .slots = PARE_NORMS_BEFORE | PARE_NORMS_BEHIND,
                     .interleaved = true},
};
