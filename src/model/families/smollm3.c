#include "model/family.h"

const pare_family pare_family_smollm3 = {
    .types = {"smollm3"},
    .class_name = "SmolLM3ForCausalLM",
    .title = "SmolLM3",
    .fallback = {.positions = 32768, .eps = 1e-6, .kv_heads = 4, .tied = true},
    .architecture = {.roles = PARE_ROLES_LLAMA, .ends = PARE_ENDS_LLAMA, .slots = PARE_NORMS_BEFORE},
    .options = {{"attention_bias", PARE_OPTION_ROLES, .roles = PARE_ROLES_QKVO_BIAS},
                {"mlp_bias", PARE_OPTION_ROLES, .roles = PARE_ROLES_FFN_BIAS}},
    .layers = {.window = PARE_WINDOW_FLAGGED, .first_window = 28, .no_rope_key = "no_rope_layers", .no_rope_period = 4},
    .rope = {.theta = 2e6},
};
