/* Many words, of which the longest one that begins at a place of a text is wanted. */
#ifndef PARE_TOKENIZER_PREFIX_TRIE_H
#define PARE_TOKENIZER_PREFIX_TRIE_H

#include "support/status.h"

typedef struct pare_trie_node {
    uint32_t child, sibling; /* 0: none */
    int32_t value;           /* -1: no word ends here */
    unsigned char byte;
} pare_trie_node;

typedef struct pare_prefix_trie {
    pare_trie_node *nodes; /* nodes[0] is the root; NULL while empty */
    size_t count, room;
    uint32_t first[256]; /* the root's children by byte; 0: none */
} pare_prefix_trie;

/* Adds a word; empty words are ignored. value >= 0. */
pare_status pare_prefix_trie_add(pare_prefix_trie *trie, const char *word, size_t bytes, int32_t value);
/* Length of the longest word that `text` begins with, and its value; 0 if there is none. */
size_t pare_prefix_trie_match(const pare_prefix_trie *trie, const char *text, size_t bytes, int32_t *value);
/* The first place from `from` on where some word begins, `bytes` if there is none; its length and value. */
size_t pare_prefix_trie_search(const pare_prefix_trie *trie, const char *text, size_t bytes, size_t from,
                               size_t *length, int32_t *value);
void pare_prefix_trie_free(pare_prefix_trie *trie);

#endif
