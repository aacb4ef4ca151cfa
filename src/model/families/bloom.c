#include "model/family.h"

const pare_family pare_family_bloom = {
    .types = {"bloom"},
    .class_name = "BloomForCausalLM",
    .title = "BLOOM, BLOOMZ",
    .roots = {"transformer.", ""},
    .layer = "h.",
    .ends = {[PARE_END_EMBEDDING] = "word_embeddings",
             [PARE_END_EMBEDDING_NORM] = "word_embeddings_layernorm",
             [PARE_END_EMBEDDING_NORM_BIAS] = "word_embeddings_layernorm",
             [PARE_END_FINAL_NORM] = "ln_f",
             [PARE_END_FINAL_NORM_BIAS] = "ln_f"},
    .roles = {[PARE_ROLE_O] = "self_attention.dense",
              [PARE_ROLE_UP] = "mlp.dense_h_to_4h",
              [PARE_ROLE_DOWN] = "mlp.dense_4h_to_h"},
    .fused = {{"self_attention.query_key_value", PARE_FUSION_GROUPS, 3, {PARE_ROLE_Q, PARE_ROLE_K, PARE_ROLE_V}}},
    .keys = {[PARE_KEY_LAYERS] = "n_layer",
             [PARE_KEY_HEADS] = "n_head",
             [PARE_KEY_POSITIONS] = "seq_length",
             [PARE_KEY_EPS] = "layer_norm_epsilon"},
    .fallback = {.positions = 2048, .eps = 1e-5, .ffn = 4, .tied = true, .activation = PARE_ACTIVATION_GELU_TANH},
    .fixed_activation = true,
    .architecture = {.roles = PARE_ROLES_UNGATED | PARE_ROLES_NORM_BIASES | PARE_ROLES_QKVO_BIAS |
                              PARE_ROLES_UP_DOWN_BIAS,
                     .ends = PARE_ENDS_LLAMA | PARE_ENDS_FINAL_BIAS | UINT32_C(1) << PARE_END_EMBEDDING_NORM |
                             UINT32_C(1) << PARE_END_EMBEDDING_NORM_BIAS,
                     .slots = PARE_NORMS_BEFORE,
                     .norm = PARE_NORM_LAYER,
                     .ungated = true,
                     .positions = PARE_POSITIONS_ALIBI,
                     .slopes = PARE_SLOPES_BLOOM},
    .options = {{"apply_residual_connection_post_layernorm", PARE_OPTION_REFUSED}},
};
