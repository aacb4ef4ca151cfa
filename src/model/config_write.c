#include "model/config_write.h"
#include "model/config_rope.h"
#include "support/file.h"
#include "support/json.h"
#include "support/memory.h"

#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>

static const char per_layer_key[] = "pare_per_layer_widths";

pare_config_kind pare_config_kind_of(const pare_config *original, const pare_config_sizes *sizes) {
    const pare_widths *widths = sizes->widths;
    for (uint32_t i = 1; i < sizes->layers; i++)
        if (widths[i].heads != widths[0].heads || widths[i].kv_heads != widths[0].kv_heads ||
            widths[i].ffn != widths[0].ffn)
            return PARE_CONFIG_PER_LAYER;
    bool divides = sizes->layers && widths[0].heads && sizes->hidden % widths[0].heads == 0;
    return divides && strcmp(original->model_type, "llama") == 0 ? PARE_CONFIG_LLAMA : PARE_CONFIG_MISTRAL;
}

static void set_width(json_t *config, const char *key, const pare_config_sizes *sizes, bool per_layer,
                      uint32_t (*width_of)(const pare_widths *)) {
    json_t *value = per_layer ? json_array() : json_integer(width_of(sizes->widths));
    for (uint32_t i = 0; per_layer && i < sizes->layers; i++)
        pare_json_append(value, json_integer(width_of(&sizes->widths[i])));
    pare_json_put(config, key, value);
}

static void set_sizes(json_t *config, const pare_config *original, const pare_config_sizes *sizes, bool per_layer) {
    pare_json_put(config, "hidden_size", json_integer(sizes->hidden));
    pare_json_put(config, "num_hidden_layers", json_integer(sizes->layers));
    pare_json_put(config, "head_dim", json_integer(original->head_size));
    set_width(config, "num_attention_heads", sizes, per_layer, pare_widths_heads);
    set_width(config, "num_key_value_heads", sizes, per_layer, pare_widths_kv_heads);
    set_width(config, "intermediate_size", sizes, per_layer, pare_widths_ffn);
    json_object_del(config, per_layer_key);
    if (per_layer) pare_json_put(config, per_layer_key, json_true());
}

/* Lists that may be as long as the model has layers by accident: of names, and of token ids. */
static bool is_about_layers(const char *key) {
    static const char *const others[] = {"architectures", "*token_id", "*token_ids", "*tokens"};
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        if (fnmatch(others[i], key, 0) == 0) return false;
    return true;
}

static void drop_entries(json_t *config, const pare_config *original, const bool *dropped) {
    const char *key;
    json_t *value;
    json_object_foreach(config, key, value) {
        if (!json_is_array(value) || json_array_size(value) != original->layers || !is_about_layers(key)) continue;
        for (uint32_t i = original->layers; i-- > 0;)
            if (dropped[i]) json_array_remove(value, i);
    }
}

static bool is_double(const json_t *config, const char *key) {
    const char *dtype = json_string_value(json_object_get(config, key));
    return dtype && strcmp(dtype, "float64") == 0;
}

/* What pare took from the file or from the class's defaults is said, so that every engine takes the same. */
static void state_what_holds(json_t *config, const pare_config *original) {
    static const char *const dtypes[] = {"dtype", "torch_dtype"};
    pare_json_put(config, "tie_word_embeddings", json_boolean(original->tied));
    pare_json_put(config, "max_position_embeddings", json_integer(original->stated_positions));
    pare_json_put(config, "rms_norm_eps", pare_json_real(original->rms_eps));
    if (!json_is_string(json_object_get(config, "hidden_act")))
        pare_json_put(config, "hidden_act", pare_json_string("silu"));
    pare_config_write_rope(&original->rope[0], config);
    json_object_del(config, "quantization_config");
    for (size_t i = 0; i < sizeof dtypes / sizeof *dtypes; i++)
        if (is_double(config, dtypes[i])) pare_json_put(config, dtypes[i], pare_json_string("float32"));
}

static void become_mistral(json_t *config) {
    pare_json_put(config, "model_type", pare_json_string("mistral"));
    pare_json_put(config, "architectures", pare_json_list_of(pare_json_string("MistralForCausalLM")));
    pare_json_put(config, "sliding_window", json_null());
    json_object_del(config, "attention_bias");
    json_object_del(config, "mlp_bias");
}

/* Indented, reals as short as they can be written without changing one of them. Freed with free(). */
static pare_status print(const json_t *config, char **out) {
    enum { SHORT_DIGITS = 15 };
    char *text;
    PARE_TRY(pare_json_dump(config, "config.json", JSON_INDENT(2) | JSON_REAL_PRECISION(SHORT_DIGITS), &text));
    json_t *again = json_loads(text, 0, NULL);
    pare_status status = PARE_OK;
    if (!json_equal(config, again)) {
        pare_free(text);
        status = pare_json_dump(config, "config.json", JSON_INDENT(2), &text);
    }
    json_decref(again);
    *out = status == PARE_OK ? pare_format("%s\n", text) : NULL;
    pare_free(text);
    return status == PARE_OK ? pare_whole() : status;
}

pare_status pare_config_write(const pare_config *original, const pare_config_sizes *sizes, char **text,
                              pare_config_kind *kind) {
    *kind = pare_config_kind_of(original, sizes);
    *text = NULL;
    if (!sizes->layers) return pare_fail(PARE_BAD_ARGUMENT, "a model without a single layer cannot be written");
    json_t *config = json_deep_copy(original->json);
    if (!config) return pare_fail(PARE_OUT_OF_MEMORY, "not enough memory to write a config.json");
    if (sizes->dropped) drop_entries(config, original, sizes->dropped);
    set_sizes(config, original, sizes, *kind == PARE_CONFIG_PER_LAYER);
    state_what_holds(config, original);
    if (*kind == PARE_CONFIG_MISTRAL && strcmp(original->model_type, "mistral") != 0) become_mistral(config);
    pare_status status = print(config, text);
    json_decref(config);
    return status;
}

/* What transformers 4 takes from the file: rope_theta beside rope_scaling, and nothing of rope_parameters. */
static bool is_read_alike(const pare_config *config) {
    const json_t *theta = json_object_get(config->json, "rope_theta");
    const json_t *scaling = json_object_get(config->json, "rope_scaling");
    double older = json_is_number(theta) ? json_number_value(theta) : 10000;
    bool scaled = config->rope[0].kind == PARE_ROPE_LINEAR || config->rope[0].kind == PARE_ROPE_LLAMA3;
    return older == config->rope[0].theta && (!scaled || json_object_size(scaling));
}

pare_status pare_config_restate(const pare_config *config, char **text) {
    bool untied = !config->tied && json_is_true(json_object_get(config->json, "tie_word_embeddings"));
    bool wide = is_double(config->json, "dtype") || is_double(config->json, "torch_dtype");
    *text = NULL;
    if (!untied && !wide && is_read_alike(config)) return PARE_OK;
    json_t *json = json_deep_copy(config->json);
    if (!json) return pare_fail(PARE_OUT_OF_MEMORY, "not enough memory to write a config.json");
    state_what_holds(json, config);
    pare_status status = print(json, text);
    json_decref(json);
    return status;
}
