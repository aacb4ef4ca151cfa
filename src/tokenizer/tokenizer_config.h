/* What the files beside a tokenizer say that it does not say itself: tokenizer_config.json and, only where that has no
 * "added_tokens_decoder", special_tokens_map.json, whose keys then count before its own, and added_tokens.json. */
#ifndef PARE_TOKENIZER_TOKENIZER_CONFIG_H
#define PARE_TOKENIZER_TOKENIZER_CONFIG_H

#include "tokenizer/bpe_style.h"
#include "tokenizer/extra_tokens.h"

typedef struct pare_tokenizer_config {
    char *bos, *eos; /* NULL: not named */
    bool no_bos;     /* "bos_token": null */
    bool has_add_bos, add_bos, add_eos;
    bool prefix_once; /* "legacy": false; no space is put in front of what follows an added token */
    bool add_prefix_space;
    const pare_bpe_style *style; /* of vocab.json and merges.txt; NULL where they are not what is read */
    pare_extra_tokens extra;
} pare_tokenizer_config;

/* All empty if the directory has no such files. bare_bpe: the tokenizer is vocab.json and merges.txt, whose class is
 * found, and the special tokens that it has by itself. Free with pare_tokenizer_config_free. */
pare_status pare_tokenizer_config_read(const char *directory, bool bare_bpe, pare_tokenizer_config *out);
/* The same of a tokenizer_config.json alone that is read already; `directory` is where messages say that it lies. */
pare_status pare_tokenizer_config_take(const char *directory, const json_t *config, pare_tokenizer_config *out);
void pare_tokenizer_config_free(pare_tokenizer_config *config);

#endif
