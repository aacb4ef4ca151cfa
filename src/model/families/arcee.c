#include "model/family.h"

const pare_family pare_family_arcee = {
    .types = {"arcee"},
    .class_name = "ArceeForCausalLM",
    .title = "Arcee AFM",
    .fallback = {.positions = 4096, .eps = 1e-5, .activation = PARE_ACTIVATION_RELU2},
    .architecture = {.roles = PARE_ROLES_UNGATED, .ends = PARE_ENDS_LLAMA, .slots = PARE_NORMS_BEFORE, .ungated = true},
    .options = {{"attention_bias", PARE_OPTION_ROLES, .roles = PARE_ROLES_QKVO_BIAS},
                {"mlp_bias", PARE_OPTION_ROLES, .roles = PARE_ROLES_UP_DOWN_BIAS}},
    .heads = PARE_HEADS_DIVIDE,
};
