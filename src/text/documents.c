#include "text/documents.h"
#include "support/memory.h"
#include "text/json_form.h"

/* Documents without the line end behind their last line. */
static pare_status divide_paragraphs(pare_documents *documents) {
    const char *text = documents->text;
    size_t start = 0, end = 0, next;
    bool inside = false;
    for (size_t at = 0; at < documents->bytes; at = next) {
        const char *newline = memchr(text + at, '\n', documents->bytes - at);
        size_t line_end = newline ? (size_t)(newline - text) : documents->bytes;
        next = newline ? line_end + 1 : documents->bytes;
        bool blank = pare_is_blank_line(text + at, line_end - at);
        if (blank && inside) PARE_TRY(pare_documents_add(documents, start, end - start));
        if (!blank && !inside) start = at;
        inside = !blank;
        end = line_end;
    }
    return inside ? pare_documents_add(documents, start, end - start) : PARE_OK;
}

static pare_status read_documents(pare_documents *documents, const pare_documents_request *request) {
    PARE_TRY(pare_text_file_open(documents->path, &documents->file));
    documents->text = documents->file.text;
    documents->bytes = documents->file.bytes;
    if (pare_json_form_of(documents->path, documents->text, documents->bytes) != PARE_JSON_NONE)
        PARE_TRY(pare_documents_read_json(documents, request));
    else
        PARE_TRY(request->paragraphs ? divide_paragraphs(documents)
                                     : pare_documents_add(documents, 0, documents->bytes));
    if (!documents->count)
        return pare_fail(PARE_FORMAT_ERROR, "%s has no text in it; give a file with text or token ids",
                         documents->path);
    return PARE_OK;
}

pare_status pare_documents_open(const pare_documents_request *request, pare_documents *out) {
    *out = (pare_documents){.path = request->path};
    pare_status status = read_documents(out, request);
    if (status != PARE_OK) pare_documents_close(out);
    return status;
}

char *pare_documents_note(const pare_documents *documents) {
    const pare_encoding *encoding = &documents->file.encoding;
    return pare_odd_rows_note(&documents->odd, documents->path, encoding->malformed, encoding->first);
}

void pare_documents_close(pare_documents *documents) {
    pare_text_file_close(&documents->file);
    pare_free(documents->list);
    pare_buffer_free(&documents->own);
    pare_id_list_free(&documents->ids);
    pare_odd_rows_free(&documents->odd);
    *documents = (pare_documents){0};
}
