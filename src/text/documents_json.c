#include "text/documents.h"

#include <jansson.h>

enum { LISTED_KEYS = 8 };

typedef struct reader {
    pare_documents *documents;
    const char *field;
    const char *unit; /* what a row is called: "line" or "row" */
} reader;

/* Names the keys that a row has in place of the wanted one. */
static pare_status refuse_row_without_field(const reader *r, const json_t *row, size_t number) {
    pare_buffer keys = {0};
    const char *key;
    json_t *value;
    int listed = 0;
    pare_status status = PARE_OK;
    json_object_foreach((json_t *)(uintptr_t)row, key, value) {
        if (!json_is_string(value) || listed++ >= LISTED_KEYS || status != PARE_OK) continue;
        if (listed > 1) status = pare_buffer_append(&keys, ", ", 2);
        if (status == PARE_OK) status = pare_buffer_append(&keys, key, strnlen(key, 40));
    }
    if (status == PARE_OK && listed)
        status = pare_fail(PARE_FORMAT_ERROR,
                           "%s, %s %zu has no text under \"%s\"; choose one of its keys with --field: %.*s",
                           r->documents->path, r->unit, number, r->field, (int)keys.bytes, keys.data);
    else if (status == PARE_OK)
        status = pare_fail(PARE_FORMAT_ERROR, "%s, %s %zu has no text under \"%s\", nor under any other key",
                           r->documents->path, r->unit, number, r->field);
    pare_buffer_free(&keys);
    return status;
}

static pare_status add_text(reader *r, const json_t *text) {
    pare_documents *documents = r->documents;
    if (documents->count) PARE_TRY(pare_buffer_append(&documents->own, "\n\n", 2));
    size_t start = documents->own.bytes, length = json_string_length(text);
    PARE_TRY(pare_buffer_append(&documents->own, json_string_value(text), length));
    return pare_documents_add(documents, start, length);
}

static pare_status add_ids(reader *r, const json_t *list, size_t number) {
    pare_documents *documents = r->documents;
    size_t start = documents->ids.count, count = json_array_size(list);
    for (size_t i = 0; i < count; i++) {
        const json_t *id = json_array_get(list, i);
        if (!json_is_integer(id) || json_integer_value(id) < 0 || json_integer_value(id) > INT32_MAX)
            return pare_fail(PARE_FORMAT_ERROR, "%s, %s %zu: item %zu is no token id", documents->path, r->unit, number,
                             i + 1);
        PARE_TRY(pare_id_list_add(&documents->ids, (uint32_t)json_integer_value(id)));
    }
    return pare_documents_add(documents, start, count);
}

static pare_status add_row(reader *r, const json_t *row, size_t number) {
    pare_documents *documents = r->documents;
    bool ids = json_is_array(row);
    if (!ids && !json_is_object(row) && !json_is_string(row))
        return pare_fail(PARE_FORMAT_ERROR, "%s, %s %zu is neither an object nor a text nor a list of token ids",
                         documents->path, r->unit, number);
    if (documents->count && ids != documents->has_ids)
        return pare_fail(PARE_FORMAT_ERROR, "%s mixes texts and lists of token ids (%s %zu); give a file of one kind",
                         documents->path, r->unit, number);
    documents->has_ids = ids;
    if (ids) return add_ids(r, row, number);
    const json_t *text = json_is_string(row) ? row : json_object_get(row, r->field);
    return json_is_string(text) ? add_text(r, text) : refuse_row_without_field(r, row, number);
}

static pare_status parse(const reader *r, const char *text, size_t bytes, size_t number, json_t **out) {
    json_error_t error;
    *out = json_loadb(text, bytes, JSON_ALLOW_NUL | JSON_DECODE_ANY, &error);
    if (*out) return PARE_OK;
    if (number)
        return pare_fail(PARE_FORMAT_ERROR, "%s, line %zu is not JSON (column %d: %s); write one JSON value per line",
                         r->documents->path, number, error.column, error.text);
    return pare_fail(PARE_FORMAT_ERROR, "%s is not JSON (line %d, column %d: %s)", r->documents->path, error.line,
                     error.column, error.text);
}

static pare_status read_lines(reader *r, const char *text, size_t bytes) {
    size_t number = 1, length;
    for (size_t at = 0; at < bytes; at += length + 1, number++) {
        const char *newline = memchr(text + at, '\n', bytes - at);
        json_t *row;
        length = newline ? (size_t)(newline - text) - at : bytes - at;
        if (pare_is_blank_line(text + at, length)) continue;
        PARE_TRY(parse(r, text + at, length, number, &row));
        pare_status status = add_row(r, row, number);
        json_decref(row);
        PARE_TRY(status);
    }
    return PARE_OK;
}

static pare_status read_list(reader *r, const json_t *list) {
    if (!json_is_array(list))
        return pare_fail(PARE_FORMAT_ERROR,
                         "%s is one JSON %s; pare reads a list of texts, of objects with a text, or of "
                         "lists of token ids: write the list inside it to a file of its own",
                         r->documents->path, json_is_object(list) ? "object" : "value");
    if (json_is_integer(json_array_get(list, 0))) {
        r->documents->has_ids = true;
        return add_ids(r, list, 1);
    }
    for (size_t i = 0; i < json_array_size(list); i++)
        PARE_TRY(add_row(r, json_array_get(list, i), i + 1));
    return PARE_OK;
}

pare_status pare_documents_read_json(pare_documents *documents, const char *field, bool lines) {
    reader r = {documents, field, lines ? "line" : "row"};
    const char *text = (const char *)documents->file.data;
    size_t bytes = (size_t)documents->file.bytes;
    pare_status status;
    json_t *json;
    if (lines) {
        status = read_lines(&r, text, bytes);
    } else {
        PARE_TRY(parse(&r, text, bytes, 0, &json));
        status = read_list(&r, json);
        json_decref(json);
    }
    documents->text = documents->own.data;
    documents->bytes = documents->own.bytes;
    return status;
}
