#include "support/memory.h"
#include "text/corpus_internal.h"

static void take_window(pare_draw *draw, uint32_t index, const uint32_t *ids, size_t count) {
    uint32_t length = draw->windows->length;
    size_t start = (size_t)pare_random_below(&draw->random, count - length + 1);
    memcpy(draw->windows->ids + (size_t)index * length, ids + start, (size_t)length * sizeof *ids);
}

/* Takes a window of the document if it is long enough. */
static pare_status try_document(pare_draw *draw, const pare_document *document, uint32_t index, pare_id_list *ids,
                                bool *taken) {
    const pare_documents *documents = draw->documents;
    uint32_t length = draw->windows->length;
    *taken = false;
    if (documents->has_ids) {
        *taken = document->length >= length;
        if (*taken) take_window(draw, index, documents->ids.ids + document->start, document->length);
        return PARE_OK;
    }
    if (document->length + 3 < length) return PARE_OK; /* the three: BOS, EOS, and a space that is put in front */
    ids->count = 0;
    PARE_TRY(pare_corpus_encode(draw->tokenizer, documents->text + document->start, document->length,
                                !documents->rendered, ids));
    PARE_TRY(pare_corpus_end(draw->tokenizer, documents, ids));
    *taken = ids->count >= length;
    if (*taken) take_window(draw, index, ids->ids, ids->count);
    return PARE_OK;
}

static pare_status too_few(const pare_draw *draw, uint32_t found) {
    const char *path = draw->documents->path;
    uint32_t count = draw->windows->count, length = draw->windows->length;
    size_t documents = draw->documents->count;
    if (draw->documents->has_ids)
        return pare_fail(PARE_FORMAT_ERROR,
                         "%s has %u lists of at least %u ids, and %u windows are wanted; lower --samples or --length",
                         path, found, length, count);
    if (!found)
        return pare_fail(PARE_FORMAT_ERROR,
                         "none of the %zu documents of %s has %u tokens; choose a shorter --length, or --calib-stream "
                         "for windows that go across documents",
                         documents, path, length);
    return pare_fail(PARE_FORMAT_ERROR,
                     "only %u of the %zu documents of %s have %u tokens, and %u samples are wanted; choose a shorter "
                     "--length, fewer --samples, or --calib-stream for windows that go across documents",
                     found, documents, path, length, count);
}

/* The indices of all documents; order[i..] are those that were not drawn yet. */
static pare_status all_indices(size_t count, size_t **order) {
    PARE_TRY(pare_alloc_uninitialized(order, count, sizeof **order, "the order of documents"));
    for (size_t i = 0; i < count; i++)
        (*order)[i] = i;
    return PARE_OK;
}

pare_status pare_draw_from_documents(pare_draw *draw) {
    const pare_documents *documents = draw->documents;
    bool in_order = documents->has_ids && draw->windows->count == documents->count;
    pare_id_list ids = {0};
    size_t *order;
    uint32_t found = 0;
    PARE_TRY(all_indices(documents->count, &order));
    pare_status status = PARE_OK;
    for (size_t i = 0; status == PARE_OK && found < draw->windows->count && i < documents->count; i++) {
        bool taken;
        size_t drawn = in_order ? i : i + (size_t)pare_random_below(&draw->random, documents->count - i);
        size_t index = order[drawn];
        order[drawn] = order[i];
        status = pare_interrupted();
        if (status == PARE_OK) status = try_document(draw, documents->list + index, found, &ids, &taken);
        if (status == PARE_OK) found += taken;
    }
    if (status == PARE_OK && found < draw->windows->count) status = too_few(draw, found);
    pare_id_list_free(&ids);
    pare_free(order);
    return status;
}
