/* A model's tokenizer as the metadata of a GGUF file. */
#ifndef PARE_TOKENIZER_GGUF_TOKENIZER_WRITE_H
#define PARE_TOKENIZER_GGUF_TOKENIZER_WRITE_H

#include "checkpoint/gguf_metadata.h"

/* Puts tokenizer.ggml.*: kind, tokens, scores or merges, how text is cut, which tokens go around it. folder: with the
 * tokenizer's files; rows: of the embedding. Where it has none: that there is none. Refused: Unigram and WordPiece, and
 * byte-level BPE that cuts text in a way that llama.cpp has no name for (gguf_pre.c). */
pare_status pare_gguf_put_tokenizer(pare_gguf_metadata *metadata, const char *folder, uint64_t rows);

#endif
