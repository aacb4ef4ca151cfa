#include "text/chat_text.h"
#include "text/documents.h"
#include "text/json_rows.h"

typedef struct reader {
    pare_documents *documents;
    const pare_documents_request *request;
    const char *field;
    pare_buffer text; /* of the row at hand */
} reader;

static pare_status add_text(pare_documents *documents, const char *text, size_t length) {
    if (documents->count) PARE_TRY(pare_buffer_append(&documents->own, "\n\n", 2));
    size_t start = documents->own.bytes;
    PARE_TRY(pare_buffer_append(&documents->own, text, length));
    return pare_documents_add(documents, start, length);
}

static pare_status add_ids(pare_documents *documents, const pare_json_row *row) {
    size_t start = documents->ids.count;
    PARE_TRY(pare_json_row_ids(row, &documents->ids));
    return pare_documents_add(documents, start, documents->ids.count - start);
}

/* A chat or an instruction, as training would see it. */
static pare_status add_rendered(reader *r, const pare_json_row *row) {
    bool whole;
    r->text.bytes = 0;
    PARE_TRY(pare_chat_text_of_row(r->request->style, row, &r->text, &whole));
    if (r->documents->count && whole != r->documents->rendered)
        return pare_json_row_refuse(row,
                                    "is of another kind than the rows before it; give a file with rows of one kind");
    r->documents->rendered = whole;
    return add_text(r->documents, r->text.data, r->text.bytes);
}

static pare_status add_row(void *context, const pare_json_row *row) {
    reader *r = context;
    pare_documents *documents = r->documents;
    bool ids = json_is_array(row->value);
    PARE_TRY(pare_interrupted());
    if (!ids && !json_is_object(row->value) && !json_is_string(row->value))
        return pare_json_row_refuse(row, "is neither an object nor a text nor a list of token ids");
    if (documents->count && ids != documents->has_ids)
        return pare_json_row_refuse(row, "mixes texts and lists of token ids; give a file of one kind");
    if (ids) {
        PARE_TRY(add_ids(documents, row));
        documents->has_ids = true;
        return PARE_OK;
    }
    if (!r->request->field && r->request->style && pare_chat_text_fits(row)) return add_rendered(r, row);
    const json_t *text;
    PARE_TRY(pare_json_row_text(row, r->field, &text));
    if (documents->count && documents->rendered)
        return pare_json_row_refuse(row,
                                    "is of another kind than the rows before it; give a file with rows of one kind");
    return add_text(documents, json_string_value(text), json_string_length(text));
}

pare_status pare_documents_read_json(pare_documents *documents, const pare_documents_request *request) {
    reader r = {documents, request, request->field ? request->field : "text", {0}};
    const pare_json_source source = {
        .path = documents->path, .text = documents->text, .bytes = documents->bytes, .odd = &documents->odd};
    pare_status status = pare_json_rows_read(&source, add_row, &r);
    documents->text = documents->own.data;
    documents->bytes = documents->own.bytes;
    pare_buffer_free(&r.text);
    return status;
}
