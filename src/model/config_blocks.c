#include "model/config_blocks.h"
#include "model/config_layers.h"
#include "model/family.h"
#include "support/file.h"
#include "support/json_build.h"

#include <string.h>

enum { UNIT = 256, WIDEST = 1 << 24 };

static const char list_key[] = "block_configs";

/* Whether a member says something other than nothing: not null, false, or an object whose members are all so. */
static bool says_something(const json_t *value) {
    const char *key;
    const json_t *member;
    if (!json_is_object(value)) return value && !json_is_null(value) && !json_is_false(value);
    json_object_foreach((json_t *)(uintptr_t)value, key, member) if (says_something(member)) return true;
    return false;
}

/* A part of an entry, which must be there. *gone: it does nothing. Whatever else it says must be no other computation:
 * attention of a window, or a matrix in place of the part. */
static pare_status find_part(pare_fields fields, const json_t *block, const char *name, pare_fields *part, bool *gone) {
    static const char *const others[] = {
        "replace_with_linear", "window_length", "num_sink_tokens", "unshifted_sink", "sparsify", "moe", "mamba"};
    *part = (pare_fields){.path = fields.path, .object = json_object_get(block, name)};
    if (!json_is_object(part->object))
        return pare_field_refuse(PARE_FORMAT_ERROR, fields, list_key,
                                 "each entry must be an object with the objects \"attention\" and \"ffn\"");
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        if (says_something(json_object_get(part->object, others[i])))
            return pare_fail(PARE_UNSUPPORTED,
                             "%s: %s has layers whose %s is another one than a LLaMA's (%s); pare knows those that are "
                             "narrower, or absent (no_op)",
                             fields.path, list_key, name, others[i]);
    return pare_field_flag(*part, "no_op", gone);
}

/* An FFN may name its activation, which is the model's. */
static pare_status check_activation(pare_fields fields, pare_fields part) {
    const char *own, *common;
    PARE_TRY(pare_field_text(part, "hidden_act", &own));
    PARE_TRY(pare_field_text(fields, "hidden_act", &common));
    if (!own || strcmp(own, common ? common : "silu") == 0) return PARE_OK;
    return pare_field_refuse(PARE_UNSUPPORTED, part, "hidden_act", "pare knows one activation for all layers");
}

static pare_status read_attention(pare_fields fields, const json_t *block, uint32_t heads, uint32_t *kv_heads) {
    pare_fields part;
    uint32_t shared;
    bool gone;
    *kv_heads = 0;
    PARE_TRY(find_part(fields, block, "attention", &part, &gone));
    if (gone) return PARE_OK;
    PARE_TRY(pare_field_whole(part, "n_heads_in_group", 1, heads, -1, &shared));
    *kv_heads = heads / shared;
    if (heads % shared == 0) return PARE_OK;
    return pare_field_refuse(PARE_FORMAT_ERROR, part, "n_heads_in_group", "it must divide num_attention_heads");
}

static pare_status read_ffn(pare_fields fields, const json_t *block, uint32_t hidden, uint32_t *width) {
    pare_fields part;
    double times;
    bool gone;
    *width = 0;
    PARE_TRY(find_part(fields, block, "ffn", &part, &gone));
    if (gone) return PARE_OK;
    PARE_TRY(check_activation(fields, part));
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

/* Query heads of every layer: none where there are no key heads. */
static json_t *heads_beside(uint32_t heads, const json_t *kv_heads) {
    json_t *list = json_array();
    const json_t *number;
    size_t i;
    json_array_foreach(kv_heads, i, number)
        pare_json_append(list, json_integer(json_integer_value(number) ? heads : 0));
    return list;
}

/* And none of them is 0. */
static bool are_alike(const json_t *list) {
    if (!json_integer_value(json_array_get(list, 0))) return false;
    const json_t *number;
    size_t i;
    json_array_foreach(list, i, number) if (!json_equal(number, json_array_get(list, 0))) return false;
    return true;
}

/* As a LLaMA has it: numbers where all layers are alike, or lists. */
static void become_llama(json_t *json, uint32_t heads, json_t *kv_heads, json_t *ffn) {
    bool even = are_alike(kv_heads) && are_alike(ffn);
    pare_json_put(json, "num_attention_heads", even ? json_integer(heads) : heads_beside(heads, kv_heads));
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

/* Query heads of the layers that have some. */
static uint32_t most_heads(const pare_config *config) {
    uint32_t most = 0;
    for (uint32_t i = 0; i < config->layers; i++)
        most = config->widths[i].heads > most ? config->widths[i].heads : most;
    return most;
}

/* What the class does not compute, of layers without a half, as pare does; NULL: nothing. What is absent adds no bias
 * there, and the first half that is not must be attention. */
static const char *lacking(const pare_config *config) {
    bool began = false;
    for (uint32_t i = 0; i < config->layers; i++) {
        const pare_widths *w = &config->widths[i];
        if (!w->heads && pare_has_role(&config->architecture, PARE_ROLE_O_BIAS)) return "a bias for lack of attention";
        if (!w->ffn && pare_has_role(&config->architecture, PARE_ROLE_DOWN_BIAS)) return "a bias for lack of an FFN";
        if (!began && !w->heads && w->ffn) return "an FFN before all attention";
        began |= w->heads || w->ffn;
    }
    return NULL;
}

pare_status pare_config_blocks_refusal(const pare_config *config, char **why) {
    const pare_widths *widths = config->widths;
    uint32_t heads = most_heads(config);
    bool llama = config->family == &pare_family_llama || config->family == &pare_family_mistral;
    *why = NULL;
    if (config->text != config->json) {
        *why = pare_format("it reads text alone");
        return pare_whole();
    }
    if (!llama || pare_config_window(config)) {
        *why = pare_format("it is a LLaMA%s, and this is a %s", llama ? " without windows of attention" : "",
                           config->family->class_name);
        return pare_whole();
    }
    if (lacking(config)) {
        *why = pare_format("it does not compute %s, which is here", lacking(config));
        return pare_whole();
    }
    for (uint32_t i = 0; i < config->layers; i++) {
        if (!widths[i].heads || widths[i].heads == heads) continue;
        *why = pare_format("it has as many query heads in every layer, and here some have %u and some %u; "
                           "--attention-layers none removes FFN channels alone",
                           heads, widths[i].heads);
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
        json_t *shared = w->heads ? json_integer(w->heads / w->kv_heads) : json_null();
        json_t *attention = pare_json_of({"n_heads_in_group", shared}, {"no_op", json_boolean(!w->heads)},
                                         {"replace_with_linear", json_false()});
        json_t *ffn = pare_json_of({"no_op", json_boolean(!w->ffn)}, {"replace_with_linear", json_false()});
        if (!w->ffn)
            pare_json_put(ffn, "ffn_mult", json_null());
        else if (whole)
            pare_json_put(ffn, "ffn_mult", pare_json_real(1.5 * w->ffn / config->hidden));
        else
            pare_json_put(ffn, "intermediate_size", json_integer(w->ffn));
        pare_json_append(list, pare_json_of({"attention", attention}, {"ffn", ffn}));
    }
    pare_json_put(json, "model_type", pare_json_string("nemotron-nas"));
    pare_json_put(json, "num_attention_heads", json_integer(most_heads(config)));
    pare_json_put(json, "num_key_value_heads", json_null());
    pare_json_put(json, "intermediate_size", json_null());
    pare_json_put(json, list_key, list);
    json_object_del(json, "pare_per_layer_widths");
    json_object_del(json, "sliding_window");
    return whole;
}
