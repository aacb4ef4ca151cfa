#include "model/family.h"

static bool has_no_bias(const pare_config *config) {
    return !(config->architecture.roles & (PARE_ROLES_QKVO_BIAS | PARE_ROLES_FFN_BIAS));
}

const pare_family pare_family_internlm3 = {
    .types = {"internlm3"},
    .class_name = "LlamaForCausalLM",
    .title = "InternLM3",
    .fallback = {.positions = 32768, .eps = 1e-5, .kv_heads = 2, .head_dim = 128},
    .architecture = {.roles = PARE_ROLES_LLAMA, .ends = PARE_ENDS_LLAMA, .slots = PARE_NORMS_BEFORE},
    .options = {{"attention_bias", PARE_OPTION_ROLES, .roles = PARE_ROLES_QKVO_BIAS},
                {"qkv_bias", PARE_OPTION_ROLES, .roles = PARE_ROLES_QKVO_BIAS},
                {"mlp_bias", PARE_OPTION_ROLES, .roles = PARE_ROLES_FFN_BIAS},
                {"bias", PARE_OPTION_ROLES, .roles = PARE_ROLES_FFN_BIAS}},
    .heads = PARE_HEADS_DIVIDE,
    .others = {{&pare_family_mistral, has_no_bias}, {&pare_family_seed_oss, NULL}},
};
