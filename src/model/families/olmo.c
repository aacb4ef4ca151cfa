#include "model/family.h"

#define ATTENTION_BIAS                                                                                                 \
    { "attention_bias", PARE_OPTION_ROLES, .roles = PARE_ROLES_QKVO_BIAS }

/* Norms without weights. */
const pare_family pare_family_olmo = {
    .types = {"olmo"},
    .class_name = "OlmoForCausalLM",
    .title = "OLMo 1",
    .fallback = {.positions = 2048},
    .fixed_eps = 1e-5,
    .architecture = {.roles = PARE_ROLES_MATRICES,
                     .ends = UINT32_C(1) << PARE_END_EMBEDDING | UINT32_C(1) << PARE_END_HEAD,
                     .slots = PARE_NORMS_BEFORE,
                     .norm = PARE_NORM_LAYER},
    .options = {ATTENTION_BIAS, {"clip_qkv", PARE_OPTION_NUMBER, .field = PARE_FIELD(qkv_clip)}},
};

const pare_family pare_family_olmo2 = {
    .types = {"olmo2"},
    .class_name = "Olmo2ForCausalLM",
    .title = "OLMo 2",
    .fallback = {.positions = 2048, .eps = 1e-5},
    .architecture = {.roles = PARE_ROLES_MATRICES | PARE_ROLES_OUT_NORMS | PARE_ROLES_HEAD_NORMS,
                     .ends = PARE_ENDS_LLAMA,
                     .slots = PARE_NORMS_BEHIND,
                     .head_norm = PARE_HEAD_NORM_ALL},
    .options = {ATTENTION_BIAS},
};

const pare_family pare_family_olmo3 = {
    .types = {"olmo3"},
    .class_name = "Olmo3ForCausalLM",
    .title = "OLMo 3",
    .fallback = {.positions = 2048, .eps = 1e-5},
    .architecture = {.roles = PARE_ROLES_MATRICES | PARE_ROLES_OUT_NORMS | PARE_ROLES_HEAD_NORMS,
                     .ends = PARE_ENDS_LLAMA,
                     .slots = PARE_NORMS_BEHIND,
                     .head_norm = PARE_HEAD_NORM_ALL},
    .options = {ATTENTION_BIAS},
    .layers = {.window = PARE_WINDOW_TYPES, .window_fallback = 4096, .period = 4},
    .rope = {.theta = 5e5, .window_plain = true},
};
