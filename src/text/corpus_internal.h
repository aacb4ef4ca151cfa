/* Shared by the two ways to draw calibration windows (corpus_documents.c, corpus_stream.c) and by training examples. */
#ifndef PARE_TEXT_CORPUS_INTERNAL_H
#define PARE_TEXT_CORPUS_INTERNAL_H

#include "support/random.h"
#include "text/corpus.h"
#include "text/documents.h"

typedef struct pare_draw {
    const pare_tokenizer *tokenizer;
    const pare_documents *documents;
    pare_random random;
    pare_windows *windows; /* ids allocated, filled from the front */
} pare_draw;

/* Appends the ids of a stretch of the text, with BOS in front if `bos` and the tokenizer adds one. */
pare_status pare_corpus_encode(const pare_tokenizer *tokenizer, const char *text, size_t bytes, bool bos,
                               pare_id_list *out);

/* Appends the token that the tokenizer puts behind every text, if it has one and the text is not a chat's. */
pare_status pare_corpus_end(const pare_tokenizer *tokenizer, const pare_documents *documents, pare_id_list *out);

/* Appends the ids of the documents' text from its beginning, with BOS as pare_corpus_encode: all of them and their end,
 * or, if `wanted` is not 0, that many and some more without tokenising the rest. */
pare_status pare_corpus_encode_prefix(const pare_tokenizer *tokenizer, const pare_documents *documents, uint64_t wanted,
                                      pare_id_list *out);

/* Fails, naming path and id, on an id that is beyond the tokenizer's vocabulary. tokenizer: NULL allows all. */
pare_status pare_corpus_check_ids(const pare_tokenizer *tokenizer, const char *path, const uint32_t *ids, size_t count);

/* Fill all windows. */
pare_status pare_draw_from_documents(pare_draw *draw);
pare_status pare_draw_from_stream(pare_draw *draw);

#endif
