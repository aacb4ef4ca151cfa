#include "model/family.h"

static bool has_no_bias(const pare_config *config) {
    return !(config->architecture.roles & (PARE_ROLES_QKVO_BIAS | PARE_ROLES_FFN_BIAS));
}

const pare_family pare_family_helium = {
    .types = {"helium"},
    .class_name = "HeliumForCausalLM",
    .title = "Helium",
    .fallback = {.positions = 4096, .eps = 1e-8, .kv_heads = 20, .head_dim = 128},
    .architecture = {.roles = PARE_ROLES_LLAMA,
                     .ends = PARE_ENDS_LLAMA,
                     .slots = PARE_NORMS_BEFORE,
                     .interleaved = true},
    .options = {{"attention_bias", PARE_OPTION_ROLES, .roles = PARE_ROLES_ATTENTION_BIAS},
                {"mlp_bias", PARE_OPTION_ROLES, .roles = PARE_ROLES_FFN_BIAS}},
    .rope = {.theta = 1e5},
    .heads = PARE_HEADS_TIED,
    .others = {{&pare_family_mistral, has_no_bias}},
};
