#include "model/family.h"

const pare_family pare_family_starcoder2 = {
    .types = {"starcoder2"},
    .class_name = "Starcoder2ForCausalLM",
    .title = "StarCoder2",
    .roles = {[PARE_ROLE_UP] = "mlp.c_fc", [PARE_ROLE_DOWN] = "mlp.c_proj"},
    .keys = {[PARE_CONFIG_KEY_EPS] = "norm_epsilon"},
    .fallback = {.positions = 4096, .eps = 1e-5, .kv_heads = 2, .tied = true, .activation = PARE_ACTIVATION_GELU_TANH},
    .architecture = {.roles = PARE_ROLES_UNGATED | PARE_ROLES_NORM_BIASES,
                     .ends = PARE_ENDS_LLAMA | PARE_ENDS_FINAL_BIAS,
                     .slots = PARE_NORMS_BEFORE,
                     .norm = PARE_NORM_LAYER,
                     .ungated = true},
    .options = {{"use_bias", PARE_OPTION_ROLES, .fallback = 1,
                 .roles = PARE_ROLES_QKVO_BIAS | PARE_ROLES_UP_DOWN_BIAS}},
    .layers = {.window = PARE_WINDOW_ALL},
};
