/* An open-addressing table from words (any bytes) to token ids: the vocabulary's whole words, and the cache of words
 * that were already encoded. */
#ifndef PARE_TOKENIZER_WORD_TABLE_H
#define PARE_TOKENIZER_WORD_TABLE_H

#include "tokenizer/buffer.h"

enum { PARE_WORD_MAX = UINT16_MAX - 1 }; /* most bytes, and most ids, of a word in a table */

typedef struct pare_word {
    uint32_t hash;
    uint32_t key, ids; /* where the word's bytes and ids begin */
    uint16_t bytes;    /* of the word */
    uint16_t count;    /* of its ids, plus one; 0 marks a free slot */
} pare_word;

typedef struct pare_word_table {
    pare_word *slots; /* NULL while empty */
    size_t mask, count;
    pare_buffer keys;
    pare_id_list ids;
} pare_word_table;

/* Reads the word in overlapping pieces; no byte outside it is touched. */
static inline uint32_t pare_word_hash(const char *word, size_t bytes) {
    const uint64_t factor = 0x9E3779B97F4A7C15u;
    uint64_t hash = bytes * factor, piece = 0;
    const char *end = word + bytes;
    for (; (size_t)(end - word) > sizeof piece; word += sizeof piece) {
        memcpy(&piece, word, sizeof piece);
        hash = (hash ^ piece) * factor;
        hash ^= hash >> 29;
    }
    size_t rest = (size_t)(end - word);
    uint32_t low = 0, high = 0;
    if (bytes >= sizeof piece) {
        memcpy(&piece, end - sizeof piece, sizeof piece);
    } else if (rest >= sizeof low) {
        memcpy(&low, word, sizeof low);
        memcpy(&high, end - sizeof high, sizeof high);
        piece = (uint64_t)high << 32 | low;
    } else if (rest) {
        piece = (uint64_t)(unsigned char)word[0] << 16 | (uint64_t)(unsigned char)word[rest / 2] << 8 |
                (unsigned char)end[-1];
    }
    hash = (hash ^ piece) * factor;
    return (uint32_t)(hash >> 32);
}

/* Words are short, and compared often: two overlapping pieces instead of a call. */
static inline bool pare_same_bytes(const char *left, const char *right, size_t bytes) {
    uint64_t a[2], b[2];
    if (bytes > sizeof a) return memcmp(left, right, bytes) == 0;
    if (bytes >= sizeof *a) {
        memcpy(a, left, sizeof *a);
        memcpy(b, right, sizeof *b);
        memcpy(a + 1, left + bytes - sizeof *a, sizeof *a);
        memcpy(b + 1, right + bytes - sizeof *b, sizeof *b);
        return a[0] == b[0] && a[1] == b[1];
    }
    while (bytes && left[bytes - 1] == right[bytes - 1])
        bytes--;
    return !bytes;
}

/* NULL if the word is not in the table. */
static inline const pare_word *pare_word_table_find(const pare_word_table *table, uint32_t hash, const char *word,
                                                    size_t bytes) {
    if (!table->slots) return NULL;
    for (size_t at = hash & table->mask;; at = (at + 1) & table->mask) {
        const pare_word *slot = table->slots + at;
        if (!slot->count) return NULL;
        if (slot->hash == hash && slot->bytes == bytes && pare_same_bytes(table->keys.data + slot->key, word, bytes))
            return slot;
    }
}

/* Adds a word that is not in the table; bytes and count at most PARE_WORD_MAX. Refuses more than 4 GiB of words. */
pare_status pare_word_table_add(pare_word_table *table, uint32_t hash, const char *word, size_t bytes,
                                const uint32_t *ids, size_t count);
/* Forgets all words, keeping the memory. */
void pare_word_table_clear(pare_word_table *table);
void pare_word_table_free(pare_word_table *table);

#endif
