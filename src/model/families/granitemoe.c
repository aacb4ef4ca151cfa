#include "model/family.h"

const pare_family pare_family_granitemoe = {
    .types = {"granitemoe"},
    .class_name = "GraniteMoeForCausalLM",
    .title = "Granite 3, 1B-A400M and 3B-A800M",
    .fallback = {.positions = 2048, .eps = 1e-6},
    .architecture = {.roles = PARE_ROLES_LLAMA, .ends = PARE_ENDS_LLAMA, .slots = PARE_NORMS_BEFORE},
    .options = {{"attention_bias", PARE_OPTION_ROLES, .roles = PARE_ROLES_QKVO_BIAS},
                {"embedding_multiplier", PARE_OPTION_NUMBER, .fallback = 1, .field = PARE_FIELD(embedding_scale)},
                {"residual_multiplier", PARE_OPTION_NUMBER, .fallback = 1, .field = PARE_FIELD(residual_scale)},
                {"attention_multiplier", PARE_OPTION_NUMBER, .fallback = 1, .field = PARE_FIELD(attention_scale)},
                {"logits_scaling", PARE_OPTION_INVERSE, .fallback = 1, .field = PARE_FIELD(logit_scale)}},
    .experts = {.router = "block_sparse_moe.router.layer",
                .fused = {"block_sparse_moe.input_linear", "block_sparse_moe.output_linear"},
                .module = "block_sparse_moe.experts",
                .count_key = "num_local_experts",
                .fallback = {.count = 8, .chosen = 2, .width = 11008}},
};
