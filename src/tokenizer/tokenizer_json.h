/* Hugging Face's tokenizer.json with a BPE or Unigram model: added tokens, normalizer, pre-tokenizer, model, decoder.
 */
#ifndef PARE_TOKENIZER_TOKENIZER_JSON_H
#define PARE_TOKENIZER_TOKENIZER_JSON_H

#include "tokenizer/added_tokens.h"
#include "tokenizer/decode.h"
#include "tokenizer/encode_work.h"
#include "tokenizer/pretokenizer.h"

enum { PARE_FRONT_MAX = 8 }; /* most tokens that a template puts in front of a text */

typedef struct pare_tokenizer_json {
    pare_added_tokens added;
    pare_normalizer normalizer;
    pare_pretokenizer pretokenizer;
    bool is_unigram;
    pare_bpe bpe;                   /* where is_unigram is false */
    pare_unigram unigram;           /* where it is true */
    uint32_t size;                  /* one more than the highest id */
    uint32_t front[PARE_FRONT_MAX]; /* what the post-processor puts in front of every text */
    size_t front_count;
    int64_t template_eos; /* the id that it puts behind; -1: none */
    bool has_template;    /* the post-processor says what goes in front and behind */
} pare_tokenizer_json;

/* json: the whole parsed file `path`. Everything in it that would change ids is obeyed or refused in a sentence.
 * Truncation and padding are settings of a call, not of the model, and are left aside. */
pare_status pare_tokenizer_json_init(pare_tokenizer_json *out, const char *path, const json_t *json);
void pare_tokenizer_json_free(pare_tokenizer_json *tokenizer);

/* *out: {token: id} of the file's model, freed with json_decref; empty if it has none. */
pare_status pare_json_vocabulary(const json_t *json, json_t **out);

/* The id of a token by its text, from the model's vocabulary; -1 if there is none. */
int64_t pare_tokenizer_json_find(const pare_tokenizer_json *tokenizer, const json_t *vocabulary, const char *text);

/* Appends the ids of a text of any bytes; one that is not UTF-8 counts as U+FFFD. */
pare_status pare_tokenizer_json_encode(const pare_tokenizer_json *tokenizer, pare_encode_work *work, const char *text,
                                       size_t bytes, pare_id_list *out);

/* Parts of pare_tokenizer_json_init: the "model" (json_model.c, json_unigram.c) and the "decoder" (json_decoder.c). */
pare_status pare_json_model_read(const char *path, const json_t *model, bool byte_level, pare_bpe *out, uint32_t *size);
pare_status pare_json_unigram_read(const char *path, const json_t *model, pare_unigram *out);
pare_status pare_json_decoder_read(const pare_tokenizer_json *tokenizer, const char *path, const json_t *json,
                                   pare_decoder *out);

#endif
