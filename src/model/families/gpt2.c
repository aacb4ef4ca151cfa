#include "model/family.h"

static pare_status read_scale(pare_fields fields, pare_config *config) {
    bool scaled;
    PARE_TRY(pare_field_flag_or(fields, "scale_attn_weights", true, &scaled));
    if (!scaled) config->architecture.attention_scale = 1;
    return PARE_OK;
}

const pare_family pare_family_gpt2 = {
    .types = {"gpt2"},
    .class_name = "GPT2LMHeadModel",
    .title = "GPT-2",
    .roots = {"transformer.", ""},
    .layer = "h.",
    .ends = {[PARE_END_EMBEDDING] = "wte",
             [PARE_END_POSITIONS] = "wpe",
             [PARE_END_FINAL_NORM] = "ln_f",
             [PARE_END_FINAL_NORM_BIAS] = "ln_f"},
    .roles = {[PARE_ROLE_O] = "attn.c_proj",
              [PARE_ROLE_UP] = "mlp.c_fc",
              [PARE_ROLE_DOWN] = "mlp.c_proj",
              [PARE_ROLE_INPUT_NORM] = "ln_1",
              [PARE_ROLE_POST_NORM] = "ln_2"},
    .fused = {{"attn.c_attn", PARE_FUSION_ROWS, 3, {PARE_ROLE_Q, PARE_ROLE_K, PARE_ROLE_V}}},
    .transposed = true,
    .keys = {[PARE_CONFIG_KEY_HIDDEN] = "n_embd",
             [PARE_CONFIG_KEY_LAYERS] = "n_layer",
             [PARE_CONFIG_KEY_HEADS] = "n_head",
             [PARE_CONFIG_KEY_FFN] = "n_inner",
             [PARE_CONFIG_KEY_POSITIONS] = "n_positions",
             [PARE_CONFIG_KEY_EPS] = "layer_norm_epsilon",
             [PARE_CONFIG_KEY_ACTIVATION] = "activation_function"},
    .fallback = {.positions = 1024, .eps = 1e-5, .ffn = 4, .tied = true, .activation = PARE_ACTIVATION_GELU_TANH},
    .architecture = {.roles =
                         PARE_ROLES_UNGATED | PARE_ROLES_NORM_BIASES | PARE_ROLES_QKVO_BIAS | PARE_ROLES_UP_DOWN_BIAS,
                     .ends = PARE_ENDS_LLAMA | PARE_ENDS_FINAL_BIAS | PARE_ENDS_POSITIONS,
                     .slots = PARE_NORMS_BEFORE,
                     .norm = PARE_NORM_LAYER,
                     .ungated = true,
                     .positions = PARE_POSITIONS_LEARNED},
    .options = {{"scale_attn_by_inverse_layer_idx", PARE_OPTION_FLAG, .field = PARE_FIELD(scale_by_layer)},
                {"add_cross_attention", .kind = PARE_OPTION_REFUSED}},
    .heads = PARE_HEADS_TIED,
    .read = read_scale,
};
