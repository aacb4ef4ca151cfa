#include "model/family.h"

#include <math.h>

/* Embeddings are multiplied by the root of the hidden size that the file states. */
static pare_status scale_embedding(pare_fields fields, pare_config *config) {
    (void)fields;
    config->architecture.embedding_root = true;
    config->architecture.embedding_scale = sqrt((double)config->hidden);
    return PARE_OK;
}

/* The first files say gelu where they mean its tanh form. */
static pare_status read_first(pare_fields fields, pare_config *config) {
    if (config->architecture.activation == PARE_ACTIVATION_GELU)
        config->architecture.activation = PARE_ACTIVATION_GELU_TANH;
    return scale_embedding(fields, config);
}

#define REFUSE_BIDIRECTIONAL                                                                                           \
    { "use_bidirectional_attention", .kind = PARE_OPTION_REFUSED }
#define ATTENTION_BIAS                                                                                                 \
    { "attention_bias", PARE_OPTION_ROLES, .roles = PARE_ROLES_QKVO_BIAS }
#define ATTENTION_SCALE                                                                                                \
    { "query_pre_attn_scalar", PARE_OPTION_ROOT, .fallback = 256, .field = PARE_FIELD(attention_scale) }
#define FOUR_NORMS                                                                                                     \
    .roles = {[PARE_ROLE_ATTENTION_OUT_NORM] = "post_attention_layernorm",                                             \
              [PARE_ROLE_POST_NORM] = "pre_feedforward_layernorm",                                                     \
              [PARE_ROLE_FFN_OUT_NORM] = "post_feedforward_layernorm"}

const pare_family pare_family_gemma = {
    .types = {"gemma"},
    .class_name = "GemmaForCausalLM",
    .title = "Gemma 1, CodeGemma",
    .fallback = {.positions = 8192,
                 .eps = 1e-6,
                 .kv_heads = 16,
                 .head_dim = 256,
                 .tied = true,
                 .activation = PARE_ACTIVATION_GELU_TANH},
    .architecture = {.roles = PARE_ROLES_LLAMA, .ends = PARE_ENDS_LLAMA, .slots = PARE_NORMS_BEFORE, .norm_unit = true},
    .options = {ATTENTION_BIAS, REFUSE_BIDIRECTIONAL},
    .read = read_first,
};

const pare_family pare_family_gemma2 = {
    .types = {"gemma2"},
    .class_name = "Gemma2ForCausalLM",
    .title = "Gemma 2",
    FOUR_NORMS,
    .keys = {[PARE_CONFIG_KEY_ACTIVATION] = "hidden_activation"},
    .fallback = {.positions = 8192,
                 .eps = 1e-6,
                 .kv_heads = 4,
                 .head_dim = 256,
                 .tied = true,
                 .activation = PARE_ACTIVATION_GELU_TANH},
    .architecture = {.roles = PARE_ROLES_LLAMA | PARE_ROLES_OUT_NORMS,
                     .ends = PARE_ENDS_LLAMA,
                     .slots = PARE_NORMS_BEFORE | PARE_NORMS_BEHIND,
                     .norm_unit = true},
    .options = {ATTENTION_BIAS,
                REFUSE_BIDIRECTIONAL,
                ATTENTION_SCALE,
                {"attn_logit_softcapping", PARE_OPTION_NUMBER, .fallback = 50, .field = PARE_FIELD(attention_cap)},
                {"final_logit_softcapping", PARE_OPTION_NUMBER, .fallback = 30, .field = PARE_FIELD(logit_cap)}},
    .layers = {.window = PARE_WINDOW_TYPES, .window_fallback = 4096, .period = 2},
    .read = scale_embedding,
    .heads = PARE_HEADS_DIVIDE,
};

/* Its class knows attn_logit_softcapping and does not apply it. */
const pare_family pare_family_gemma3 = {
    .types = {"gemma3_text"},
    .class_name = "Gemma3ForCausalLM",
    .title = "Gemma 3 (the language model of those with pictures)",
    .carried = {"vision_tower.", "vision_tower.vision_model."},
    FOUR_NORMS,
    .keys = {[PARE_CONFIG_KEY_ACTIVATION] = "hidden_activation"},
    .fallback = {.positions = 131072,
                 .eps = 1e-6,
                 .kv_heads = 4,
                 .head_dim = 256,
                 .tied = true,
                 .activation = PARE_ACTIVATION_GELU_TANH},
    .architecture = {.roles = PARE_ROLES_LLAMA | PARE_ROLES_OUT_NORMS | PARE_ROLES_HEAD_NORMS,
                     .ends = PARE_ENDS_LLAMA,
                     .slots = PARE_NORMS_BEFORE | PARE_NORMS_BEHIND,
                     .norm_unit = true,
                     .head_norm = PARE_HEAD_NORM_EACH},
    .options = {ATTENTION_BIAS,
                REFUSE_BIDIRECTIONAL,
                ATTENTION_SCALE,
                {"final_logit_softcapping", PARE_OPTION_NUMBER, .field = PARE_FIELD(logit_cap)}},
    .layers = {.window = PARE_WINDOW_TYPES,
               .window_fallback = 4096,
               .period = 6,
               .period_key = "sliding_window_pattern"},
    .rope = {.theta = 1e6, .window_theta_key = "rope_local_base_freq", .window_theta = 1e4},
    .read = scale_embedding,
    .heads = PARE_HEADS_DIVIDE,
};
