#include "model/family.h"

static bool is_parallel(const pare_config *config) {
    return config->architecture.parallel;
}

const pare_family pare_family_gpt_neox = {
    .types = {"gpt_neox"},
    .class_name = "GPTNeoXForCausalLM",
    .title = "GPT-NeoX, Pythia, Dolly",
    .roots = {"gpt_neox."},
    .ends = {[PARE_END_EMBEDDING] = "embed_in",
             [PARE_END_FINAL_NORM] = "final_layer_norm",
             [PARE_END_FINAL_NORM_BIAS] = "final_layer_norm",
             [PARE_END_HEAD] = "embed_out"},
    .roles = {[PARE_ROLE_O] = "attention.dense",
              [PARE_ROLE_UP] = "mlp.dense_h_to_4h",
              [PARE_ROLE_DOWN] = "mlp.dense_4h_to_h"},
    .fused = {{"attention.query_key_value", PARE_FUSION_GROUPS, 3, {PARE_ROLE_Q, PARE_ROLE_K, PARE_ROLE_V}}},
    .keys = {[PARE_CONFIG_KEY_EPS] = "layer_norm_eps"},
    .fallback = {.positions = 2048, .eps = 1e-5, .activation = PARE_ACTIVATION_GELU},
    .architecture = {.roles = PARE_ROLES_UNGATED | PARE_ROLES_NORM_BIASES | PARE_ROLES_UP_DOWN_BIAS,
                     .ends = PARE_ENDS_LLAMA | PARE_ENDS_FINAL_BIAS,
                     .slots = PARE_NORMS_BEFORE,
                     .norm = PARE_NORM_LAYER,
                     .ungated = true},
    .options = {{"attention_bias", PARE_OPTION_ROLES, .fallback = 1, .roles = PARE_ROLES_QKVO_BIAS},
                {"use_parallel_residual", PARE_OPTION_FLAG, .fallback = 1, .field = PARE_FIELD(parallel)}},
    .rope = {.share = 0.25, .share_key = "rotary_pct", .theta_key = "rotary_emb_base"},
    .heads = PARE_HEADS_TIED,
    .others = {{&pare_family_phi, is_parallel}},
};
