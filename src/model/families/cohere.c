#include "model/family.h"

#define COHERE_ARCHITECTURE                                                                                            \
    .architecture = {.roles = PARE_ROLES_LLAMA & ~(UINT32_C(1) << PARE_ROLE_POST_NORM),                                \
                     .ends = PARE_ENDS_LLAMA,                                                                          \
                     .slots = 1 << PARE_NORM_SLOT_INPUT,                                                               \
                     .norm = PARE_NORM_LAYER,                                                                          \
                     .parallel = true,                                                                                 \
                     .shared_norm = true,                                                                              \
                     .head_norm = PARE_HEAD_NORM_EACH,                                                                 \
                     .head_norm_own = true,                                                                            \
                     .interleaved = true}
#define ATTENTION_BIAS                                                                                                 \
    { "attention_bias", PARE_OPTION_ROLES, .roles = PARE_ROLES_QKVO_BIAS }
#define LOGIT_SCALE                                                                                                    \
    { "logit_scale", PARE_OPTION_NUMBER, .fallback = 0.0625, .field = PARE_FIELD(logit_scale) }

const pare_family pare_family_cohere = {
    .types = {"cohere"},
    .class_name = "CohereForCausalLM",
    .title = "Command-R, Command-R+, Aya 23",
    .keys = {[PARE_CONFIG_KEY_EPS] = "layer_norm_eps"},
    .fallback = {.positions = 8192, .eps = 1e-5, .tied = true},
    COHERE_ARCHITECTURE,
    .options = {ATTENTION_BIAS, LOGIT_SCALE, {"use_qk_norm", PARE_OPTION_NORMED, .roles = PARE_ROLES_HEAD_NORMS}},
    .rope = {.theta = 5e5},
};

const pare_family pare_family_cohere2 = {
    .types = {"cohere2"},
    .class_name = "Cohere2ForCausalLM",
    .title = "Command R7B, Command A",
    .keys = {[PARE_CONFIG_KEY_EPS] = "layer_norm_eps"},
    .fallback = {.positions = 8192, .eps = 1e-5, .tied = true},
    COHERE_ARCHITECTURE,
    .options = {ATTENTION_BIAS, LOGIT_SCALE},
    .layers = {.window = PARE_WINDOW_TYPES,
               .window_fallback = 4096,
               .period = 4,
               .period_key = "sliding_window_pattern",
               .rotates_windows_only = true},
};
