#include "model/config_stated.h"
#include "model/family.h"

uint32_t pare_config_stated(const pare_config *config, pare_config_key key, uint32_t layer) {
    const json_t *value = json_object_get(config->text, pare_family_key(config->family, key));
    if (json_is_array(value)) value = json_array_get(value, layer);
    return json_is_integer(value) && json_integer_value(value) > 0 ? (uint32_t)json_integer_value(value) : 0;
}

bool pare_config_states_layers(const pare_config *config) {
    return json_is_true(json_object_get(config->json, PARE_PER_LAYER_KEY)) ||
           json_is_true(json_object_get(config->text, PARE_PER_LAYER_KEY));
}

bool pare_config_states_none(const pare_config *config, pare_config_key key, uint32_t layer) {
    const json_t *value = json_array_get(json_object_get(config->text, pare_family_key(config->family, key)), layer);
    return json_is_integer(value) && json_integer_value(value) == 0;
}

/* True if layers differ in what `width_of` tells, so that no number can be right for all. */
static bool differs(const pare_config *config, uint32_t (*width_of)(const pare_widths *)) {
    for (uint32_t i = 1; i < config->layers; i++)
        if (width_of(&config->widths[i]) != width_of(&config->widths[0])) return true;
    return false;
}

/* Both come from the same rows: one of head_dim and the number of heads is wrong. */
static pare_status refuse_heads(pare_fields fields, const char *key, const pare_config *config, uint32_t real) {
    return pare_fail(PARE_FORMAT_ERROR,
                     "%s: %s is %lld and head_dim is %u, but the tensors have %llu rows for them, which is %u heads of "
                     "that size; correct the one that is wrong",
                     fields.path, key, (long long)json_integer_value(pare_field(fields, key)), config->head_size,
                     (unsigned long long)real * config->head_size, real);
}

static pare_status check_width(pare_fields fields, const char *key, const pare_config *config,
                               uint32_t (*width_of)(const pare_widths *)) {
    const json_t *value = pare_field(fields, key);
    bool given = pare_field(fields, "head_dim"), list = json_is_array(value);
    if (!value || (!list && given && differs(config, width_of))) return PARE_OK;
    for (uint32_t layer = 0; layer < config->layers; layer++) {
        const json_t *said = list ? json_array_get(value, layer) : value;
        uint32_t real = width_of(&config->widths[layer]);
        if (width_of == pare_widths_ffn && config->plan[layer].routed) continue; /* config_experts.c */
        if (json_is_integer(said) && json_integer_value(said) == (json_int_t)real) continue;
        if (!list && given && width_of != pare_widths_ffn) return refuse_heads(fields, key, config, real);
        char expected[128];
        snprintf(expected, sizeof expected, "the tensors of layer %u have %u%s", layer, real,
                 list ? "" : ": correct it, or give head_dim if layers differ");
        return pare_field_refuse(PARE_FORMAT_ERROR, fields, key, expected);
    }
    return PARE_OK;
}

pare_status pare_config_check_widths(pare_fields fields, const pare_config *config) {
    const pare_family *family = config->family;
    PARE_TRY(check_width(fields, pare_family_key(family, PARE_CONFIG_KEY_HEADS), config, pare_widths_heads));
    if (!config->kv_heads)
        PARE_TRY(check_width(fields, pare_family_key(family, PARE_CONFIG_KEY_KV_HEADS), config, pare_widths_kv_heads));
    return check_width(fields, pare_family_key(family, PARE_CONFIG_KEY_FFN), config, pare_widths_ffn);
}
