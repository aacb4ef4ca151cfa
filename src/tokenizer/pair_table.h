/* An open-addressing table from a pair of 32-bit keys to a rank and an id: BPE merges, and sets of pairs. */
#ifndef PARE_TOKENIZER_PAIR_TABLE_H
#define PARE_TOKENIZER_PAIR_TABLE_H

#include "support/status.h"

#define PARE_NO_ID UINT32_MAX

typedef struct pare_pair {
    uint32_t left, right;
    uint32_t rank; /* lower goes first */
    uint32_t id;   /* what the pair becomes; PARE_NO_ID marks a free slot */
} pare_pair;

typedef struct pare_pair_table {
    pare_pair *slots; /* NULL while empty */
    size_t mask, count;
} pare_pair_table;

/* Adds the pair, or replaces what it stood for. id must not be PARE_NO_ID. */
pare_status pare_pair_table_set(pare_pair_table *table, pare_pair pair);
void pare_pair_table_free(pare_pair_table *table);

static inline size_t pare_pair_hash(uint32_t left, uint32_t right) {
    uint64_t key = ((uint64_t)left << 32 | right) * 0x9E3779B97F4A7C15u;
    return (size_t)(key ^ key >> 32);
}

/* NULL if the pair is not in the table. */
static inline const pare_pair *pare_pair_table_find(const pare_pair_table *table, uint32_t left, uint32_t right) {
    if (!table->slots) return NULL;
    for (size_t at = pare_pair_hash(left, right) & table->mask;; at = (at + 1) & table->mask) {
        const pare_pair *slot = table->slots + at;
        if (slot->id == PARE_NO_ID) return NULL;
        if (slot->left == left && slot->right == right) return slot;
    }
}

#endif
