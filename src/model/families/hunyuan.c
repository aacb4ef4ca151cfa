#include "model/family.h"

const pare_family pare_family_hunyuan = {
    .types = {"hunyuan_v1_dense"},
    .class_name = "HunYuanDenseV1ForCausalLM",
    .title = "HunYuan, dense",
    .roles = {[PARE_ROLE_Q_NORM] = "self_attn.query_layernorm", [PARE_ROLE_K_NORM] = "self_attn.key_layernorm"},
    .fallback = {.positions = 2048, .eps = 1e-5},
    .architecture = {.roles = PARE_ROLES_LLAMA | PARE_ROLES_HEAD_NORMS,
                     .ends = PARE_ENDS_LLAMA,
                     .slots = PARE_NORMS_BEFORE,
                     .head_norm = PARE_HEAD_NORM_ROTATED},
    .options = {{"attention_bias", PARE_OPTION_ROLES, .roles = PARE_ROLES_QKVO_BIAS}},
};
