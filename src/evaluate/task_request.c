#include "evaluate/task_request.h"
#include "evaluate/task_text.h"
#include "support/file.h"
#include "support/memory.h"
#include "tokenizer/tokenizer.h"

#include <stdlib.h>

typedef struct encoder {
    const pare_task_encoding *encoding;
    const pare_task_file *file;
    pare_task_requests *out;
} encoder;

/* Appends the ids of the text; with `bos` after what the tokenizer puts in front, unless they begin with it. */
static pare_status encode(const encoder *e, const char *text, bool bos, pare_id_list *out) {
    const pare_tokenizer *tokenizer = e->encoding->tokenizer;
    uint32_t *ids;
    size_t count;
    if (!text) return pare_whole();
    PARE_TRY(pare_tokenizer_encode(tokenizer, text, strlen(text), &ids, &count));
    const uint32_t *front;
    size_t before = bos ? pare_tokenizer_front(tokenizer, &front) : 0;
    pare_status status = PARE_OK;
    if (before && (count < before || memcmp(ids, front, before * sizeof *ids) != 0))
        status = pare_id_list_append(out, front, before);
    if (status == PARE_OK) status = pare_id_list_append(out, ids, count);
    pare_ids_free(ids);
    return status;
}

/* What stands for an empty context. */
static pare_status prefix_of(const encoder *e, uint32_t *id) {
    int64_t bos = pare_tokenizer_bos(e->encoding->tokenizer), eos = pare_tokenizer_eos(e->encoding->tokenizer);
    int64_t prefix = e->encoding->protocol == PARE_TASK_CURRENT && bos >= 0 ? bos : eos >= 0 ? eos : bos;
    *id = (uint32_t)prefix;
    if (prefix >= 0) return PARE_OK;
    return pare_fail(PARE_UNSUPPORTED,
                     "%s has a row without a context, and the tokenizer has neither BOS nor EOS to "
                     "stand for it",
                     e->file->path);
}

/* The continuation alone, with the white `space` that goes to it, behind `context`, which *scored does not count. An
 * empty context: its stand-in, which is the continuation's own first token if that is the same. */
static pare_status encode_apart(const encoder *e, const pare_id_list *context, const char *space,
                                const char *continuation, uint32_t *scored) {
    pare_id_list *ids = &e->out->ids;
    size_t start = ids->count, given = context->count;
    uint32_t prefix;
    PARE_TRY(pare_id_list_append(ids, context->ids, context->count));
    if (!given) {
        PARE_TRY(prefix_of(e, &prefix));
        PARE_TRY(pare_id_list_add(ids, prefix));
        given = 1;
    }
    char *spaced = pare_format("%s%s", space, continuation);
    pare_status status = encode(e, spaced, false, ids);
    free(spaced);
    PARE_TRY(status);
    size_t all = ids->count - start;
    bool twice = !context->count && e->encoding->protocol == PARE_TASK_CURRENT && all > 1 &&
                 ids->ids[start + 1] == ids->ids[start];
    if (twice) {
        memmove(ids->ids + start, ids->ids + start + 1, (all - 1) * sizeof *ids->ids);
        ids->count--;
        all--;
    }
    *scored = (uint32_t)(all - given);
    return PARE_OK;
}

/* Context and continuation as one text; the tokens beyond as many as `context` has are the continuation. */
static pare_status encode_together(const encoder *e, const pare_id_list *context, const char *text,
                                   const char *continuation, uint32_t *scored) {
    pare_id_list *ids = &e->out->ids, whole = {0};
    char *joined = pare_format("%s%s", text, continuation);
    pare_status status = encode(e, joined, pare_tokenizer_adds_bos(e->encoding->tokenizer), &whole);
    free(joined);
    size_t own = whole.count > context->count ? whole.count - context->count : 0;
    if (status == PARE_OK) status = pare_id_list_append(ids, context->ids, context->count);
    if (status == PARE_OK && own) status = pare_id_list_append(ids, whole.ids + context->count, own);
    pare_id_list_free(&whole);
    *scored = (uint32_t)own;
    return status;
}

/* The context's ids, without white space at its end where that goes to the continuation: a context of nothing else is
 * the BOS that the tokenizer adds, or has no ids. */
static pare_status encode_context(const encoder *e, const char *context, pare_id_list *out) {
    bool current = e->encoding->protocol == PARE_TASK_CURRENT;
    size_t bytes = strlen(context) - (current ? pare_text_trailing_space(context) : 0);
    out->count = 0;
    if (!*context) return PARE_OK;
    char *text = pare_format("%.*s", (int)bytes, context);
    pare_status status = encode(e, text, current && pare_tokenizer_adds_bos(e->encoding->tokenizer), out);
    free(text);
    return status;
}

static pare_status check_ids(const encoder *e, size_t start) {
    const pare_id_list *ids = &e->out->ids;
    for (size_t i = start; i < ids->count; i++)
        if (ids->ids[i] >= e->encoding->vocabulary)
            return pare_fail(PARE_FORMAT_ERROR, "the tokenizer gives the token %u, but the model knows %u tokens only",
                             ids->ids[i], e->encoding->vocabulary);
    return PARE_OK;
}

/* Keeps the last window + 1 of the ids from `start` on. */
static pare_status add_request(const encoder *e, const pare_task_document *document, size_t start, uint32_t scored) {
    pare_task_requests *out = e->out;
    size_t count = out->ids.count - start, most = (size_t)e->encoding->window + 1;
    PARE_TRY(check_ids(e, start));
    if (!scored)
        return pare_fail(PARE_FORMAT_ERROR, "%s, document %u: choice %u adds no token to its context; it has no text",
                         e->file->path, document->number, out->count - out->first[out->documents] + 1);
    if (count > most) {
        out->truncated++;
        start += count - most;
        count = most;
    }
    if (scored >= count) {
        out->cut++;
        scored = (uint32_t)count - 1;
    }
    out->list[out->count++] = (pare_task_request){start, (uint32_t)count, scored};
    return PARE_OK;
}

static pare_status encode_document(const encoder *e, const pare_task_document *document, pare_id_list *context) {
    for (uint32_t i = 0; i < document->count; i++) {
        const char *text = pare_task_context(document, i), *continuation = document->continuations[i];
        size_t start = e->out->ids.count;
        uint32_t scored;
        if (document->contexts[i]) PARE_TRY(encode_context(e, text, context));
        bool current = e->encoding->protocol == PARE_TASK_CURRENT;
        PARE_TRY(current && context->count ? encode_together(e, context, text, continuation, &scored)
                                           : encode_apart(e, context, current ? text : "", continuation, &scored));
        PARE_TRY(add_request(e, document, start, scored));
    }
    return PARE_OK;
}

static pare_status encode_all(const encoder *e, pare_id_list *context) {
    pare_task_requests *out = e->out;
    for (uint32_t i = 0; i < e->file->count; i++) {
        PARE_TRY(pare_interrupted());
        PARE_TRY(encode_document(e, &e->file->documents[i], context));
        out->first[++out->documents] = out->count;
    }
    return PARE_OK;
}

pare_status pare_task_requests_encode(const pare_task_encoding *encoding, const pare_task_file *file,
                                      pare_task_requests *out) {
    const encoder e = {encoding, file, out};
    pare_id_list context = {0};
    *out = (pare_task_requests){0};
    pare_status status =
        pare_alloc(&out->list, (size_t)file->count * PARE_TASK_CHOICES, sizeof *out->list, "the tasks' requests");
    if (status == PARE_OK) status = pare_alloc(&out->first, (size_t)file->count + 1, sizeof *out->first, "requests");
    if (status == PARE_OK) status = encode_all(&e, &context);
    pare_id_list_free(&context);
    if (status != PARE_OK) pare_task_requests_free(out);
    return status;
}

void pare_task_requests_free(pare_task_requests *requests) {
    pare_id_list_free(&requests->ids);
    pare_free(requests->list);
    pare_free(requests->first);
    *requests = (pare_task_requests){0};
}
