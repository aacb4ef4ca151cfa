/* Single values of a config.json, checked for type and range; every failure names the file, the key and the value. */
#ifndef PARE_MODEL_CONFIG_FIELDS_H
#define PARE_MODEL_CONFIG_FIELDS_H

#include "support/status.h"

#include <jansson.h>

/* An object of the file at `path`; null counts as absent everywhere. */
typedef struct pare_fields {
    const char *path;
    const json_t *object;
} pare_fields;

/* NULL if the key is absent or null. */
const json_t *pare_field(pare_fields fields, const char *key);

/* PARE_UNSUPPORTED or PARE_FORMAT_ERROR: "PATH: KEY is VALUE; EXPECTED". */
pare_status pare_field_refuse(pare_status status, pare_fields fields, const char *key, const char *expected);

/* A whole number from `least` to `most`. Absent: `fallback`, or a failure if that is negative. */
pare_status pare_field_whole(pare_fields fields, const char *key, int64_t least, int64_t most, int64_t fallback,
                             uint32_t *out);

/* A number above 0 and at most `most`. Absent: `fallback`, or a failure if that is negative. */
pare_status pare_field_positive(pare_fields fields, const char *key, double most, double fallback, double *out);

/* Absent: false. */
pare_status pare_field_flag(pare_fields fields, const char *key, bool *out);

pare_status pare_field_flag_or(pare_fields fields, const char *key, bool fallback, bool *out);

/* Absent: NULL. The string lives as long as the object. */
pare_status pare_field_text(pare_fields fields, const char *key, const char **out);

#endif
