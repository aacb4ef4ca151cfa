#include "text/documents.h"
#include "support/memory.h"
#include "text/json_rows.h"
#include "text/unicode.h"

enum { SAMPLED_BYTES = 1 << 20, STRANGE_PERCENT = 5 };

pare_status pare_documents_add(pare_documents *documents, size_t start, size_t length) {
    if (documents->count == documents->room) {
        size_t room = documents->room ? documents->room * 2 : 64;
        pare_document *list;
        PARE_TRY(pare_alloc_uninitialized(&list, room, sizeof *list, "the list of documents"));
        if (documents->count) memcpy(list, documents->list, documents->count * sizeof *list);
        pare_free(documents->list);
        documents->list = list;
        documents->room = room;
    }
    documents->list[documents->count++] = (pare_document){start, length};
    return PARE_OK;
}

/* Looks at the beginning only: a text of any size has hardly a NUL or a byte that is not UTF-8. */
static pare_status refuse_binary(const pare_documents *documents) {
    size_t bytes = documents->bytes < SAMPLED_BYTES ? documents->bytes : SAMPLED_BYTES, strange = 0;
    for (size_t at = 0; at < bytes; at++) {
        at += pare_utf8_valid(documents->text + at, bytes - at);
        strange += at < bytes;
    }
    for (size_t at = 0; at < bytes; at++)
        strange += documents->text[at] == 0;
    if (strange * 100 <= bytes * STRANGE_PERCENT) return PARE_OK;
    return pare_fail(PARE_FORMAT_ERROR,
                     "%s is no text: %zu of its first %zu bytes are NUL or not UTF-8; give a UTF-8 text file",
                     documents->path, strange, bytes);
}

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

static pare_status read_text(pare_documents *documents, bool paragraphs) {
    documents->text = (const char *)documents->file.data;
    documents->bytes = (size_t)documents->file.bytes;
    PARE_TRY(refuse_binary(documents));
    return paragraphs ? divide_paragraphs(documents) : pare_documents_add(documents, 0, documents->bytes);
}

static pare_status read_documents(pare_documents *documents, const char *field, bool paragraphs) {
    PARE_TRY(pare_mapping_open(documents->path, &documents->file));
    if (!documents->file.bytes)
        return pare_fail(PARE_FORMAT_ERROR, "%s is empty; give a file with text or token ids", documents->path);
    PARE_TRY(pare_json_form_of(documents->path) != PARE_JSON_NONE
                 ? pare_documents_read_json(documents, field ? field : "text")
                 : read_text(documents, paragraphs));
    if (!documents->count)
        return pare_fail(PARE_FORMAT_ERROR, "%s has no text in it; give a file with text or token ids",
                         documents->path);
    return PARE_OK;
}

pare_status pare_documents_open(const char *path, const char *field, bool paragraphs, pare_documents *out) {
    *out = (pare_documents){.path = path};
    pare_status status = read_documents(out, field, paragraphs);
    if (status != PARE_OK) pare_documents_close(out);
    return status;
}

void pare_documents_close(pare_documents *documents) {
    pare_mapping_close(&documents->file);
    pare_free(documents->list);
    pare_buffer_free(&documents->own);
    pare_id_list_free(&documents->ids);
    *documents = (pare_documents){0};
}
