#include "model/family.h"

#include <string.h>

/* A longrope of this class turns by its short factors, however long a text is, and has factors of its own that cosines
 * and sines are multiplied by: up to the original positions, and beyond. */
static pare_status read_longrope(pare_fields fields, const json_t *object, pare_rope_config *rope) {
    const pare_fields scaling = {.path = fields.path, .object = object};
    double beyond;
    if (rope->kind != PARE_ROPE_LONGROPE)
        return pare_field_refuse(PARE_UNSUPPORTED, scaling, "rope_type", "pare knows plain RoPE and longrope here");
    PARE_TRY(pare_field_positive(scaling, "short_mscale", 1e6, -1, &rope->attention_factor));
    PARE_TRY(pare_field_positive(scaling, "long_mscale", 1e6, -1, &beyond));
    memcpy(rope->factors + rope->rotated / 2, rope->factors, rope->rotated / 2 * sizeof *rope->factors);
    if (beyond >= rope->attention_factor && beyond <= rope->attention_factor) return PARE_OK;
    return pare_field_refuse(PARE_UNSUPPORTED, scaling, "long_mscale", "pare knows one that is short_mscale, too");
}

static pare_status read(pare_fields fields, pare_config *config) {
    const json_t *scaling = pare_field(fields, "rope_scaling"), *parameters = pare_field(fields, "rope_parameters");
    bool biased;
    PARE_TRY(pare_field_flag(fields, "lm_head_bias", &biased));
    if (biased) config->architecture.ends |= pare_end_bit(PARE_END_HEAD_BIAS);
    if (config->rope[0].kind == PARE_ROPE_PLAIN) return PARE_OK;
    return read_longrope(fields, scaling ? scaling : parameters, &config->rope[0]);
}

const pare_family pare_family_phimoe = {
    .types = {"phimoe"},
    .class_name = "PhimoeForCausalLM",
    .title = "Phi-3.5-MoE, Phi-mini-MoE, Phi-tiny-MoE",
    .fallback = {.positions = 131072, .eps = 1e-5, .kv_heads = 8},
    .architecture = {.roles = PARE_ROLES_LLAMA | PARE_ROLES_NORM_BIASES,
                     .ends = PARE_ENDS_LLAMA | PARE_ENDS_FINAL_BIAS,
                     .slots = PARE_NORMS_BEFORE,
                     .norm = PARE_NORM_LAYER},
    .options = {{"attention_bias", PARE_OPTION_ROLES, .roles = PARE_ROLES_QKVO_BIAS}},
    .layers = {.window = PARE_WINDOW_ALL},
    .rope = {.theta = 1e6},
    .experts = {.router = "block_sparse_moe.gate",
                .each = "block_sparse_moe.experts.",
                .parts = {".w1", ".w3", ".w2"},
                .count_key = "num_local_experts",
                .jitter_key = "router_jitter_noise",
                .fallback = {.count = 16, .chosen = 2, .width = 6400, .jitter = 0.01}},
    .read = read,
};
