#include "model/family.h"

/* What its class takes where the file says nothing of RoPE. */
static const pare_rope_config usual = {.kind = PARE_ROPE_YARN,
                                       .theta = 1e6,
                                       .factor = 16,
                                       .original_positions = 16384,
                                       .beta_fast = 32,
                                       .beta_slow = 1,
                                       .truncate = true,
                                       .attention_factor = 1};

/* Beyond the positions that it was first trained on, queries are scaled by position, which pare does not do. */
static pare_status limit_positions(pare_fields fields, pare_config *config) {
    if (!pare_field(fields, "rope_parameters") && !pare_field(fields, "rope_scaling")) {
        pare_rope_config *rope = &config->rope[0];
        uint32_t rotated = rope->rotated;
        *rope = usual;
        rope->rotated = rotated;
        rope->share = 1;
    }
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
