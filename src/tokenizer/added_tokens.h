/* The "added_tokens" of a tokenizer.json: tokens that are found in a text before anything else is done to it. */
#ifndef PARE_TOKENIZER_ADDED_TOKENS_H
#define PARE_TOKENIZER_ADDED_TOKENS_H

#include "tokenizer/normalizer.h"
#include "tokenizer/prefix_trie.h"

typedef struct pare_added_token {
    char *text; /* NUL behind it; freed with pare_free */
    size_t bytes;
    char *found; /* what is looked for: the text, normalised where `normalized` is set; freed with pare_free */
    size_t found_bytes;
    uint32_t id;
    bool special;     /* has no text of its own when decoded */
    bool normalized;  /* is looked for in normalised text */
    bool left, right; /* takes the spaces before and after it */
    bool single_word; /* only where no word goes on before or after it */
} pare_added_token;

typedef struct pare_added_tokens {
    pare_added_token *tokens;
    size_t count;
    pare_prefix_trie raw, normalized;
} pare_added_tokens;

/* json: the file's "added_tokens", or NULL or null for none. */
pare_status pare_added_tokens_read(const char *path, const json_t *json, const pare_normalizer *normalizer,
                                   pare_added_tokens *out);
void pare_added_tokens_free(pare_added_tokens *added);

/* A stretch of a text that is one added token, or has none (token NULL). */
typedef struct pare_section {
    size_t start, end;
    const pare_added_token *token;
} pare_section;

/* Goes through a text section by section. Set the first four members, the rest zero. */
typedef struct pare_section_scan {
    const pare_added_tokens *added;
    const pare_prefix_trie *trie;
    const char *text; /* UTF-8 */
    size_t bytes;
    size_t done, from;
    pare_section found; /* a token that waits until the text before it has been given out */
} pare_section_scan;

/* False at the end of the text. */
bool pare_section_next(pare_section_scan *scan, pare_section *section);

#endif
