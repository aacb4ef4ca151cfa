/* A tokenizer.model with the tokens that the files beside it add: what transformers calls a slow tokenizer. Text is
 * divided by the added tokens first, as a tokenizer.json made from the model would have it, and what lies between them
 * is encoded by the model. */
#ifndef PARE_TOKENIZER_SLOW_TOKENIZER_H
#define PARE_TOKENIZER_SLOW_TOKENIZER_H

#include "tokenizer/added_tokens.h"
#include "tokenizer/sentencepiece.h"
#include "tokenizer/tokenizer_config.h"

typedef struct pare_slow_tokenizer {
    pare_sentencepiece model;
    pare_added_tokens added; /* the model's control and unknown pieces, and those of other files */
    bool prefix_once;        /* only the first stretch of a text gets the space that the model puts in front */
} pare_slow_tokenizer;

/* decoder: of all ids, to be freed with pare_decoder_free. path: of the tokenizer.model. */
pare_status pare_slow_tokenizer_init(pare_slow_tokenizer *out, const pare_sentencepiece_model *model,
                                     const pare_tokenizer_config *config, pare_decoder *decoder);
void pare_slow_tokenizer_free(pare_slow_tokenizer *tokenizer);

/* The id of a token or piece; -1 if there is none. */
int64_t pare_slow_tokenizer_find(const pare_slow_tokenizer *tokenizer, const pare_sentencepiece_model *model,
                                 pare_span text);

/* Appends the ids of a text of any bytes. */
pare_status pare_slow_tokenizer_encode(const pare_slow_tokenizer *tokenizer, pare_encode_work *work, const char *text,
                                       size_t bytes, pare_id_list *out);

#endif
