#include "model/family.h"

/* A Mistral computes the same, and its class does not ask that heads divide the hidden size. */
static bool has_no_bias(const pare_config *config) {
    return !(config->architecture.roles & (PARE_ROLES_QKVO_BIAS | PARE_ROLES_FFN_BIAS));
}

const pare_family pare_family_llama = {
    .types = {"llama"},
    .class_name = "LlamaForCausalLM",
    .title = "LLaMA 1, 2, 3, 3.1, 3.2, Vicuna, TinyLlama, SmolLM2, Yi, Falcon 3, DeepSeek-R1-Distill-Llama",
    .fallback = {.positions = 2048, .eps = 1e-6},
    .architecture = {.roles = PARE_ROLES_LLAMA, .ends = PARE_ENDS_LLAMA, .slots = PARE_NORMS_BEFORE},
    .options = {{"attention_bias", PARE_OPTION_ROLES, .roles = PARE_ROLES_QKVO_BIAS},
                {"mlp_bias", PARE_OPTION_ROLES, .roles = PARE_ROLES_FFN_BIAS}},
    .heads = PARE_HEADS_DIVIDE,
    .others = {{&pare_family_mistral, has_no_bias}, {&pare_family_seed_oss, NULL}},
};
