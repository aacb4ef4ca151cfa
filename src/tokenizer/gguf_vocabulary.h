/* The tokens of a GGUF file, checked, and the members of a tokenizer.json that are made of them. */
#ifndef PARE_TOKENIZER_GGUF_VOCABULARY_H
#define PARE_TOKENIZER_GGUF_VOCABULARY_H

#include "checkpoint/gguf.h"

#include <jansson.h>

/* tokenizer.ggml.token_type */
typedef enum pare_gguf_token {
    PARE_GGUF_TOKEN_NORMAL = 1,
    PARE_GGUF_TOKEN_UNKNOWN,
    PARE_GGUF_TOKEN_CONTROL,
    PARE_GGUF_TOKEN_USER_DEFINED,
    PARE_GGUF_TOKEN_UNUSED,
    PARE_GGUF_TOKEN_BYTE
} pare_gguf_token;

typedef struct pare_gguf_vocabulary {
    const pare_gguf *file;
    const pare_gguf_text *tokens; /* [count] UTF-8 without NUL, none twice */
    uint64_t count;               /* without those behind the last real one that fill up the embedding ("[PAD7]") */
    const pare_gguf_entry *types, *scores; /* NULL: none */
} pare_gguf_vocabulary;

pare_status pare_gguf_vocabulary_read(const pare_gguf *file, pare_gguf_vocabulary *out);

pare_gguf_token pare_gguf_token_type(const pare_gguf_vocabulary *vocabulary, uint64_t id);

/* {token: id} of all tokens. Fails where one occurs twice, or is no text. */
pare_status pare_gguf_vocab_json(const pare_gguf_vocabulary *vocabulary, json_t **out);
/* The text of one that pare_gguf_vocab_json did not refuse. */
json_t *pare_gguf_token_json(const pare_gguf_vocabulary *vocabulary, uint64_t id);
/* added_tokens of tokenizer.json: control tokens, which are special, and those that users defined. */
json_t *pare_gguf_added_json(const pare_gguf_vocabulary *vocabulary);

/* merges of byte-level BPE: those of the file. */
pare_status pare_gguf_merges_json(const pare_gguf_vocabulary *vocabulary, json_t **out);
/* merges of SentencePiece BPE, which has scores instead: every way to make a piece out of two others, pieces of the
 * highest score first (as transformers converts such models). */
pare_status pare_gguf_scored_merges_json(const pare_gguf_vocabulary *vocabulary, json_t **out);

#endif
