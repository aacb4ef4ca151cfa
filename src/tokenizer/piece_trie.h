/* Many pieces, of which all that begin at a place of a text are wanted: a double array, in which a step along one byte
 * is one access. */
#ifndef PARE_TOKENIZER_PIECE_TRIE_H
#define PARE_TOKENIZER_PIECE_TRIE_H

#include "tokenizer/pair_table.h"

/* The step from unit `at` along `byte` leads to the unit units[at].base ^ byte, if that one's `from` is `at`. */
typedef struct pare_piece_unit {
    uint32_t base, from;
    uint32_t piece; /* that ends here; PARE_NO_ID: none */
} pare_piece_unit;

/* units[0] is the root. */
typedef struct pare_piece_trie {
    pare_piece_unit *units;
    size_t count;
} pare_piece_trie;

/* edges: (node, byte) leads to the node `id`, where the piece `rank` ends or none (PARE_NO_ID); node 0 is the root, the
 * others have the numbers below `nodes`, higher ones than what leads to them. */
pare_status pare_piece_trie_build(const pare_pair_table *edges, uint32_t nodes, pare_piece_trie *out);
void pare_piece_trie_free(pare_piece_trie *trie);

/* NULL where no piece goes on. */
static inline const pare_piece_unit *pare_piece_trie_step(const pare_piece_trie *trie, const pare_piece_unit *at,
                                                          unsigned char byte) {
    const pare_piece_unit *next = trie->units + (at->base ^ byte);
    return next->from == (uint32_t)(at - trie->units) ? next : NULL;
}

#endif
