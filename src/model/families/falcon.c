#include "model/family.h"

/* Three decoders: one key and value for all heads (7B), each head with its own (RW), and by groups (40B, 180B); the
 * last one has two norms, under other names. */
static pare_status read_decoder(pare_fields fields, pare_config *config) {
    pare_architecture *a = &config->architecture;
    bool newer, many = true, parallel = true;
    uint32_t norms;
    PARE_TRY(pare_field_flag(fields, "new_decoder_architecture", &newer));
    if (pare_field(fields, "multi_query")) PARE_TRY(pare_field_flag(fields, "multi_query", &many));
    if (pare_field(fields, "parallel_attn")) PARE_TRY(pare_field_flag(fields, "parallel_attn", &parallel));
    PARE_TRY(pare_field_whole(fields, "num_ln_in_parallel_attn", 1, 2, newer ? 2 : 1, &norms));
    if (newer && !parallel)
        return pare_field_refuse(PARE_UNSUPPORTED, fields, "parallel_attn",
                                 "pare knows new_decoder_architecture with parallel attention only");
    if (!newer && many) config->kv_heads = 1;
    a->parallel = parallel;
    a->shared_norm = parallel && !(newer && norms == 2);
    if (a->shared_norm) {
        a->slots = 1 << PARE_NORM_SLOT_INPUT;
        a->roles &= ~(pare_role_bit(PARE_ROLE_POST_NORM) | pare_role_bit(PARE_ROLE_POST_NORM_BIAS));
    }
    if (newer && norms == 2) config->family = &pare_family_falcon_two_norms;
    return PARE_OK;
}

#define FALCON_ROW                                                                                                     \
    .class_name = "FalconForCausalLM", .roots = {"transformer.", ""}, .layer = "h.",                                   \
    .ends = {[PARE_END_EMBEDDING] = "word_embeddings",                                                                 \
             [PARE_END_FINAL_NORM] = "ln_f",                                                                           \
             [PARE_END_FINAL_NORM_BIAS] = "ln_f"},                                                                     \
    .fused = {{"self_attention.query_key_value", PARE_FUSION_GROUPS, 3, {PARE_ROLE_Q, PARE_ROLE_K, PARE_ROLE_V}}},     \
    .keys = {[PARE_CONFIG_KEY_KV_HEADS] = "num_kv_heads",                                                              \
             [PARE_CONFIG_KEY_HEAD_DIM] = "",                                                                          \
             [PARE_CONFIG_KEY_FFN] = "ffn_hidden_size",                                                                \
             [PARE_CONFIG_KEY_EPS] = "layer_norm_epsilon",                                                             \
             [PARE_CONFIG_KEY_ACTIVATION] = "activation"},                                                             \
    .fallback = {.positions = 2048, .eps = 1e-5, .ffn = 4, .tied = true, .activation = PARE_ACTIVATION_GELU},          \
    .architecture = {.roles = PARE_ROLES_UNGATED | PARE_ROLES_NORM_BIASES,                                             \
                     .ends = PARE_ENDS_LLAMA | PARE_ENDS_FINAL_BIAS,                                                   \
                     .slots = PARE_NORMS_BEFORE,                                                                       \
                     .norm = PARE_NORM_LAYER,                                                                          \
                     .slopes = PARE_SLOPES_FALCON,                                                                     \
                     .ungated = true},                                                                                 \
    .options = {{"bias", PARE_OPTION_ROLES, .roles = PARE_ROLES_QKVO_BIAS | PARE_ROLES_UP_DOWN_BIAS},                  \
                {"alibi", .kind = PARE_OPTION_ALIBI}},                                                                 \
    .read = read_decoder, .heads = PARE_HEADS_TIED

#define FALCON_NAMES                                                                                                   \
    [PARE_ROLE_O] = "self_attention.dense", [PARE_ROLE_UP] = "mlp.dense_h_to_4h", [PARE_ROLE_DOWN] = "mlp.dense_4h_to_h"

const pare_family pare_family_falcon = {
    .types = {"falcon"},
    .title = "Falcon 1 (RW, 7B, 40B, 180B)",
    .roles = {FALCON_NAMES},
    FALCON_ROW,
};

const pare_family pare_family_falcon_two_norms = {
    .types = {"falcon"},
    .title = "Falcon 1 (RW, 7B, 40B, 180B)",
    .roles = {FALCON_NAMES, [PARE_ROLE_INPUT_NORM] = "ln_attn", [PARE_ROLE_POST_NORM] = "ln_mlp"},
    FALCON_ROW,
};
