/* SentencePiece as its own library applies it: normalisation, then merges in the order of their pieces' scores (BPE) or
 * the best division into pieces (Unigram). */
#ifndef PARE_TOKENIZER_SENTENCEPIECE_H
#define PARE_TOKENIZER_SENTENCEPIECE_H

#include "tokenizer/charsmap.h"
#include "tokenizer/decode.h"
#include "tokenizer/encode_work.h"
#include "tokenizer/prefix_trie.h"
#include "tokenizer/sentencepiece_model.h"

typedef struct pare_sentencepiece {
    bool is_unigram;
    pare_bpe bpe;         /* where is_unigram is false */
    pare_unigram unigram; /* where it is true */
    pare_charsmap charsmap;
    pare_prefix_trie user_defined; /* pieces that no rule of normalisation touches and no merge */
    bool has_user_defined;
    bool space_as_suffix, add_dummy_prefix, remove_extra_spaces, escape_spaces;
} pare_sentencepiece;

/* unigram: what encodes, made of the pieces of a model of type Unigram. */
pare_status pare_sentencepiece_unigram(const pare_sentencepiece_model *model, pare_unigram *out);

pare_status pare_sentencepiece_init(pare_sentencepiece *out, const pare_sentencepiece_model *model);
void pare_sentencepiece_free(pare_sentencepiece *sentencepiece);

/* The decoder that belongs to the model, with room for `size` ids, which are silent from the model's on. Free with
 * pare_decoder_free. */
pare_status pare_sentencepiece_decoder(const pare_sentencepiece_model *model, uint32_t size, pare_decoder *out);

/* Appends the ids of a text of any bytes; one that is not UTF-8 counts as U+FFFD. */
pare_status pare_sentencepiece_encode(const pare_sentencepiece *sentencepiece, pare_encode_work *work, const char *text,
                                      size_t bytes, pare_id_list *out);

#endif
