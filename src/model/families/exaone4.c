#include "model/family.h"

const pare_family pare_family_exaone4 = {
    .types = {"exaone4"},
    .class_name = "Exaone4ForCausalLM",
    .title = "EXAONE 4.0",
    .fallback = {.positions = 2048, .eps = 1e-5},
    .architecture = {.roles = PARE_ROLES_MATRICES | PARE_ROLES_OUT_NORMS | PARE_ROLES_HEAD_NORMS,
                     .ends = PARE_ENDS_LLAMA,
                     .slots = PARE_NORMS_BEHIND,
                     .head_norm = PARE_HEAD_NORM_EACH},
    .layers = {.window = PARE_WINDOW_TYPES,
               .window_fallback = 4096,
               .period = 4,
               .period_key = "sliding_window_pattern",
               .rotates_windows_only = true},
};
