#include "model/config_rope.h"

#include <stdio.h>
#include <string.h>

enum { POSITION_LIMIT = 1 << 30 };

static const double THETA_LIMIT = 1e15, FACTOR_LIMIT = 1e6, USUAL_THETA = 10000;

static const char *const names[] = {[PARE_ROPE_PLAIN] = "default",
                                    [PARE_ROPE_LINEAR] = "linear",
                                    [PARE_ROPE_DYNAMIC] = "dynamic",
                                    [PARE_ROPE_LLAMA3] = "llama3"};

const char *pare_rope_name(pare_rope_kind kind) {
    return names[kind];
}

static bool find_kind(const char *name, pare_rope_kind *kind) {
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strcmp(names[i], name) == 0) {
            *kind = (pare_rope_kind)i;
            return true;
        }
    return false;
}

static pare_status read_llama3(pare_fields file, pare_fields scaling, uint32_t positions, pare_rope_config *rope) {
    static const char original[] = "original_max_position_embeddings";
    PARE_TRY(pare_field_positive(scaling, "low_freq_factor", FACTOR_LIMIT, -1, &rope->low_frequency_factor));
    PARE_TRY(pare_field_positive(scaling, "high_freq_factor", FACTOR_LIMIT, -1, &rope->high_frequency_factor));
    pare_fields where = pare_field(file, original) ? file : scaling;
    PARE_TRY(pare_field_positive(where, original, POSITION_LIMIT, positions, &rope->original_positions));
    if (rope->high_frequency_factor > rope->low_frequency_factor) return PARE_OK;
    return pare_field_refuse(PARE_FORMAT_ERROR, scaling, "high_freq_factor", "it must be above low_freq_factor");
}

/* The class ignores which part of a head should be rotated, except in the kinds that work out frequencies of their own.
 */
static pare_status check_rotated(pare_fields fields, bool ignored) {
    double rotated;
    PARE_TRY(pare_field_positive(fields, "partial_rotary_factor", 1, 1, &rotated));
    if (ignored || rotated >= 1) return PARE_OK;
    return pare_field_refuse(PARE_UNSUPPORTED, fields, "partial_rotary_factor", "pare rotates whole heads only");
}

static pare_status read_kind(pare_fields file, pare_fields scaling, uint32_t positions, pare_rope_config *rope) {
    const char *key = pare_field(scaling, "rope_type") ? "rope_type" : "type", *name;
    PARE_TRY(pare_field_text(scaling, key, &name));
    if (name && strcmp(name, "none") != 0 && !find_kind(name, &rope->kind))
        return pare_field_refuse(PARE_UNSUPPORTED, scaling, key,
                                 "pare knows the RoPE kinds default, linear, dynamic and llama3");
    bool plain = rope->kind == PARE_ROPE_PLAIN;
    PARE_TRY(check_rotated(file, plain));
    PARE_TRY(check_rotated(scaling, plain));
    if (plain) return PARE_OK;
    PARE_TRY(pare_field_positive(scaling, "factor", FACTOR_LIMIT, -1, &rope->factor));
    return rope->kind == PARE_ROPE_LLAMA3 ? read_llama3(file, scaling, positions, rope) : PARE_OK;
}

/* *object: NULL if absent or empty. Settings that differ between layers are objects of objects. */
static pare_status find_object(pare_fields fields, const char *key, const json_t **object) {
    const char *inner;
    json_t *value;
    *object = pare_field(fields, key);
    if (!*object) return PARE_OK;
    if (!json_is_object(*object)) return pare_field_refuse(PARE_FORMAT_ERROR, fields, key, "it must be an object");
    json_object_foreach((json_t *)(uintptr_t)*object, inner, value) {
        if (json_is_object(value))
            return pare_field_refuse(PARE_UNSUPPORTED, fields, key,
                                     "pare knows one setting of RoPE for all layers only");
    }
    if (!json_object_size(*object)) *object = NULL;
    return PARE_OK;
}

/* rope_scaling holds; what rope_parameters says beside it may not be something else. */
static pare_status check_both(pare_fields fields, const json_t *parameters, const json_t *scaling, double theta) {
    static const char rotated[] = "partial_rotary_factor";
    pare_fields beside = {.path = fields.path, .object = parameters}, first = {.path = fields.path, .object = scaling};
    double other, here, there;
    PARE_TRY(pare_field_positive(beside, "rope_theta", THETA_LIMIT, theta, &other));
    PARE_TRY(pare_field_positive(beside, rotated, 1, 1, &there));
    PARE_TRY(pare_field_positive(first, rotated, 1, 1, &here));
    if (other != theta)
        return pare_fail(PARE_FORMAT_ERROR,
                         "%s has rope_scaling and rope_parameters, and they contradict each other: by the first one "
                         "theta is %g, by the second %g; remove the wrong one",
                         fields.path, theta, other);
    if (here == there) return PARE_OK;
    return pare_fail(PARE_FORMAT_ERROR,
                     "%s has rope_scaling and rope_parameters, and they contradict each other: by the first one %g of "
                     "each head is rotated, by the second %g; remove the wrong one",
                     fields.path, here, there);
}

pare_status pare_config_read_rope(pare_fields fields, uint32_t positions, pare_rope_config *rope) {
    const json_t *parameters, *scaling;
    *rope = (pare_rope_config){.kind = PARE_ROPE_PLAIN};
    PARE_TRY(pare_field_positive(fields, "rope_theta", THETA_LIMIT, USUAL_THETA, &rope->theta));
    PARE_TRY(find_object(fields, "rope_parameters", &parameters));
    PARE_TRY(find_object(fields, "rope_scaling", &scaling));
    if (!parameters && !scaling) return PARE_OK;
    pare_fields holds = {.path = fields.path, .object = scaling ? scaling : parameters};
    PARE_TRY(pare_field_positive(holds, "rope_theta", THETA_LIMIT, rope->theta, &rope->theta));
    if (parameters && scaling) PARE_TRY(check_both(fields, parameters, scaling, rope->theta));
    return read_kind(fields, holds, positions, rope);
}

/* A whole number is written as one where transformers wants one. */
static json_t *number(double value) {
    return value == (double)(int64_t)value ? json_integer((json_int_t)value) : json_real(value);
}

static json_t *scaling_json(const pare_rope_config *rope) {
    json_t *json = json_pack("{s:s}", "rope_type", names[rope->kind]);
    if (rope->kind != PARE_ROPE_PLAIN) json_object_set_new(json, "factor", json_real(rope->factor));
    if (rope->kind != PARE_ROPE_LLAMA3) return json;
    json_object_set_new(json, "low_freq_factor", json_real(rope->low_frequency_factor));
    json_object_set_new(json, "high_freq_factor", json_real(rope->high_frequency_factor));
    json_object_set_new(json, "original_max_position_embeddings", number(rope->original_positions));
    return json;
}

/* The file's own rope_scaling, which may spell its kind as older engines want it; what is missing in it is said. */
static json_t *older_json(const pare_rope_config *rope, const json_t *config) {
    static const char original[] = "original_max_position_embeddings";
    json_t *own = json_object_get(config, "rope_scaling");
    if (rope->kind == PARE_ROPE_PLAIN) return json_null();
    if (!json_object_size(own)) return scaling_json(rope);
    json_t *json = json_copy(own);
    json_object_del(json, "partial_rotary_factor");
    if (rope->kind == PARE_ROPE_LLAMA3) json_object_set_new(json, original, number(rope->original_positions));
    return json;
}

void pare_config_write_rope(const pare_rope_config *rope, json_t *config) {
    json_t *parameters = scaling_json(rope);
    json_object_set_new(parameters, "rope_theta", json_real(rope->theta));
    json_object_set_new(config, "rope_parameters", parameters);
    json_object_set_new(config, "rope_theta", json_real(rope->theta));
    json_object_set_new(config, "rope_scaling", older_json(rope, config));
    json_object_del(config, "partial_rotary_factor");
    json_object_del(config, "original_max_position_embeddings");
}
