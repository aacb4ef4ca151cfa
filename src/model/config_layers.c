#include "model/config_layers.h"
#include "model/family.h"
#include "support/json_build.h"
#include "support/memory.h"

#include <stdio.h>
#include <string.h>

enum { POSITION_LIMIT = 1 << 30, PERIOD_LIMIT = 10000 };

static const char types_key[] = "layer_types";

/* *out: the list, or NULL if absent; one entry for each layer. */
static pare_status find_list(pare_fields fields, const char *key, const pare_config *config, const json_t **out) {
    *out = key ? pare_field(fields, key) : NULL;
    if (!*out || (json_is_array(*out) && json_array_size(*out) == config->layers)) return PARE_OK;
    return pare_field_refuse(PARE_FORMAT_ERROR, fields, key, "it must be a list of one entry for each layer");
}

/* The late layers have windows, where nothing else is said. */
static bool by_number(const pare_layer_rule *rule) {
    return rule->window == PARE_WINDOW_FLAGGED || rule->window == PARE_WINDOW_LATE;
}

static bool has_types(const pare_layer_rule *rule) {
    return rule->window == PARE_WINDOW_TYPES || rule->window == PARE_WINDOW_CHUNKS || by_number(rule);
}

static bool is_empty(const json_t *list) {
    return json_is_array(list) && !json_array_size(list);
}

static pare_status read_window(pare_fields fields, const pare_layer_rule *rule, uint32_t *window) {
    const char *key = rule->window_key ? rule->window_key : "sliding_window";
    bool stated = json_object_get(fields.object, key), used = true;
    *window = 0;
    if (rule->window == PARE_WINDOW_NONE) return PARE_OK;
    PARE_TRY(pare_field_whole(fields, key, 1, POSITION_LIMIT, stated ? 0 : rule->window_fallback, window));
    if (rule->window == PARE_WINDOW_FLAGGED) PARE_TRY(pare_field_flag(fields, "use_sliding_window", &used));
    if (!used) *window = 0;
    return PARE_OK;
}

/* Where the file has no layer_types. */
static pare_status usual_window(pare_fields fields, const pare_layer_rule *rule, uint32_t layer, bool rotates,
                                bool *windowed) {
    uint32_t period = rule->period, first;
    *windowed = true;
    if (rule->period_key) PARE_TRY(pare_field_whole(fields, rule->period_key, 1, PERIOD_LIMIT, period, &period));
    if (rule->window == PARE_WINDOW_TYPES && period) *windowed = (layer + 1) % period != 0;
    if (rule->window == PARE_WINDOW_CHUNKS) *windowed = rotates;
    if (!by_number(rule)) return PARE_OK;
    PARE_TRY(pare_field_whole(fields, "max_window_layers", 0, PERIOD_LIMIT, rule->first_window, &first));
    *windowed = rule->no_rope_key ? !rotates : layer >= first;
    return PARE_OK;
}

static const char *window_name(const pare_layer_rule *rule) {
    return rule->window == PARE_WINDOW_CHUNKS ? "chunked_attention" : "sliding_attention";
}

static pare_status read_type(pare_fields fields, const pare_layer_rule *rule, const json_t *types, uint32_t layer,
                             bool *windowed) {
    const char *type = json_string_value(json_array_get(types, layer));
    char expected[64];
    *windowed = type && strcmp(type, window_name(rule)) == 0;
    if (*windowed || (type && strcmp(type, "full_attention") == 0)) return PARE_OK;
    snprintf(expected, sizeof expected, "pare knows full_attention and %s", window_name(rule));
    return pare_field_refuse(PARE_UNSUPPORTED, fields, types_key, expected);
}

/* Numbers or flags. */
static pare_status check_flags(pare_fields fields, const char *key, const json_t *list) {
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *entry = json_array_get(list, i);
        if (!json_is_integer(entry) && !json_is_boolean(entry))
            return pare_field_refuse(PARE_FORMAT_ERROR, fields, key, "it must be a list of 0 and 1");
    }
    return PARE_OK;
}

/* Of layers that rotate; NULL where they are the usual ones. */
static pare_status find_flags(pare_fields fields, const pare_config *config, const json_t **out) {
    const pare_layer_rule *rule = &config->family->layers;
    *out = NULL;
    if (rule->empty_is_usual && is_empty(pare_field(fields, rule->no_rope_key))) return PARE_OK;
    PARE_TRY(find_list(fields, rule->no_rope_key, config, out));
    return check_flags(fields, rule->no_rope_key, *out);
}

static bool rotates(const pare_layer_rule *rule, const json_t *list, uint32_t layer) {
    if (list) {
        const json_t *entry = json_array_get(list, layer);
        return json_is_true(entry) || json_integer_value(entry) != 0;
    }
    return !rule->no_rope_period || (layer + 1) % rule->no_rope_period != 0;
}

pare_status pare_config_read_layers(pare_fields fields, pare_config *config) {
    const pare_layer_rule *rule = &config->family->layers;
    bool typed = has_types(rule);
    bool turned = config->architecture.positions == PARE_POSITIONS_ROTARY;
    const json_t *types, *flags;
    pare_layer_rule own = *rule;
    uint32_t window;
    PARE_TRY(find_list(fields, typed ? types_key : NULL, config, &types));
    PARE_TRY(find_flags(fields, config, &flags));
    if (rule->no_rope_period)
        PARE_TRY(pare_field_whole(fields, "no_rope_layer_interval", 1, PERIOD_LIMIT, rule->no_rope_period,
                                  &own.no_rope_period));
    PARE_TRY(read_window(fields, rule, &window));
    PARE_TRY(pare_alloc(&config->plan, config->layers, sizeof *config->plan, "layers"));
    for (uint32_t layer = 0; layer < config->layers; layer++) {
        bool windowed, rotated = turned && rotates(&own, flags, layer);
        if (types)
            PARE_TRY(read_type(fields, rule, types, layer, &windowed));
        else
            PARE_TRY(usual_window(fields, rule, layer, rotated, &windowed));
        if (window && rule->rotates_windows_only && !windowed) rotated = false;
        config->plan[layer] = (pare_layer_plan){
            .window = windowed ? window : 0, .rotation = !rotated ? -1 : rule->window == PARE_WINDOW_TYPES && windowed};
    }
    return PARE_OK;
}

static void put_types(const pare_config *original, json_t *json) {
    const char *window = window_name(&original->family->layers);
    json_t *list = json_array();
    for (uint32_t i = 0; i < original->layers; i++)
        pare_json_append(list, pare_json_string(original->plan[i].window ? window : "full_attention"));
    pare_json_put(json, types_key, list);
}

static void put_rotations(const pare_config *original, const char *key, json_t *json) {
    json_t *list = json_array();
    for (uint32_t i = 0; i < original->layers; i++)
        pare_json_append(list, json_integer(original->plan[i].rotation >= 0));
    pare_json_put(json, key, list);
}

uint32_t pare_config_window(const pare_config *config) {
    uint32_t found = 0;
    for (uint32_t i = 0; i < config->layers; i++)
        found = config->plan[i].window > found ? config->plan[i].window : found;
    return found;
}

void pare_config_write_layers(const pare_config *original, const pare_config_sizes *sizes, json_t *json) {
    const pare_layer_rule *rule = &original->family->layers;
    bool typed = has_types(rule);
    if (original->family->write_sizes) original->family->write_sizes(original, sizes, json);
    if (sizes->layers == original->layers) return;
    if (typed && !json_is_array(json_object_get(json, types_key))) put_types(original, json);
    const json_t *turned = rule->no_rope_key ? json_object_get(json, rule->no_rope_key) : NULL;
    if (rule->no_rope_key && (!json_is_array(turned) || is_empty(turned)))
        put_rotations(original, rule->no_rope_key, json);
    if (original->family->write_layers) original->family->write_layers(original, sizes, json);
}
