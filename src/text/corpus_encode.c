/* From text to ids. */
#include "text/corpus_internal.h"
#include "tokenizer/tokenizer.h"

enum { PREFIX_BYTES_PER_TOKEN = 8, PREFIX_MARGIN = 4096 };

pare_status pare_corpus_encode(const pare_tokenizer *tokenizer, const char *text, size_t bytes, bool bos,
                               pare_id_list *out) {
    uint32_t *ids;
    const uint32_t *front;
    size_t count = bos ? pare_tokenizer_front(tokenizer, &front) : 0;
    if (count) PARE_TRY(pare_id_list_append(out, front, count));
    PARE_TRY(pare_tokenizer_encode(tokenizer, text, bytes, &ids, &count));
    pare_status status = pare_id_list_append(out, ids, count);
    pare_ids_free(ids);
    return status;
}

pare_status pare_corpus_end(const pare_tokenizer *tokenizer, const pare_documents *documents, pare_id_list *out) {
    int64_t behind = pare_tokenizer_behind(tokenizer);
    return behind >= 0 && !documents->rendered ? pare_id_list_add(out, (uint32_t)behind) : PARE_OK;
}

pare_status pare_corpus_check_ids(const pare_tokenizer *tokenizer, const char *path, const uint32_t *ids,
                                  size_t count) {
    for (size_t i = 0; tokenizer && i < count; i++)
        if (ids[i] >= pare_tokenizer_size(tokenizer))
            return pare_fail(PARE_FORMAT_ERROR,
                             "%s has the token id %u, and the model's vocabulary ends at %u; give ids of this model's "
                             "tokenizer",
                             path, ids[i], pare_tokenizer_size(tokenizer) - 1);
    return PARE_OK;
}

/* Encodes as much of the text as `wanted` tokens (0: all) need. What ends a part of a text can change the tokens just
 * before it, so that many more are made than are taken. */
pare_status pare_corpus_encode_prefix(const pare_tokenizer *tokenizer, const pare_documents *documents, uint64_t wanted,
                                      pare_id_list *out) {
    uint64_t bytes = wanted ? (wanted + PREFIX_MARGIN) * PREFIX_BYTES_PER_TOKEN : UINT64_MAX;
    for (;; bytes *= 2) {
        bool whole = bytes >= documents->bytes;
        size_t taken = whole ? documents->bytes : (size_t)bytes;
        while (!whole && taken < documents->bytes && documents->text[taken - 1] != '\n')
            taken++;
        out->count = 0;
        PARE_TRY(pare_corpus_encode(tokenizer, documents->text, taken, !documents->rendered, out));
        if (whole) return pare_corpus_end(tokenizer, documents, out);
        if (out->count >= wanted + PREFIX_MARGIN) return PARE_OK;
    }
}
