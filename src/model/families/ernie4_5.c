#include "model/family.h"

static bool has_no_bias(const pare_config *config) {
    return !(config->architecture.roles & (PARE_ROLES_QKVO_BIAS | PARE_ROLES_FFN_BIAS));
}

const pare_family pare_family_ernie4_5 = {
    .types = {"ernie4_5"},
    .class_name = "Ernie4_5ForCausalLM",
    .title = "ERNIE 4.5, dense",
    .fallback = {.positions = 131072, .eps = 1e-5, .kv_heads = 2, .head_dim = 128, .tied = true},
    .architecture = {.roles = PARE_ROLES_LLAMA,
                     .ends = PARE_ENDS_LLAMA,
                     .slots = PARE_NORMS_BEFORE,
                     .interleaved = true},
    .options = {{"use_bias", PARE_OPTION_ROLES, .roles = PARE_ROLES_QKVO_BIAS | PARE_ROLES_FFN_BIAS}},
    .rope = {.theta = 5e5},
    .prefers_other = true,
    .others = {{&pare_family_mistral, has_no_bias}},
};
