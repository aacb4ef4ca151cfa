/* The few things of a tokenizer_config.json that the tokenizer itself does not say. */
#ifndef PARE_TEXT_TOKENIZER_CONFIG_H
#define PARE_TEXT_TOKENIZER_CONFIG_H

#include "support/status.h"

typedef struct pare_tokenizer_config {
    char *bos, *eos; /* NULL: not named */
    bool has_add_bos, add_bos;
} pare_tokenizer_config;

/* All empty if the directory has no such file. Free with pare_tokenizer_config_free. */
pare_status pare_tokenizer_config_read(const char *directory, pare_tokenizer_config *out);
void pare_tokenizer_config_free(pare_tokenizer_config *config);

#endif
