#include "evaluate/task_row.h"
#include "evaluate/task_text.h"
#include "support/file.h"

#include <stdlib.h>

void pare_task_document_free(pare_task_document *document) {
    for (uint32_t i = 0; i < PARE_TASK_CHOICES; i++) {
        free(document->contexts[i]);
        free(document->continuations[i]);
    }
    *document = (pare_task_document){0};
}

static pare_status refuse_key(const pare_json_row *row, const char *key, const char *what) {
    return pare_fail(PARE_FORMAT_ERROR, "%s, %s %zu has no %s under \"%s\"; is it the file of another task?", row->path,
                     row->unit, row->number, what, key);
}

pare_status pare_task_text(const pare_json_row *row, const json_t *object, const char *key, const char **out) {
    const json_t *value = json_object_get(object, key);
    *out = json_string_value(value);
    if (!*out) return refuse_key(row, key, "text");
    if (strlen(*out) == json_string_length(value)) return PARE_OK;
    return pare_fail(PARE_FORMAT_ERROR, "%s, %s %zu: the text under \"%s\" holds a NUL character", row->path, row->unit,
                     row->number, key);
}

/* "true", "1", "A": as text without white space around it, freed with free(); NULL for other values. */
static char *label_of(const json_t *value) {
    if (json_is_string(value)) return pare_text_strip(json_string_value(value));
    if (json_is_boolean(value)) return pare_format("%s", json_is_true(value) ? "true" : "false");
    return json_is_integer(value) ? pare_format("%lld", (long long)json_integer_value(value)) : NULL;
}

static pare_status find_label(const pare_json_row *row, const char *text, const char *const *labels, uint32_t *gold) {
    for (*gold = 0; labels[*gold]; ++*gold)
        if (strcmp(labels[*gold], text) == 0) return PARE_OK;
    return pare_fail(PARE_FORMAT_ERROR, "%s, %s %zu: the label '%.40s' is none of its choices (%.20s to %.20s)",
                     row->path, row->unit, row->number, text, labels[0], labels[*gold - 1]);
}

pare_status pare_task_gold(const pare_json_row *row, const char *label, const char *const *keys,
                           const char *const *labels, uint32_t *gold) {
    const json_t *value = NULL;
    const char *const *key = keys;
    for (; *key && !value; key++)
        value = json_object_get(row->value, *key);
    char *text = value ? label_of(value) : label ? pare_text_strip(label) : NULL;
    if (!text && !value)
        return pare_fail(PARE_FORMAT_ERROR,
                         "%s, %s %zu has no label under \"%s\", and no file of labels lies beside it; take a split "
                         "whose answers are published",
                         row->path, row->unit, row->number, keys[0]);
    if (!text) return refuse_key(row, keys[0], "label");
    pare_status status = find_label(row, text, labels, gold);
    free(text);
    return status;
}

pare_status pare_task_add_choice(const pare_json_row *row, const char *choice, pare_task_document *out) {
    if (out->count == PARE_TASK_CHOICES)
        return pare_fail(PARE_UNSUPPORTED, "%s, %s %zu has more than %d choices", row->path, row->unit, row->number,
                         PARE_TASK_CHOICES);
    out->continuations[out->count] = pare_format(" %s", choice);
    out->characters[out->count] = pare_text_characters(choice);
    out->count++;
    return PARE_OK;
}
