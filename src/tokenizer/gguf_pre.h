/* The ways in which byte-level BPE tokenizers cut text before they merge, by the names that GGUF files give them. */
#ifndef PARE_TOKENIZER_GGUF_PRE_H
#define PARE_TOKENIZER_GGUF_PRE_H

#include "support/status.h"

enum { PARE_GGUF_PRE_NAMES = 12, PARE_GGUF_PRE_SPLITS = 4 };

typedef struct pare_gguf_pre {
    const char *names[PARE_GGUF_PRE_NAMES];   /* tokenizer.ggml.pre */
    const char *splits[PARE_GGUF_PRE_SPLITS]; /* expressions, one after the other */
    bool gpt2;                                /* then GPT-2's own */
    bool nfc;                                 /* text is composed first */
    bool whole_words;                         /* a word that is a token is one, whatever merges say */
    bool adds_bos;                            /* unless the file says otherwise */
} pare_gguf_pre;

/* NULL: no row has this name. */
const pare_gguf_pre *pare_gguf_pre_find(const char *name);
/* NULL behind the last. */
const pare_gguf_pre *pare_gguf_pre_at(size_t index);

#endif
