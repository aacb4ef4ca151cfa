/* What the files beside a tokenizer say that it does not say itself: tokenizer_config.json, special_tokens_map.json and
 * those of extra_tokens.h. */
#ifndef PARE_TEXT_TOKENIZER_CONFIG_H
#define PARE_TEXT_TOKENIZER_CONFIG_H

#include "support/status.h"

#include <jansson.h>

typedef struct pare_tokenizer_config {
    char *bos, *eos; /* NULL: not named */
    bool has_add_bos, add_bos;
    bool prefix_once; /* "legacy": false; no space is put in front of what follows an added token */
    json_t *added;    /* a list as pare_extra_tokens_read makes it */
} pare_tokenizer_config;

/* All empty if the directory has no such files. Free with pare_tokenizer_config_free. */
pare_status pare_tokenizer_config_read(const char *directory, pare_tokenizer_config *out);
void pare_tokenizer_config_free(pare_tokenizer_config *config);

#endif
