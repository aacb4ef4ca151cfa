#include "support/memory.h"
#include "support/order.h"
#include "text/corpus_internal.h"

#include <stdlib.h>

enum {
    WHOLE_TEXT = 8 << 20, /* up to this size a text is tokenised as a whole */
    BYTES_PER_TOKEN = 8,
    NEAR_BYTES = 1024,
    MARGIN = 64
};

static pare_status too_short(const pare_draw *draw, size_t tokens) {
    return pare_fail(PARE_FORMAT_ERROR,
                     "%s has %zu tokens, and %u windows of %u are wanted; give a longer text, or lower --samples or "
                     "--length",
                     draw->documents->path, tokens, draw->windows->count, draw->windows->length);
}

/* Windows that do not overlap: what lies between them is divided at random. */
static pare_status draw_from_ids(pare_draw *draw, const pare_id_list *ids) {
    uint32_t count = draw->windows->count, length = draw->windows->length;
    uint64_t taken = (uint64_t)count * length, *gaps;
    if (ids->count < taken) return too_short(draw, ids->count);
    PARE_TRY(pare_alloc(&gaps, count, sizeof *gaps, "token windows"));
    for (uint32_t i = 0; i < count; i++)
        gaps[i] = pare_random_below(&draw->random, ids->count - taken + 1);
    qsort(gaps, count, sizeof *gaps, pare_ascending_uint64);
    for (uint32_t i = 0; i < count; i++)
        memcpy(draw->windows->ids + (size_t)i * length, ids->ids + gaps[i] + (size_t)i * length,
               (size_t)length * sizeof *ids->ids);
    pare_free(gaps);
    return PARE_OK;
}

/* A good place to begin at `at` or soon after: behind a line end, else a space, else the end of a character. */
static size_t begin_near(const char *text, size_t at, size_t end) {
    size_t near = end - at < NEAR_BYTES ? end - at : NEAR_BYTES;
    if (!at || !near) return at;
    const char *place = memchr(text + at - 1, '\n', near);
    if (!place) place = memchr(text + at - 1, ' ', near);
    if (place) return (size_t)(place - text) + 1;
    while (at < end && ((unsigned char)text[at] & 0xC0) == 0x80)
        at++;
    return at;
}

/* Encodes from `from` on until there are enough ids; a text that is cut may end in wrong ones, hence more than enough.
 */
static pare_status encode_from(const pare_draw *draw, size_t from, size_t end, pare_id_list *ids) {
    for (uint64_t bytes = (uint64_t)draw->windows->length * BYTES_PER_TOKEN + NEAR_BYTES;; bytes *= 2) {
        bool whole = bytes >= end - from;
        size_t taken = whole ? end - from : (size_t)bytes;
        ids->count = 0;
        PARE_TRY(pare_corpus_encode(draw->tokenizer, draw->documents->text + from, taken,
                                    from == 0 && !draw->documents->rendered, ids));
        if (whole && end == draw->documents->bytes) return pare_corpus_end(draw->tokenizer, draw->documents, ids);
        if (whole || ids->count >= (size_t)draw->windows->length + MARGIN) return PARE_OK;
    }
}

/* A window out of text[start .. end): from a random place on, or from its beginning where that leaves too little. */
static pare_status draw_from_part(pare_draw *draw, uint32_t index, size_t start, size_t end, pare_id_list *ids,
                                  bool *found) {
    const char *text = draw->documents->text;
    uint32_t length = draw->windows->length;
    size_t random = start + (size_t)pare_random_below(&draw->random, end - start);
    PARE_TRY(encode_from(draw, begin_near(text, random, end), end, ids));
    if (ids->count < length) PARE_TRY(encode_from(draw, begin_near(text, start, end), end, ids));
    *found = ids->count >= length;
    if (*found) memcpy(draw->windows->ids + (size_t)index * length, ids->ids, (size_t)length * sizeof *ids->ids);
    return PARE_OK;
}

/* *found: whether every part of the text gave a window. */
static pare_status draw_from_parts(pare_draw *draw, bool *found) {
    size_t bytes = draw->documents->bytes, count = draw->windows->count;
    pare_id_list ids = {0};
    pare_status status = PARE_OK;
    *found = true;
    for (size_t i = 0; status == PARE_OK && *found && i < count; i++) {
        size_t start = bytes / count * i, end = i + 1 < count ? bytes / count * (i + 1) : bytes;
        status = draw_from_part(draw, (uint32_t)i, start, end, &ids, found);
    }
    pare_id_list_free(&ids);
    return status;
}

pare_status pare_draw_from_stream(pare_draw *draw) {
    const pare_documents *documents = draw->documents;
    uint64_t wanted = (uint64_t)draw->windows->count * draw->windows->length;
    if (documents->bytes > WHOLE_TEXT && documents->bytes / (2 * BYTES_PER_TOKEN) > wanted) {
        bool found;
        PARE_TRY(draw_from_parts(draw, &found));
        if (found) return PARE_OK;
    }
    pare_id_list ids = {0};
    pare_status status =
        pare_corpus_encode(draw->tokenizer, documents->text, documents->bytes, !documents->rendered, &ids);
    if (status == PARE_OK) status = pare_corpus_end(draw->tokenizer, documents, &ids);
    if (status == PARE_OK) status = draw_from_ids(draw, &ids);
    pare_id_list_free(&ids);
    return status;
}
