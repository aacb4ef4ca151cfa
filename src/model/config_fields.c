#include "model/config_fields.h"
#include "support/json.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const json_t *pare_field(pare_fields fields, const char *key) {
    const json_t *value = json_object_get(fields.object, key);
    return json_is_null(value) ? NULL : value;
}

pare_status pare_field_refuse(pare_status status, pare_fields fields, const char *key, const char *expected) {
    const json_t *value = pare_field(fields, key);
    if (!value) return pare_fail(status, "%s has no %s; %s", fields.path, key, expected);
    enum { SHOWN = 120 };
    char *text = pare_json_shown(value, SHOWN);
    pare_fail(status, "%s: %s is %s; %s", fields.path, key, text, expected);
    free(text);
    return status;
}

pare_status pare_field_whole(pare_fields fields, const char *key, int64_t least, int64_t most, int64_t fallback,
                             uint32_t *out) {
    const json_t *value = pare_field(fields, key);
    int64_t number = json_is_integer(value) ? json_integer_value(value) : -1;
    if (!value && fallback >= 0) number = fallback;
    *out = (uint32_t)number;
    if ((!value && fallback >= 0) || (json_is_integer(value) && number >= least && number <= most)) return PARE_OK;
    char expected[96];
    snprintf(expected, sizeof expected, "it must be a whole number from %lld to %lld", (long long)least,
             (long long)most);
    return pare_field_refuse(PARE_FORMAT_ERROR, fields, key, expected);
}

pare_status pare_field_positive(pare_fields fields, const char *key, double most, double fallback, double *out) {
    const json_t *value = pare_field(fields, key);
    *out = value ? json_number_value(value) : fallback;
    if ((!value && fallback >= 0) || (json_is_number(value) && *out > 0 && *out <= most)) return PARE_OK;
    char expected[96];
    snprintf(expected, sizeof expected, "it must be a number above 0 and at most %g", most);
    return pare_field_refuse(PARE_FORMAT_ERROR, fields, key, expected);
}

pare_status pare_field_flag(pare_fields fields, const char *key, bool *out) {
    return pare_field_flag_or(fields, key, false, out);
}

pare_status pare_field_flag_or(pare_fields fields, const char *key, bool fallback, bool *out) {
    const json_t *value = pare_field(fields, key);
    *out = value ? json_is_true(value) : fallback;
    if (!value || json_is_boolean(value)) return PARE_OK;
    return pare_field_refuse(PARE_FORMAT_ERROR, fields, key, "it must be true or false");
}

pare_status pare_field_text(pare_fields fields, const char *key, const char **out) {
    const json_t *value = pare_field(fields, key);
    *out = json_string_value(value);
    if (!value || *out) return PARE_OK;
    return pare_field_refuse(PARE_FORMAT_ERROR, fields, key, "it must be a text");
}
