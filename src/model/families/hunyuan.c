#include "model/family.h"

#include <math.h>

/* What its files call dynamic, with an alpha, is a larger theta for all lengths. */
static pare_status read_alpha(pare_fields fields, pare_config *config) {
    const json_t *scaling = pare_field(fields, "rope_scaling");
    double alpha, h = config->head_size;
    pare_fields holds = {.path = fields.path, .object = scaling ? scaling : pare_field(fields, "rope_parameters")};
    PARE_TRY(pare_field_positive(holds, "alpha", 1e9, 0, &alpha));
    for (int i = 0; i < PARE_ROPES && alpha > 0 && h > 2; i++) {
        if (config->rope[i].kind != PARE_ROPE_DYNAMIC) continue;
        config->rope[i].kind = PARE_ROPE_PLAIN;
        config->rope[i].theta *= pow(alpha, h / (h - 2));
    }
    return PARE_OK;
}

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
    .read = read_alpha,
};
