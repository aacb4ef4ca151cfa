#include "text/json_rows.h"
#include "text/documents.h"

#include <limits.h>

enum { LISTED_KEYS = 8, LISTED_KEY_BYTES = 40, BYTE_ORDER_MARK_BYTES = 3 };

typedef struct reader {
    const char *path, *text;
    size_t bytes, limit;
    pare_json_row_reader read;
    void *context;
} reader;

static bool ends_with(const char *path, const char *ending) {
    size_t length = strlen(path), wanted = strlen(ending);
    return length >= wanted && strcmp(path + length - wanted, ending) == 0;
}

pare_json_form pare_json_form_of(const char *path) {
    return ends_with(path, ".jsonl") ? PARE_JSON_LINES : ends_with(path, ".json") ? PARE_JSON_LIST : PARE_JSON_NONE;
}

/* Hands `value` over and lets it go. */
static pare_status hand_over(const reader *r, const char *unit, size_t number, json_t *value) {
    const pare_json_row row = {r->path, unit, number, value};
    pare_status status = r->read(r->context, &row);
    json_decref(value);
    return status;
}

static pare_status read_lines(const reader *r) {
    size_t number = 1, rows = 0, length;
    for (size_t at = 0; at < r->bytes && (!r->limit || rows < r->limit); at += length + 1, number++) {
        const char *newline = memchr(r->text + at, '\n', r->bytes - at);
        json_error_t error;
        length = newline ? (size_t)(newline - r->text) - at : r->bytes - at;
        if (pare_is_blank_line(r->text + at, length)) continue;
        json_t *row = json_loadb(r->text + at, length, JSON_ALLOW_NUL | JSON_DECODE_ANY, &error);
        if (!row)
            return pare_fail(PARE_FORMAT_ERROR,
                             "%s, line %zu is not JSON (column %d: %s); write one JSON value per line", r->path, number,
                             error.column, error.text);
        PARE_TRY(hand_over(r, "line", number, row));
        rows++;
    }
    return PARE_OK;
}

/* The whole text as one value: for lists of numbers, and for the place of an error. */
static pare_status parse_whole(const reader *r, json_t **out) {
    json_error_t error;
    *out = json_loadb(r->text, r->bytes, JSON_ALLOW_NUL | JSON_DECODE_ANY, &error);
    if (*out) return PARE_OK;
    return pare_fail(PARE_FORMAT_ERROR, "%s is not JSON (line %d, column %d: %s)", r->path, error.line, error.column,
                     error.text);
}

static pare_status refuse_item(const reader *r, size_t number) {
    json_t *whole;
    PARE_TRY(parse_whole(r, &whole));
    json_decref(whole);
    return pare_fail(PARE_UNSUPPORTED, "%s, row %zu is larger than 2 GiB; write smaller rows", r->path, number);
}

static pare_status refuse_single(const reader *r) {
    json_t *whole;
    PARE_TRY(parse_whole(r, &whole));
    const char *kind = json_is_object(whole) ? "object" : "value";
    json_decref(whole);
    return pare_fail(PARE_FORMAT_ERROR,
                     "%s is one JSON %s; pare reads a list of texts, of objects with a text, or of lists of token ids: "
                     "write the list inside it to a file of its own, or name the file .jsonl if it has one value per "
                     "line",
                     r->path, kind);
}

/* The first byte from `at` on that is no space of JSON's; 0 at the end. */
static char next_byte(const reader *r, size_t *at) {
    while (*at < r->bytes && r->text[*at] && strchr(" \t\n\r", r->text[*at]))
        ++*at;
    return *at < r->bytes ? r->text[*at] : 0;
}

/* Items behind the list's opening bracket. */
static pare_status read_items(const reader *r, size_t at) {
    if (next_byte(r, &at) == ']') {
        at++;
        return next_byte(r, &at) || at < r->bytes ? refuse_item(r, 1) : PARE_OK;
    }
    for (size_t number = 1; !r->limit || number <= r->limit; number++) {
        size_t left = r->bytes - at < INT_MAX ? r->bytes - at : INT_MAX;
        json_error_t error;
        json_t *row = json_loadb(r->text + at, left, JSON_ALLOW_NUL | JSON_DECODE_ANY | JSON_DISABLE_EOF_CHECK, &error);
        if (!row) return refuse_item(r, number);
        at += (size_t)error.position;
        PARE_TRY(hand_over(r, "row", number, row));
        char next = next_byte(r, &at);
        at++;
        if (next == ']') return next_byte(r, &at) || at < r->bytes ? refuse_item(r, number) : PARE_OK;
        if (next != ',') return refuse_item(r, number);
    }
    return PARE_OK;
}

static pare_status read_list(const reader *r) {
    size_t at = 0;
    if (next_byte(r, &at) != '[') return refuse_single(r);
    size_t first = ++at;
    char byte = next_byte(r, &first);
    if (byte != '-' && (byte < '0' || byte > '9')) return read_items(r, at);
    json_t *list;
    PARE_TRY(parse_whole(r, &list));
    return hand_over(r, "row", 1, list);
}

pare_status pare_json_rows_read(const char *path, const char *text, size_t bytes, size_t limit,
                                pare_json_row_reader read, void *context) {
    bool marked = bytes >= BYTE_ORDER_MARK_BYTES && memcmp(text, "\xEF\xBB\xBF", BYTE_ORDER_MARK_BYTES) == 0;
    size_t skipped = marked ? BYTE_ORDER_MARK_BYTES : 0;
    const reader r = {path, text + skipped, bytes - skipped, limit, read, context};
    return pare_json_form_of(path) == PARE_JSON_LINES ? read_lines(&r) : read_list(&r);
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
        status = pare_fail(PARE_FORMAT_ERROR,
                           "%s, %s %zu has no text under \"%s\"; choose one of its keys with --field: %.*s", row->path,
                           row->unit, row->number, field, (int)keys.bytes, keys.data);
    else if (status == PARE_OK)
        status = pare_fail(PARE_FORMAT_ERROR, "%s, %s %zu has no text under \"%s\", nor under any other key", row->path,
                           row->unit, row->number, field);
    pare_buffer_free(&keys);
    return status;
}

pare_status pare_json_row_text(const pare_json_row *row, const char *field, const json_t **text) {
    *text = json_is_string(row->value) ? row->value : json_object_get(row->value, field);
    return json_is_string(*text) ? PARE_OK : refuse_without_field(row, field);
}

pare_status pare_json_row_ids(const pare_json_row *row, pare_id_list *ids) {
    for (size_t i = 0; i < json_array_size(row->value); i++) {
        const json_t *id = json_array_get(row->value, i);
        if (!json_is_integer(id) || json_integer_value(id) < 0 || json_integer_value(id) > INT32_MAX)
            return pare_fail(PARE_FORMAT_ERROR, "%s, %s %zu: item %zu is no token id", row->path, row->unit,
                             row->number, i + 1);
        PARE_TRY(pare_id_list_add(ids, (uint32_t)json_integer_value(id)));
    }
    return PARE_OK;
}
