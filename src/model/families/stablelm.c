#include "model/family.h"

/* A parallel block has one norm. */
static pare_status share_norm(pare_fields fields, pare_config *config) {
    (void)fields;
    pare_architecture *a = &config->architecture;
    if (!a->parallel) return PARE_OK;
    a->shared_norm = true;
    a->slots = 1 << PARE_NORM_SLOT_INPUT;
    a->roles &= ~(pare_role_bit(PARE_ROLE_POST_NORM) | pare_role_bit(PARE_ROLE_POST_NORM_BIAS));
    return PARE_OK;
}

const pare_family pare_family_stablelm = {
    .types = {"stablelm"},
    .class_name = "StableLmForCausalLM",
    .title = "StableLM, StableLM 2",
    .roles = {[PARE_ROLE_Q_NORM] = "self_attn.q_layernorm.norms", [PARE_ROLE_K_NORM] = "self_attn.k_layernorm.norms"},
    .norms_by_head = true,
    .keys = {[PARE_CONFIG_KEY_EPS] = "layer_norm_eps"},
    .fallback = {.positions = 4096, .eps = 1e-5, .kv_heads = 32},
    .architecture = {.roles = PARE_ROLES_LLAMA | PARE_ROLES_NORM_BIASES,
                     .ends = PARE_ENDS_LLAMA | PARE_ENDS_FINAL_BIAS,
                     .slots = PARE_NORMS_BEFORE,
                     .norm = PARE_NORM_LAYER,
                     .head_norm = PARE_HEAD_NORM_EACH,
                     .head_norm_own = true},
    .options = {{"use_qkv_bias", PARE_OPTION_ROLES, .roles = PARE_ROLES_ATTENTION_BIAS},
                {"use_parallel_residual", PARE_OPTION_FLAG, .field = PARE_FIELD(parallel)},
                {"qk_layernorm", PARE_OPTION_NORMED, .roles = PARE_ROLES_HEAD_NORMS}},
    .rope = {.share = 0.25},
    .read = share_norm,
    .heads = PARE_HEADS_TIED,
};
