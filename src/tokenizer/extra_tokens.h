/* The tokens that the files beside a tokenizer add to it, as transformers adds them. With their ids stand
 *   added_tokens_decoder of tokenizer_config.json: {"32000": {"content": ..., "special": ..., "lstrip": ...}, ...}
 *   added_tokens.json, only where that is absent: {"<|im_end|>": 32000, ...}
 * Named without an id are the values of bos_token and its like, a string or {"content": ..., "lstrip": ...}, and those
 * of the lists additional_special_tokens and extra_special_tokens. */
#ifndef PARE_TOKENIZER_EXTRA_TOKENS_H
#define PARE_TOKENIZER_EXTRA_TOKENS_H

#include "support/status.h"

#include <jansson.h>

/* Lists of tokens as "added_tokens" of a tokenizer.json has them. */
typedef struct pare_extra_tokens {
    json_t *numbered; /* by rising ids, no id twice */
    json_t *named;    /* without "id", in the order in which they are given ids */
} pare_extra_tokens;

/* config: the settings of the files in `directory`; added: the object of added_tokens.json, or NULL. */
pare_status pare_extra_tokens_read(const char *directory, const json_t *config, const json_t *added,
                                   pare_extra_tokens *out);
void pare_extra_tokens_free(pare_extra_tokens *extra);

/* The text of a token that is a string or an object with its text under "content"; NULL for all else, and for "", as
 * some early LLaMA copies name their special tokens. */
const char *pare_token_text_of(const json_t *token);

/* The "added_tokens" list and the vocabulary {text: id} of the tokenizer `path`, which extra tokens are put into. */
typedef struct pare_token_lists {
    const char *path;
    json_t *added;
    const json_t *vocabulary;
    bool strict; /* an id that is not the one the token has, or will have, is refused, not corrected */
} pare_token_lists;

/* A token that the tokenizer has keeps its id, and takes the flags of a numbered one. Others are given the ids that
 * follow its last, first the numbered ones, then the named ones. */
pare_status pare_extra_tokens_join(const pare_extra_tokens *extra, const pare_token_lists *lists);

#endif
