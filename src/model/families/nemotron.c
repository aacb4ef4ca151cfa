#include "model/family.h"

const pare_family pare_family_nemotron = {
    .types = {"nemotron"},
    .class_name = "NemotronForCausalLM",
    .title = "Nemotron 4, Minitron",
    .keys = {[PARE_CONFIG_KEY_EPS] = "norm_eps"},
    .fallback = {.positions = 4096, .eps = 1e-5, .activation = PARE_ACTIVATION_RELU2},
    .architecture = {.roles = PARE_ROLES_UNGATED | PARE_ROLES_NORM_BIASES,
                     .ends = PARE_ENDS_LLAMA | PARE_ENDS_FINAL_BIAS,
                     .slots = PARE_NORMS_BEFORE,
                     .norm = PARE_NORM_LAYER,
                     .norm_unit = true,
                     .ungated = true},
    .options = {{"attention_bias", PARE_OPTION_ROLES, .roles = PARE_ROLES_QKVO_BIAS},
                {"mlp_bias", PARE_OPTION_ROLES, .roles = PARE_ROLES_UP_DOWN_BIAS}},
    .rope = {.share = 0.5},
};
