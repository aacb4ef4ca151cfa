#include "model/family.h"

#include <math.h>

/* What its class takes where the file says nothing of RoPE. */
static const pare_rope_config usual = {.kind = PARE_ROPE_YARN,
                                       .theta = 1e6,
                                       .factor = 16,
                                       .original_positions = 16384,
                                       .beta_fast = 32,
                                       .beta_slow = 1,
                                       .truncate = true,
                                       .attention_factor = 1};

static const double usual_growth = 0.1;

/* Beyond the positions that it was first trained on, queries are scaled by position. */
static pare_status read_scaling(pare_fields fields, pare_config *config) {
    pare_rope_config *rope = &config->rope[0];
    const json_t *said = pare_field(fields, "rope_scaling");
    if (!said) said = pare_field(fields, "rope_parameters");
    if (!said) {
        uint32_t rotated = rope->rotated;
        *rope = usual;
        rope->rotated = rotated;
        rope->share = 1;
    }
    pare_architecture *a = &config->architecture;
    pare_fields scaling = {.path = fields.path, .object = said};
    a->query_growth = usual_growth;
    a->query_step = rope->original_positions;
    if (!said) return PARE_OK;
    if (!pare_field(scaling, "llama_4_scaling_beta"))
        return pare_field_refuse(PARE_UNSUPPORTED, scaling, "llama_4_scaling_beta",
                                 "its class scales queries by it; put it beside rope_type");
    const json_t *growth = pare_field(scaling, "llama_4_scaling_beta");
    if (json_is_number(growth) && fpclassify(json_number_value(growth)) == FP_ZERO) {
        a->query_step = 0;
        return PARE_OK;
    }
    PARE_TRY(pare_field_positive(scaling, "llama_4_scaling_beta", 1e9, usual_growth, &a->query_growth));
    return pare_field_positive(scaling, "original_max_position_embeddings", 1e9, a->query_step, &a->query_step);
}

const pare_family pare_family_ministral3 = {
    .types = {"ministral3"},
    .class_name = "Ministral3ForCausalLM",
    .title = "Ministral 3",
    .fallback = {.positions = 262144, .eps = 1e-5, .kv_heads = 8, .head_dim = 128},
    .architecture = {.roles = PARE_ROLES_LLAMA, .ends = PARE_ENDS_LLAMA, .slots = PARE_NORMS_BEFORE},
    .layers = {.window = PARE_WINDOW_ALL},
    .read = read_scaling,
};
