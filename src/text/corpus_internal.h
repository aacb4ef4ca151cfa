/* Shared by the two ways to draw calibration windows: corpus_documents.c and corpus_stream.c. */
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

/* Fill all windows. */
pare_status pare_draw_from_documents(pare_draw *draw);
pare_status pare_draw_from_stream(pare_draw *draw);

#endif
