#include "model/family.h"

/* Beyond the positions that it was first trained on, queries are scaled by position, which pare does not do. */
static pare_status limit_positions(pare_fields fields, pare_config *config) {
    (void)fields;
    double first = config->rope[0].original_positions;
    if (first >= 1 && first < config->max_positions) config->max_positions = (uint32_t)first;
    return PARE_OK;
}

const pare_family pare_family_ministral3 = {
    .types = {"ministral3"},
    .class_name = "Ministral3ForCausalLM",
    .title = "Ministral 3",
    .fallback = {.positions = 262144, .eps = 1e-5, .kv_heads = 8, .head_dim = 128},
    .architecture = {.roles = PARE_ROLES_LLAMA, .ends = PARE_ENDS_LLAMA, .slots = PARE_NORMS_BEFORE},
    .layers = {.window = PARE_WINDOW_ALL},
    .read = limit_positions,
};
