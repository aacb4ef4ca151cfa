#include "tokenizer/json_read.h"
#include "support/file.h"
#include "support/memory.h"

#include <string.h>

enum { LARGEST_FILE = 1 << 30, DEEPEST_SEQUENCE = 16 };

pare_status pare_json_load(const char *path, size_t flags, json_t **out) {
    char *text;
    size_t bytes;
    json_error_t error;
    *out = NULL;
    PARE_TRY(pare_file_read(path, LARGEST_FILE, &text, &bytes));
    *out = json_loadb(text, bytes, flags | JSON_ALLOW_NUL, &error);
    pare_free(text);
    if (*out) return PARE_OK;
    return pare_fail(PARE_FORMAT_ERROR, "%s is not sound JSON (line %d, column %d: %s); fetch or write it again", path,
                     error.line, error.column, error.text);
}

pare_status pare_json_copy_string(const char *path, const json_t *json, const char *key, char **text, size_t *bytes) {
    const json_t *value = json_object_get(json, key);
    if (!json_is_string(value)) return pare_fail(PARE_FORMAT_ERROR, "%s: \"%s\" is not a string", path, key);
    *bytes = json_string_length(value);
    PARE_TRY(pare_alloc(text, *bytes + 1, 1, "a string"));
    memcpy(*text, json_string_value(value), *bytes);
    return PARE_OK;
}

pare_status pare_json_boolean(const char *path, const json_t *json, const char *key, bool missing, bool *out) {
    const json_t *value = json_object_get(json, key);
    *out = missing;
    if (!value || json_is_null(value)) return PARE_OK;
    if (!json_is_boolean(value)) return pare_fail(PARE_FORMAT_ERROR, "%s: \"%s\" is not true or false", path, key);
    *out = json_is_true(value);
    return PARE_OK;
}

static pare_status add_step(pare_json_steps *list, pare_json_step step) {
    if (list->count == list->room) {
        size_t room = list->room ? list->room * 2 : 8;
        pare_json_step *steps;
        PARE_TRY(pare_alloc_uninitialized(&steps, room, sizeof *steps, "the tokenizer's steps"));
        if (list->count) memcpy(steps, list->steps, list->count * sizeof *steps);
        pare_free(list->steps);
        list->steps = steps;
        list->room = room;
    }
    list->steps[list->count++] = step;
    return PARE_OK;
}

static pare_status add_steps(const char *path, const json_t *json, const char *what, const char *key, int depth,
                             pare_json_steps *out) {
    if (!json || json_is_null(json)) return PARE_OK;
    const char *type = json_string_value(json_object_get(json, "type"));
    if (!type) return pare_fail(PARE_FORMAT_ERROR, "%s has a %s without a type", path, what);
    if (strcmp(type, "Sequence") != 0) return add_step(out, (pare_json_step){type, json});
    const json_t *list = json_object_get(json, key);
    if (!json_is_array(list)) return pare_fail(PARE_FORMAT_ERROR, "%s: a %s sequence has no %s", path, what, key);
    if (depth == DEEPEST_SEQUENCE)
        return pare_fail(PARE_UNSUPPORTED, "%s nests %s sequences more than %d deep", path, what, DEEPEST_SEQUENCE);
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *step = json_array_get(list, i);
        if (!json_is_object(step)) return pare_fail(PARE_FORMAT_ERROR, "%s has a %s that is no object", path, what);
        PARE_TRY(add_steps(path, step, what, key, depth + 1, out));
    }
    return PARE_OK;
}

pare_status pare_json_steps_read(const char *path, const json_t *json, const char *what, const char *key,
                                 pare_json_steps *out) {
    *out = (pare_json_steps){0};
    pare_status status = add_steps(path, json, what, key, 0, out);
    if (status != PARE_OK) pare_json_steps_free(out);
    return status;
}

void pare_json_steps_free(pare_json_steps *steps) {
    pare_free(steps->steps);
    *steps = (pare_json_steps){0};
}
