#include "model/family.h"

/* Queries of layers that do not rotate grow with their position (attention temperature tuning). */
static pare_status read(pare_fields fields, pare_config *config) {
    pare_architecture *a = &config->architecture;
    bool tuned = true, normed = true;
    const json_t *tuning = pare_field(fields, "attn_temperature_tuning");
    /* Scout's first files have a number there. */
    if (json_is_integer(tuning))
        tuned = json_integer_value(tuning) != 0;
    else
        PARE_TRY(pare_field_flag_or(fields, "attn_temperature_tuning", true, &tuned));
    PARE_TRY(pare_field_positive(fields, "attn_scale", 1e9, 0.1, &a->query_growth));
    PARE_TRY(pare_field_positive(fields, "floor_scale", 1e9, 8192, &a->query_step));
    a->query_first = 1;
    if (!tuned) a->query_step = 0;
    PARE_TRY(pare_field_flag_or(fields, "use_qk_norm", true, &normed)); /* without weights */
    a->head_norm = normed ? PARE_HEAD_NORM_ROTATED : PARE_HEAD_NORM_NONE;
    return PARE_OK;
}

const pare_family pare_family_llama4 = {
    .types = {"llama4_text"},
    .class_name = "Llama4ForCausalLM",
    .title = "Llama 4 Scout, Maverick (the language model of those with pictures)",
    .whole_inside = true,
    .roles = {[PARE_ROLE_GATE] = "feed_forward.gate_proj",
              [PARE_ROLE_UP] = "feed_forward.up_proj",
              [PARE_ROLE_DOWN] = "feed_forward.down_proj"},
    .keys = {[PARE_CONFIG_KEY_FFN] = "intermediate_size_mlp"},
    .fallback = {.head_dim = 128, .kv_heads = 8, .positions = 131072, .eps = 1e-5},
    .architecture = {.roles = PARE_ROLES_LLAMA,
                     .ends = PARE_ENDS_LLAMA,
                     .slots = PARE_NORMS_BEFORE,
                     .head_norm_turned = true,
                     .interleaved = true,
                     .query_unturned = true,
                     .chunked = true},
    .options = {{"attention_bias", PARE_OPTION_ROLES, .roles = PARE_ROLES_QKVO_BIAS}},
    .layers = {.window = PARE_WINDOW_CHUNKS,
               .window_key = "attention_chunk_size",
               .window_fallback = 8192,
               .no_rope_key = "no_rope_layers",
               .no_rope_period = 4,
               .empty_is_usual = true},
    .rope = {.theta = 500000},
    .experts = {.router = "feed_forward.router",
                .fused = {"feed_forward.experts.gate_up_proj", "feed_forward.experts.down_proj"},
                .bare = true,
                .module = "feed_forward.experts",
                .turned = true,
                .sigmoid = true,
                .shares_inputs = true,
                .crossed = true,
                .shared = "feed_forward.shared_expert.",
                .shared_alike = true,
                .count_key = "num_local_experts",
                .width_key = "intermediate_size",
                .layers_key = "moe_layers",
                .interval_key = "interleave_moe_layer_step",
                .fallback = {.count = 16, .chosen = 1, .width = 8192, .unnormalised = true}},
    .read = read,
};
