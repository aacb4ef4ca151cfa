#include "text/documents.h"
#include "text/json_rows.h"

typedef struct reader {
    pare_documents *documents;
    const char *field;
} reader;

static pare_status add_text(pare_documents *documents, const json_t *text) {
    if (documents->count) PARE_TRY(pare_buffer_append(&documents->own, "\n\n", 2));
    size_t start = documents->own.bytes, length = json_string_length(text);
    PARE_TRY(pare_buffer_append(&documents->own, json_string_value(text), length));
    return pare_documents_add(documents, start, length);
}

static pare_status add_ids(pare_documents *documents, const pare_json_row *row) {
    size_t start = documents->ids.count;
    PARE_TRY(pare_json_row_ids(row, &documents->ids));
    return pare_documents_add(documents, start, documents->ids.count - start);
}

static pare_status add_row(void *context, const pare_json_row *row) {
    const reader *r = context;
    pare_documents *documents = r->documents;
    bool ids = json_is_array(row->value);
    if (!ids && !json_is_object(row->value) && !json_is_string(row->value))
        return pare_fail(PARE_FORMAT_ERROR, "%s, %s %zu is neither an object nor a text nor a list of token ids",
                         row->path, row->unit, row->number);
    if (documents->count && ids != documents->has_ids)
        return pare_fail(PARE_FORMAT_ERROR, "%s mixes texts and lists of token ids (%s %zu); give a file of one kind",
                         row->path, row->unit, row->number);
    documents->has_ids = ids;
    if (ids) return add_ids(documents, row);
    const json_t *text;
    PARE_TRY(pare_json_row_text(row, r->field, &text));
    return add_text(documents, text);
}

pare_status pare_documents_read_json(pare_documents *documents, const char *field) {
    reader r = {documents, field};
    pare_status status = pare_json_rows_read(documents->path, (const char *)documents->file.data,
                                             (size_t)documents->file.bytes, 0, add_row, &r);
    documents->text = documents->own.data;
    documents->bytes = documents->own.bytes;
    return status;
}
