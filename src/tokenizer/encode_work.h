/* What encoding keeps between stretches, whichever model the tokenizer has. */
#ifndef PARE_TOKENIZER_ENCODE_WORK_H
#define PARE_TOKENIZER_ENCODE_WORK_H

#include "tokenizer/bpe.h"
#include "tokenizer/unigram.h"

/* All zero before the first stretch. */
typedef struct pare_encode_work {
    pare_bpe_work bpe;
    pare_unigram_work unigram;
} pare_encode_work;

static inline void pare_encode_work_free(pare_encode_work *work) {
    pare_bpe_work_free(&work->bpe);
    pare_unigram_work_free(&work->unigram);
}

#endif
