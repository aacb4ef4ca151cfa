#include "evaluate/task_file.h"
#include "evaluate/task_order.h"
#include "support/file.h"
#include "support/memory.h"
#include "text/text_file.h"

#include <stdlib.h>

enum { ORDER_SEED = 42, LARGEST_LABELS = 1 << 26 };

typedef struct row_reader {
    pare_task_file *file;
    char *labels, *next_label; /* the whole file, and the line of the next row; NULL without */
} row_reader;

/* The next line that is not empty, ended with a NUL; NULL after the last. */
static char *take_label(row_reader *r) {
    char *line = r->next_label;
    while (line && (*line == '\n' || *line == '\r'))
        line++;
    if (!line || !*line) return NULL;
    size_t length = strcspn(line, "\r\n");
    r->next_label = line + length + (line[length] != 0);
    line[length] = 0;
    return line;
}

static pare_status make_room(pare_task_file *file) {
    if (file->count < file->room) return PARE_OK;
    if (file->room > UINT32_MAX / 2) return pare_fail(PARE_UNSUPPORTED, "%s has too many rows", file->path);
    uint32_t room = file->room ? 2 * file->room : 256;
    pare_task_document *documents;
    PARE_TRY(pare_alloc(&documents, room, sizeof *documents, "the tasks' documents"));
    if (file->count) memcpy(documents, file->documents, file->count * sizeof *documents);
    pare_free(file->documents);
    file->documents = documents;
    file->room = room;
    return PARE_OK;
}

static pare_status read_row(void *context, const pare_json_row *row) {
    row_reader *r = context;
    pare_task_file *file = r->file;
    const char *label = take_label(r);
    PARE_TRY(make_room(file));
    if (!json_is_object(row->value))
        return pare_fail(PARE_FORMAT_ERROR, "%s, %s %zu is no object", row->path, row->unit, row->number);
    if (r->labels && !label)
        return pare_fail(PARE_FORMAT_ERROR, "%s, %s %zu has no line in the file of labels beside it", row->path,
                         row->unit, row->number);
    pare_task_document *document = &file->documents[file->count];
    document->number = file->count++;
    return file->task->read(row, label, document);
}

/* dev.jsonl, dev.jsonl.gz: dev-labels.lst */
static pare_status read_labels(const char *path, char **text) {
    const char *slash = strrchr(path, '/'), *ending = strchr(slash ? slash : path, '.');
    int stem = ending ? (int)(ending - path) : (int)strlen(path);
    char *labels = pare_format("%.*s-labels.lst", stem, path);
    pare_status status = pare_file_exists(labels) ? pare_file_read(labels, LARGEST_LABELS, text, NULL) : PARE_OK;
    free(labels);
    return status;
}

/* No row may be skipped: an accuracy over fewer questions would be another number. */
static pare_status read_text(row_reader *r, const pare_text_file *text) {
    pare_task_file *file = r->file;
    pare_digest *digest;
    const pare_json_source source = {.path = file->path, .text = text->text, .bytes = text->bytes};
    PARE_TRY(pare_digest_new(&digest));
    pare_digest_add(digest, text->file.data, (size_t)text->file.bytes);
    pare_digest_finish(digest, file->digest);
    if (pare_json_form_of(source.path, source.text, source.bytes) == PARE_JSON_NONE)
        return pare_fail(PARE_FORMAT_ERROR, "%s is no file of a task: it has no rows of JSON", file->path);
    if (text->encoding.malformed)
        return pare_fail(PARE_FORMAT_ERROR, "%s is not UTF-8: the byte at offset %zu is 0x%02X; fetch it again",
                         file->path, text->encoding.first, text->encoding.first_byte);
    PARE_TRY(pare_json_rows_read(&source, read_row, r));
    if (!file->count) return pare_fail(PARE_FORMAT_ERROR, "%s has no rows", file->path);
    if (r->labels && take_label(r))
        return pare_fail(PARE_FORMAT_ERROR, "%s has %u rows, and the file of labels beside it more lines", file->path,
                         file->count);
    return PARE_OK;
}

static pare_status read_file(pare_task_file *file) {
    row_reader r = {.file = file};
    pare_text_file text;
    PARE_TRY(pare_text_file_open(file->path, &text));
    pare_status status = read_labels(file->path, &r.labels);
    r.next_label = r.labels;
    if (status == PARE_OK) status = read_text(&r, &text);
    pare_free(r.labels);
    pare_text_file_close(&text);
    return status;
}

/* Puts the documents that a limit leaves first, and frees the others. */
static pare_status take_some(pare_task_file *file, const pare_task_file_request *request) {
    file->rows = file->count;
    if (!request->limit || request->limit >= file->count) return PARE_OK;
    if (request->protocol == PARE_TASK_4D21AB6B) {
        uint32_t *order;
        pare_task_document *documents;
        PARE_TRY(pare_alloc(&order, file->count, sizeof *order, "the documents' order"));
        pare_status status = pare_alloc(&documents, file->count, sizeof *documents, "the tasks' documents");
        if (status == PARE_OK) {
            pare_python_shuffle(ORDER_SEED, order, file->count);
            for (uint32_t i = 0; i < file->count; i++)
                documents[i] = file->documents[order[i]];
            pare_free(file->documents);
            file->documents = documents;
            file->room = file->count;
        }
        pare_free(order);
        PARE_TRY(status);
    }
    while (file->count > request->limit)
        pare_task_document_free(&file->documents[--file->count]);
    return PARE_OK;
}

pare_status pare_task_file_open(const pare_task *task, const pare_task_file_request *request, pare_task_file *out) {
    *out = (pare_task_file){.task = task};
    pare_status status = pare_task_file_find(task, request->data, request->alone, &out->path);
    if (status == PARE_OK) status = read_file(out);
    if (status == PARE_OK) status = take_some(out, request);
    if (status != PARE_OK) pare_task_file_close(out);
    return status;
}

void pare_task_file_close(pare_task_file *file) {
    for (uint32_t i = 0; i < file->count; i++)
        pare_task_document_free(&file->documents[i]);
    pare_free(file->documents);
    free(file->path);
    *file = (pare_task_file){0};
}
