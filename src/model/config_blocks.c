#include "model/config_blocks.h"
#include "model/config_layers.h"
#include "model/family.h"
#include "support/file.h"
#include "support/json_build.h"

#include <string.h>

enum { UNIT = 256, WIDEST = 1 << 24 };

static const char list_key[] = "block_configs";

/* A part of an entry, which must be there and do something. */
static pare_status find_part(pare_fields fields, const json_t *block, const char *name, pare_fields *part) {
    static const char *const without[] = {"no_op", "replace_with_linear"};
    *part = (pare_fields){.path = fields.path, .object = json_object_get(block, name)};
    if (!json_is_object(part->object))
        return pare_field_refuse(PARE_FORMAT_ERROR, fields, list_key,
                                 "each entry must be an object with the objects \"attention\" and \"ffn\"");
    for (size_t i = 0; i < sizeof without / sizeof *without; i++) {
        bool gone;
        PARE_TRY(pare_field_flag(*part, without[i], &gone));
        if (gone)
            return pare_fail(PARE_UNSUPPORTED,
                             "%s: %s has layers whose %s is replaced or absent (%s); pare knows blocks with both parts",
                             fields.path, list_key, name, without[i]);
    }
    return PARE_OK;
}

static pare_status read_attention(pare_fields fields, const json_t *block, uint32_t heads, uint32_t *kv_heads) {
    pare_fields part;
    uint32_t shared;
    PARE_TRY(find_part(fields, block, "attention", &part));
    PARE_TRY(pare_field_whole(part, "n_heads_in_group", 1, heads, -1, &shared));
    *kv_heads = heads / shared;
    if (heads % shared == 0) return PARE_OK;
    return pare_field_refuse(PARE_FORMAT_ERROR, part, "n_heads_in_group", "it must divide num_attention_heads");
}

static pare_status read_ffn(pare_fields fields, const json_t *block, uint32_t hidden, uint32_t *width) {
    pare_fields part;
    double times;
    PARE_TRY(find_part(fields, block, "ffn", &part));
    if (!pare_field(part, "ffn_mult")) return pare_field_whole(part, "intermediate_size", 1, WIDEST, -1, width);
    PARE_TRY(pare_field_positive(part, "ffn_mult", (double)WIDEST / hidden, -1, &times));
    *width = (uint32_t)(2 * times * hidden / 3);
    *width += (UNIT - *width % UNIT) % UNIT;
    return PARE_OK;
}

static pare_status read_blocks(pare_fields fields, uint32_t heads, uint32_t hidden, json_t *kv_heads, json_t *ffn) {
    const json_t *list = pare_field(fields, list_key), *block;
    uint32_t layers, shared, width;
    size_t i;
    PARE_TRY(pare_field_whole(fields, "num_hidden_layers", 1, WIDEST, -1, &layers));
    if (!json_is_array(list) || json_array_size(list) != layers)
        return pare_field_refuse(PARE_FORMAT_ERROR, fields, list_key,
                                 "it must be a list with one entry for each of num_hidden_layers");
    json_array_foreach(list, i, block) {
        PARE_TRY(read_attention(fields, block, heads, &shared));
        PARE_TRY(read_ffn(fields, block, hidden, &width));
        pare_json_append(kv_heads, json_integer(shared));
        pare_json_append(ffn, json_integer(width));
    }
    return PARE_OK;
}

static json_t *repeated(uint32_t number, size_t count) {
    json_t *list = json_array();
    while (count--)
        pare_json_append(list, json_integer(number));
    return list;
}

static bool are_alike(const json_t *list) {
    const json_t *number;
    size_t i;
    json_array_foreach(list, i, number) if (!json_equal(number, json_array_get(list, 0))) return false;
    return true;
}

/* As a LLaMA has it: numbers where all layers are alike, or lists. */
static void become_llama(json_t *json, uint32_t heads, json_t *kv_heads, json_t *ffn) {
    size_t layers = json_array_size(ffn);
    bool even = are_alike(kv_heads) && are_alike(ffn);
    pare_json_put(json, "num_attention_heads", even ? json_integer(heads) : repeated(heads, layers));
    pare_json_put(json, "num_key_value_heads", pare_json_same(even ? json_array_get(kv_heads, 0) : kv_heads));
    pare_json_put(json, "intermediate_size", pare_json_same(even ? json_array_get(ffn, 0) : ffn));
    if (!even) pare_json_put(json, "pare_per_layer_widths", json_true());
    pare_json_put(json, "model_type", pare_json_string(pare_family_llama.types[0]));
    pare_json_put(json, "architectures", pare_json_list_of(pare_json_string(pare_family_llama.class_name)));
    json_object_del(json, list_key);
    json_object_del(json, "auto_map");
}

pare_status pare_config_from_blocks(pare_fields fields, json_t *json) {
    const char *type = json_string_value(pare_field(fields, "model_type"));
    uint32_t heads, hidden, size;
    if (!type || strcmp(type, "nemotron-nas") != 0) return PARE_OK;
    PARE_TRY(pare_field_whole(fields, "num_attention_heads", 1, WIDEST, -1, &heads));
    PARE_TRY(pare_field_whole(fields, "hidden_size", 1, WIDEST, -1, &hidden));
    PARE_TRY(pare_field_whole(fields, "head_dim", 1, WIDEST, hidden / heads, &size));
    json_t *kv_heads = json_array(), *ffn = json_array();
    pare_status status = read_blocks(fields, heads, hidden, kv_heads, ffn);
    if (status == PARE_OK) become_llama(json, heads, kv_heads, ffn);
    if (status == PARE_OK) pare_json_put(json, "head_dim", json_integer(size));
    json_decref(kv_heads);
    json_decref(ffn);
    return status;
}

pare_status pare_config_blocks_refusal(const pare_config *config, char **why) {
    const pare_widths *widths = config->widths;
    bool llama = config->family == &pare_family_llama || config->family == &pare_family_mistral;
    *why = NULL;
    if (!llama || pare_config_window(config)) {
        *why = pare_format("it is a LLaMA%s, and this is a %s", llama ? " without windows of attention" : "",
                           config->family->class_name);
        return pare_whole();
    }
    for (uint32_t i = 0; i < config->layers; i++) {
        if (widths[i].heads && widths[i].ffn) continue;
        *why = pare_format("it reads layers without %s in a form that pare does not write",
                           widths[i].heads ? "an FFN" : "attention");
        return pare_whole();
    }
    for (uint32_t i = 1; i < config->layers; i++) {
        if (widths[i].heads == widths[0].heads) continue;
        *why = pare_format("it has as many query heads in every layer, and here some have %u and some %u; "
                           "--attention-layers none removes FFN channels alone",
                           widths[0].heads, widths[i].heads);
        return pare_whole();
    }
    return PARE_OK;
}

static bool are_whole_units(const pare_config *config) {
    for (uint32_t i = 0; i < config->layers; i++)
        if (config->widths[i].ffn % UNIT) return false;
    return true;
}

bool pare_config_to_blocks(const pare_config *config, json_t *json) {
    bool whole = are_whole_units(config);
    json_t *list = json_array();
    for (uint32_t i = 0; i < config->layers; i++) {
        const pare_widths *w = &config->widths[i];
        json_t *attention = pare_json_of({"n_heads_in_group", json_integer(w->heads / w->kv_heads)},
                                         {"no_op", json_false()}, {"replace_with_linear", json_false()});
        json_t *ffn = pare_json_of({"no_op", json_false()}, {"replace_with_linear", json_false()});
        if (whole)
            pare_json_put(ffn, "ffn_mult", pare_json_real(1.5 * w->ffn / config->hidden));
        else
            pare_json_put(ffn, "intermediate_size", json_integer(w->ffn));
        pare_json_append(list, pare_json_of({"attention", attention}, {"ffn", ffn}));
    }
    pare_json_put(json, "model_type", pare_json_string("nemotron-nas"));
    pare_json_put(json, "num_attention_heads", json_integer(config->widths[0].heads));
    pare_json_put(json, "num_key_value_heads", json_null());
    pare_json_put(json, "intermediate_size", json_null());
    pare_json_put(json, list_key, list);
    json_object_del(json, "pare_per_layer_widths");
    json_object_del(json, "sliding_window");
    return whole;
}
