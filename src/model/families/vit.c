#include "model/family.h"

/* ViT, and DeiT, which has one more token of its own. Modules are called otherwise in transformers 5, whose files keep
 * the older names. */
#define VISION_ROW(name)                                                                                               \
    .roots = {name ".", ""}, .layer = "encoder.layer.",                                                                \
    .ends = {[PARE_END_PROJECT_IN] = "embeddings.patch_embeddings.projection",                                         \
             [PARE_END_PROJECT_IN_BIAS] = "embeddings.patch_embeddings.projection",                                    \
             [PARE_END_CLASS_TOKEN] = "embeddings.cls_token",                                                          \
             [PARE_END_DISTILLATION_TOKEN] = "embeddings.distillation_token",                                          \
             [PARE_END_POSITIONS] = "embeddings.position_embeddings",                                                  \
             [PARE_END_FINAL_NORM] = "layernorm",                                                                      \
             [PARE_END_FINAL_NORM_BIAS] = "layernorm",                                                                 \
             [PARE_END_HEAD] = "classifier",                                                                           \
             [PARE_END_HEAD_BIAS] = "classifier"},                                                                     \
    .bare_ends =                                                                                                       \
        PARE_ENDS_POSITIONS | UINT32_C(1) << PARE_END_CLASS_TOKEN | UINT32_C(1) << PARE_END_DISTILLATION_TOKEN,        \
    .roles = {[PARE_ROLE_Q] = "attention.attention.query", [PARE_ROLE_K] = "attention.attention.key",                  \
              [PARE_ROLE_V] = "attention.attention.value", [PARE_ROLE_O] = "attention.output.dense",                   \
              [PARE_ROLE_UP] = "intermediate.dense",       [PARE_ROLE_DOWN] = "output.dense",                          \
              [PARE_ROLE_INPUT_NORM] = "layernorm_before", [PARE_ROLE_POST_NORM] = "layernorm_after"},                 \
    .keys =                                                                                                            \
        {[PARE_CONFIG_KEY_KV_HEADS] = "", [PARE_CONFIG_KEY_POSITIONS] = "", [PARE_CONFIG_KEY_EPS] = "layer_norm_eps"}, \
    .fallback = {.eps = 1e-12, .activation = PARE_ACTIVATION_GELU},                                                    \
    .options = {{"qkv_bias", PARE_OPTION_ROLES, .fallback = 1, .roles = PARE_ROLES_ATTENTION_BIAS}},                   \
    .heads = PARE_HEADS_FREE, .in_memory = &(const pare_family) {                                                      \
        .roots = {name "."}, .roles = {                                                                                \
            [PARE_ROLE_Q] = "attention.q_proj",                                                                        \
            [PARE_ROLE_K] = "attention.k_proj",                                                                        \
            [PARE_ROLE_V] = "attention.v_proj",                                                                        \
            [PARE_ROLE_O] = "attention.o_proj",                                                                        \
            [PARE_ROLE_UP] = "mlp.fc1",                                                                                \
            [PARE_ROLE_DOWN] = "mlp.fc2"                                                                               \
        }                                                                                                              \
    }

#define VISION_BLOCK                                                                                                   \
    .roles = PARE_ROLES_UNGATED | PARE_ROLES_NORM_BIASES | PARE_ROLES_O_BIAS | PARE_ROLES_UP_DOWN_BIAS,                \
    .slots = PARE_NORMS_BEFORE, .norm = PARE_NORM_LAYER, .ungated = true, .positions = PARE_POSITIONS_LEARNED,         \
    .bidirectional = true

const pare_family pare_family_vit = {
    .types = {"vit"},
    .class_name = "ViTForImageClassification",
    .title = "ViT (pictures)",
    VISION_ROW("vit"),
    .architecture = {.ends = PARE_ENDS_PICTURES | PARE_ENDS_CLASSIFIER, VISION_BLOCK},
};

const pare_family pare_family_deit = {
    .types = {"deit"},
    .class_name = "DeiTForImageClassification",
    .title = "DeiT (pictures)",
    VISION_ROW("deit"),
    .architecture = {.ends = PARE_ENDS_PICTURES | PARE_ENDS_CLASSIFIER | UINT32_C(1) << PARE_END_DISTILLATION_TOKEN,
                     VISION_BLOCK},
};
