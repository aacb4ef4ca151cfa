/* The tokens that the files beside a tokenizer add to it: added_tokens_decoder of tokenizer_config.json, and where that
 * is absent added_tokens.json; special_tokens_map.json names tokens that tokenizer_config.json does not. */
#ifndef PARE_TEXT_EXTRA_TOKENS_H
#define PARE_TEXT_EXTRA_TOKENS_H

#include "support/status.h"

#include <jansson.h>

/* *out: a list as "added_tokens" of a tokenizer.json is, by rising ids; empty if there are none. To be released with
 * json_decref. */
pare_status pare_extra_tokens_read(const char *directory, json_t **out);

/* Appends to the list those of `extra` whose text it does not have; one whose id another text has there is refused.
 * path names the tokenizer. */
pare_status pare_extra_tokens_join(const char *path, json_t *list, const json_t *extra);

/* Gives a tokenizer.json those of `extra` whose text and id it does not have: in all else it is right by itself. */
pare_status pare_extra_tokens_complete(json_t *tokenizer, const json_t *extra);

#endif
