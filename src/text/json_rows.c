#include "text/json_rows.h"
#include "support/file.h"
#include "text/documents.h"

#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

enum { LISTED_KEYS = 8, LISTED_KEY_BYTES = 40 };

typedef struct reader {
    const pare_json_source *source;
    const char *text;
    size_t bytes, rows;
    pare_json_row_reader read;
    void *context;
} reader;

pare_status pare_json_row_refuse(const pare_json_row *row, const char *format, ...) {
    char *words = NULL;
    va_list arguments;
    va_start(arguments, format);
    int length = vasprintf(&words, format, arguments);
    va_end(arguments);
    if (length < 0) return pare_fail(PARE_OUT_OF_MEMORY, "not enough memory for a message");
    if (row->odd) row->odd->refused = true;
    pare_status status = pare_fail(PARE_FORMAT_ERROR, "%s, %s %zu %s", row->path, row->unit, row->number, words);
    free(words);
    return status;
}

/* Parses a row and hands it over; whether it is skipped or ends the reading is decided here. */
static pare_status take_row(reader *r, const char *unit, size_t number, size_t at, size_t length) {
    pare_odd_rows *odd = r->source->odd;
    pare_json_row row = {r->source->path, unit, number, NULL, odd};
    json_error_t error;
    json_t *value = json_loadb(r->text + at, length, JSON_ALLOW_NUL | JSON_DECODE_ANY, &error);
    row.value = value;
    r->rows++;
    if (odd) odd->rows++;
    pare_status status = value ? r->read(r->context, &row)
                               : pare_json_row_refuse(&row, "is not JSON (column %d: %s)%s", error.column, error.text,
                                                      *unit == 'l' && !odd ? "; write one JSON value per line" : "");
    json_decref(value);
    if (status == PARE_OK || !odd || !odd->refused) return status;
    pare_odd_rows_add(odd, row.path);
    return pare_odd_rows_check(odd, row.path, true);
}

static bool has_enough(const reader *r) {
    return r->source->limit && r->rows >= r->source->limit;
}

static pare_status read_lines(reader *r) {
    size_t number = 1, length;
    for (size_t at = 0; at < r->bytes && !has_enough(r); at += length + 1, number++) {
        const char *newline = memchr(r->text + at, '\n', r->bytes - at);
        length = newline ? (size_t)(newline - r->text) - at : r->bytes - at;
        if (!pare_is_blank_line(r->text + at, length)) PARE_TRY(take_row(r, "line", number, at, length));
    }
    return PARE_OK;
}

/* The whole text as one value: for the place of an error. */
static pare_status parse_whole(const reader *r, json_t **out) {
    json_error_t error;
    *out = json_loadb(r->text, r->bytes, JSON_ALLOW_NUL | JSON_DECODE_ANY, &error);
    if (*out) return PARE_OK;
    return pare_fail(PARE_FORMAT_ERROR, "%s is not JSON (line %d, column %d: %s)", r->source->path, error.line,
                     error.column, error.text);
}

static pare_status refuse_list(const reader *r) {
    json_t *whole;
    PARE_TRY(parse_whole(r, &whole));
    json_decref(whole);
    return pare_fail(PARE_FORMAT_ERROR, "%s is not JSON: its list does not end as it should", r->source->path);
}

static pare_status refuse_single(const reader *r) {
    json_t *whole;
    PARE_TRY(parse_whole(r, &whole));
    const char *kind = json_is_object(whole) ? "object" : "value";
    json_decref(whole);
    return pare_fail(PARE_FORMAT_ERROR,
                     "%s is one JSON %s; pare reads a list of texts, of objects with a text, or of lists of token ids, "
                     "or one such value per line: write the list inside it to a file of its own",
                     r->source->path, kind);
}

/* A byte behind the list, or none at all: what stands there must be the end. */
static pare_status read_end(const reader *r, size_t at) {
    return pare_json_skip_space(r->text, r->bytes, at) == r->bytes ? PARE_OK : refuse_list(r);
}

/* Items behind the list's opening bracket. */
static pare_status read_items(reader *r, size_t at) {
    at = pare_json_skip_space(r->text, r->bytes, at);
    if (at < r->bytes && r->text[at] == ']') return read_end(r, at + 1);
    for (size_t number = 1; !has_enough(r); number++) {
        at = pare_json_skip_space(r->text, r->bytes, at);
        size_t end = pare_json_value_end(r->text, r->bytes, at);
        if (end == r->bytes || end == at || r->text[end] == '}') return refuse_list(r);
        if (end - at > INT_MAX)
            return pare_fail(PARE_UNSUPPORTED, "%s, row %zu is larger than 2 GiB; write smaller rows", r->source->path,
                             number);
        PARE_TRY(take_row(r, "row", number, at, end - at));
        at = end + 1;
        if (r->text[end] == ']') return read_end(r, at);
    }
    return PARE_OK;
}

static pare_status read_list(reader *r) {
    size_t at = pare_json_skip_space(r->text, r->bytes, 0), first = pare_json_skip_space(r->text, r->bytes, at + 1);
    char byte = first < r->bytes ? r->text[first] : 0;
    if (byte == '-' || (byte >= '0' && byte <= '9')) return take_row(r, "row", 1, at, r->bytes - at);
    return read_items(r, at + 1);
}

pare_status pare_json_rows_read(const pare_json_source *source, pare_json_row_reader read, void *context) {
    reader r = {source, source->text, source->bytes, 0, read, context};
    pare_json_form form = pare_json_form_of(source->path, source->text, source->bytes);
    if (form == PARE_JSON_OTHER) return refuse_single(&r);
    PARE_TRY(form == PARE_JSON_LIST ? read_list(&r) : read_lines(&r));
    return source->odd ? pare_odd_rows_check(source->odd, source->path, false) : PARE_OK;
}
pare_status pare_json_row_keys(const pare_json_row *row, bool strings, pare_buffer *keys) {
    const char *key;
    json_t *value;
    int listed = 0;
    json_object_foreach((json_t *)(uintptr_t)row->value, key, value) {
        if ((strings && !json_is_string(value)) || listed++ >= LISTED_KEYS) continue;
        if (listed > 1) PARE_TRY(pare_buffer_append(keys, ", ", 2));
        PARE_TRY(pare_buffer_append(keys, key, strnlen(key, LISTED_KEY_BYTES)));
    }
    return PARE_OK;
}

static pare_status refuse_without_field(const pare_json_row *row, const char *field) {
    pare_buffer keys = {0};
    pare_status status = pare_json_row_keys(row, true, &keys);
    if (status == PARE_OK && keys.bytes)
        status = pare_json_row_refuse(row, "has no text under \"%s\"; choose one of its keys with --field: %.*s", field,
                                      (int)keys.bytes, keys.data);
    else if (status == PARE_OK)
        status = pare_json_row_refuse(row, "has no text under \"%s\", nor under any other key", field);
    pare_buffer_free(&keys);
    return status;
}

pare_status pare_json_row_text(const pare_json_row *row, const char *field, const json_t **text) {
    *text = json_is_string(row->value) ? row->value : json_object_get(row->value, field);
    return json_is_string(*text) ? PARE_OK : refuse_without_field(row, field);
}

pare_status pare_json_row_ids(const pare_json_row *row, pare_id_list *ids) {
    size_t start = ids->count;
    for (size_t i = 0; i < json_array_size(row->value); i++) {
        const json_t *id = json_array_get(row->value, i);
        if (!json_is_integer(id) || json_integer_value(id) < 0 || json_integer_value(id) > INT32_MAX) {
            ids->count = start;
            return pare_json_row_refuse(row, "is no list of token ids: item %zu is none", i + 1);
        }
        PARE_TRY(pare_id_list_add(ids, (uint32_t)json_integer_value(id)));
    }
    return PARE_OK;
}
