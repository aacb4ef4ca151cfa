/* All tokens of a tokenizer, as GGUF files list them. */
#ifndef PARE_TOKENIZER_GGUF_TOKENS_H
#define PARE_TOKENIZER_GGUF_TOKENS_H

#include "tokenizer/gguf_vocabulary.h"

/* One token; type 0: no token has this id. */
typedef struct pare_gguf_piece {
    const char *text; /* [bytes] */
    uint64_t bytes;
    float score; /* SentencePiece: what has the highest is merged first */
    pare_gguf_token type;
} pare_gguf_piece;

typedef struct pare_gguf_pieces {
    pare_gguf_piece *list; /* [count], by id; texts are of what they were read from */
    uint64_t count;
} pare_gguf_pieces;

/* A tokenizer.json's, whose model is BPE: scores are by the order of merges. rows: of the embedding; tokens beyond are
 * left out. Free the list with pare_free. */
pare_status pare_gguf_pieces_of_json(const char *path, const json_t *json, uint64_t rows, pare_gguf_pieces *out);

struct pare_sentencepiece_model;
/* A tokenizer.model's, with the tokens `added` beside it ({"id", "content", "special"}). */
pare_status pare_gguf_pieces_of_model(const struct pare_sentencepiece_model *model, const json_t *added, uint64_t rows,
                                      pare_gguf_pieces *out);

#endif
