#include "model/config_write.h"
#include "model/family.h"
#include "support/json_build.h"

#include <string.h>

static pare_status refuse_types(pare_fields fields) {
    return pare_field_refuse(PARE_FORMAT_ERROR, fields, "attention_types",
                             "it must be pairs of a list of \"global\" and \"local\" and how often it is repeated, one "
                             "kind for each layer");
}

/* [[["global", "local"], 12]]: kinds of attention, repeated; local layers have a window. */
static pare_status read_attention_types(pare_fields fields, pare_config *config) {
    const json_t *types = pare_field(fields, "attention_types");
    uint32_t window, layer = 0;
    PARE_TRY(pare_field_whole(fields, "window_size", 1, 1 << 30, 256, &window));
    for (size_t i = 0; i < json_array_size(types); i++) {
        const json_t *pair = json_array_get(types, i), *kinds = json_array_get(pair, 0);
        json_int_t times = json_integer_value(json_array_get(pair, 1));
        for (json_int_t repeat = 0; repeat < times; repeat++)
            for (size_t k = 0; k < json_array_size(kinds); k++) {
                const char *kind = json_string_value(json_array_get(kinds, k));
                if (layer == config->layers || !kind || (strcmp(kind, "global") != 0 && strcmp(kind, "local") != 0))
                    return refuse_types(fields);
                config->plan[layer++].window = strcmp(kind, "local") == 0 ? window : 0;
            }
        if (!json_array_size(kinds) || times < 1) return refuse_types(fields);
    }
    for (uint32_t i = 0; !types && i < config->layers; i++)
        config->plan[i].window = i % 2 ? window : 0;
    return types && layer < config->layers ? refuse_types(fields) : PARE_OK;
}

/* The kinds one by one. */
static void write_attention_types(const pare_config *original, const pare_config_sizes *sizes, json_t *json) {
    json_t *kinds = json_array();
    for (uint32_t i = 0; i < original->layers; i++)
        if (!sizes->dropped || !sizes->dropped[i])
            pare_json_append(kinds, pare_json_string(original->plan[i].window ? "local" : "global"));
    pare_json_put(json, "attention_layers", pare_json_same(kinds));
    pare_json_put(json, "attention_types", pare_json_list_of(pare_json_list_of(kinds, json_integer(1))));
}

/* Scores are not divided by the root of the head size. */
const pare_family pare_family_gpt_neo = {
    .types = {"gpt_neo"},
    .class_name = "GPTNeoForCausalLM",
    .title = "GPT-Neo, TinyStories",
    .roots = {"transformer.", ""},
    .layer = "h.",
    .ends = {[PARE_END_EMBEDDING] = "wte",
             [PARE_END_POSITIONS] = "wpe",
             [PARE_END_FINAL_NORM] = "ln_f",
             [PARE_END_FINAL_NORM_BIAS] = "ln_f"},
    .roles = {[PARE_ROLE_Q] = "attn.attention.q_proj",
              [PARE_ROLE_K] = "attn.attention.k_proj",
              [PARE_ROLE_V] = "attn.attention.v_proj",
              [PARE_ROLE_O] = "attn.attention.out_proj",
              [PARE_ROLE_UP] = "mlp.c_fc",
              [PARE_ROLE_DOWN] = "mlp.c_proj",
              [PARE_ROLE_INPUT_NORM] = "ln_1",
              [PARE_ROLE_POST_NORM] = "ln_2"},
    .keys = {[PARE_CONFIG_KEY_LAYERS] = "num_layers",
             [PARE_CONFIG_KEY_HEADS] = "num_heads",
             [PARE_CONFIG_KEY_EPS] = "layer_norm_epsilon",
             [PARE_CONFIG_KEY_ACTIVATION] = "activation_function"},
    .fallback = {.positions = 2048, .eps = 1e-5, .ffn = 4, .tied = true, .activation = PARE_ACTIVATION_GELU_TANH},
    .architecture = {.roles = PARE_ROLES_UNGATED | PARE_ROLES_NORM_BIASES | PARE_ROLES_O_BIAS | PARE_ROLES_UP_DOWN_BIAS,
                     .ends = PARE_ENDS_LLAMA | PARE_ENDS_FINAL_BIAS | PARE_ENDS_POSITIONS,
                     .slots = PARE_NORMS_BEFORE,
                     .norm = PARE_NORM_LAYER,
                     .ungated = true,
                     .attention_scale = 1,
                     .positions = PARE_POSITIONS_LEARNED},
    .read = read_attention_types,
    .heads = PARE_HEADS_TIED,
    .write_layers = write_attention_types,
};
