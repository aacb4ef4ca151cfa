#include "model/family.h"

const pare_family pare_family_seed_oss = {
    .types = {"seed_oss"},
    .class_name = "SeedOssForCausalLM",
    .title = "Seed-OSS",
    .fallback = {.positions = 524288, .eps = 1e-6, .kv_heads = 8, .head_dim = 128},
    .architecture = {.roles = PARE_ROLES_LLAMA, .ends = PARE_ENDS_LLAMA, .slots = PARE_NORMS_BEFORE},
    .options = {{"attention_bias", PARE_OPTION_ROLES, .fallback = 1, .roles = PARE_ROLES_ATTENTION_BIAS},
                {"attention_out_bias", PARE_OPTION_ROLES, .roles = PARE_ROLES_O_BIAS},
                {"mlp_bias", PARE_OPTION_ROLES, .roles = PARE_ROLES_FFN_BIAS}},
};
