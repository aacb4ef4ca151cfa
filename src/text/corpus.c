#include "text/corpus.h"
#include "support/digest.h"
#include "support/file.h"
#include "support/memory.h"
#include "text/corpus_internal.h"
#include "tokenizer/tokenizer.h"

#include <stdlib.h>

enum { DEFAULT_COUNT = 10, DEFAULT_LENGTH = 128, RANDOM_STREAM = 0x74657874 /* "text" */ };

void pare_windows_free(pare_windows *windows) {
    pare_free(windows->ids);
    free(windows->note);
    *windows = (pare_windows){0};
}

pare_status pare_windows_copy(const pare_windows *from, pare_windows *out) {
    size_t ids = (size_t)from->count * from->length;
    *out = (pare_windows){.count = from->count, .length = from->length, .chat = from->chat};
    PARE_TRY(pare_alloc_uninitialized(&out->ids, ids, sizeof *out->ids, "token ids"));
    if (ids) memcpy(out->ids, from->ids, ids * sizeof *out->ids);
    return PARE_OK;
}

pare_status pare_windows_digest(const pare_windows *windows, char text[65]) {
    pare_digest *digest;
    PARE_TRY(pare_digest_new(&digest));
    for (size_t i = 0; i < (size_t)windows->count * windows->length; i++) {
        uint32_t id = windows->ids[i];
        unsigned char bytes[4] = {(unsigned char)id, (unsigned char)(id >> 8), (unsigned char)(id >> 16),
                                  (unsigned char)(id >> 24)};
        pare_digest_add(digest, bytes, sizeof bytes);
    }
    pare_digest_finish(digest, text);
    return PARE_OK;
}

static pare_status check_ids(const pare_tokenizer *tokenizer, const pare_documents *documents) {
    if (!documents->has_ids && !tokenizer)
        return pare_fail(PARE_FORMAT_ERROR, "%s has text, and there is no tokenizer to read it with", documents->path);
    if (!documents->has_ids) return PARE_OK;
    return pare_corpus_check_ids(tokenizer, documents->path, documents->ids.ids, documents->ids.count);
}

/* The length that all lists of an id file have. */
static pare_status common_length(const pare_documents *documents, uint32_t *length) {
    size_t shortest = SIZE_MAX, longest = 0;
    for (size_t i = 0; i < documents->count; i++) {
        size_t n = documents->list[i].length;
        if (n < shortest) shortest = n;
        if (n > longest) longest = n;
    }
    if (shortest != longest)
        return pare_fail(PARE_FORMAT_ERROR, "%s has lists of %zu to %zu ids; choose a window with --length",
                         documents->path, shortest, longest);
    if (!longest || longest > UINT32_MAX)
        return pare_fail(PARE_FORMAT_ERROR, "%s has lists of %zu ids; give lists of at least 2", documents->path,
                         longest);
    *length = (uint32_t)longest;
    return PARE_OK;
}

static pare_status allocate(const char *path, size_t count, uint32_t length, pare_windows *out) {
    if (count > UINT32_MAX)
        return pare_fail(PARE_UNSUPPORTED, "%s gives %zu windows of %u tokens; limit their number", path, count,
                         length);
    *out = (pare_windows){.count = (uint32_t)count, .length = length};
    return pare_alloc(&out->ids, count * length, sizeof *out->ids, "token windows");
}

static pare_status sample(const pare_tokenizer *tokenizer, const pare_window_request *request,
                          const pare_documents *documents, pare_windows *out) {
    size_t usual = request->usual ? request->usual : DEFAULT_COUNT;
    size_t count = request->count ? request->count : documents->has_ids ? documents->count : usual;
    uint32_t length = request->length;
    PARE_TRY(check_ids(tokenizer, documents));
    if (!length && documents->has_ids)
        PARE_TRY(common_length(documents, &length));
    else if (!length)
        length = DEFAULT_LENGTH;
    PARE_TRY(allocate(documents->path, count, length, out));
    pare_draw draw = {tokenizer, documents, {.seed = request->seed, .stream = RANDOM_STREAM}, out};
    return request->stream && !documents->has_ids ? pare_draw_from_stream(&draw) : pare_draw_from_documents(&draw);
}

static char *note_of(const pare_window_request *request, const pare_documents *documents) {
    char *note = pare_documents_note(documents);
    if (!documents->rendered) return note;
    char *longer = pare_format("%s%s%s: chats are in the format %s (--wording changes it)", note ? note : "",
                               note ? "; " : "", request->path, pare_chat_style_name(request->style));
    free(note);
    return longer;
}

pare_status pare_windows_sample(const pare_tokenizer *tokenizer, const pare_window_request *request,
                                pare_windows *out) {
    pare_documents documents;
    *out = (pare_windows){0};
    const pare_documents_request read = {
        .path = request->path, .field = request->field, .style = request->style, .paragraphs = !request->stream};
    PARE_TRY(pare_documents_open(&read, &documents));
    pare_status status = sample(tokenizer, request, &documents, out);
    if (status == PARE_OK) out->note = note_of(request, &documents);
    if (status == PARE_OK && documents.rendered) out->chat = pare_chat_style_name(request->style);
    pare_documents_close(&documents);
    if (status != PARE_OK) pare_windows_free(out);
    return status;
}

static pare_status too_short(const pare_documents *documents, size_t tokens, uint32_t length) {
    return pare_fail(PARE_FORMAT_ERROR,
                     "%s has only %zu tokens, and a window takes %u; give a longer text or a smaller window",
                     documents->path, tokens, length);
}

/* Cuts the stream, or each list of ids, into windows. */
static pare_status cut(const pare_documents *documents, const uint32_t *ids, const pare_document *pieces, size_t count,
                       uint32_t length, uint32_t limit, pare_windows *out) {
    size_t windows = 0, longest = 0, filled = 0;
    for (size_t i = 0; i < count; i++) {
        windows += pieces[i].length / length;
        if (pieces[i].length > longest) longest = pieces[i].length;
    }
    if (!windows) return too_short(documents, longest, length);
    if (limit && windows > limit) windows = limit;
    PARE_TRY(allocate(documents->path, windows, length, out));
    for (size_t i = 0; i < count; i++) {
        size_t whole = pieces[i].length / length;
        if (whole > windows - filled) whole = windows - filled;
        if (whole) memcpy(out->ids + filled * length, ids + pieces[i].start, whole * length * sizeof *ids);
        filled += whole;
    }
    return PARE_OK;
}

static pare_status stream(const pare_tokenizer *tokenizer, const pare_documents *documents, uint32_t length,
                          uint32_t limit, pare_windows *out) {
    PARE_TRY(check_ids(tokenizer, documents));
    if (documents->has_ids)
        return cut(documents, documents->ids.ids, documents->list, documents->count, length, limit, out);
    pare_id_list ids = {0};
    pare_status status = pare_corpus_encode_prefix(tokenizer, documents, (uint64_t)limit * length, &ids);
    pare_document all = {0, ids.count};
    if (status == PARE_OK) status = cut(documents, ids.ids, &all, 1, length, limit, out);
    pare_id_list_free(&ids);
    return status;
}

pare_status pare_windows_stream(const pare_tokenizer *tokenizer, const char *path, const char *field, uint32_t length,
                                uint32_t limit, pare_windows *out) {
    pare_documents documents;
    *out = (pare_windows){0};
    PARE_TRY(pare_documents_open(&(pare_documents_request){.path = path, .field = field}, &documents));
    pare_status status = stream(tokenizer, &documents, length ? length : DEFAULT_LENGTH, limit, out);
    if (status == PARE_OK) out->note = pare_documents_note(&documents);
    pare_documents_close(&documents);
    if (status != PARE_OK) pare_windows_free(out);
    return status;
}
