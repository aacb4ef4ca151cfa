/* The Unigram model: of all ways to divide a stretch of text into pieces, the one whose scores add up highest. */
#ifndef PARE_TOKENIZER_UNIGRAM_H
#define PARE_TOKENIZER_UNIGRAM_H

#include "tokenizer/piece_trie.h"
#include "tokenizer/word_table.h"

typedef struct pare_unigram {
    pare_pair_table edges; /* of the trie while it grows, as pare_piece_trie_build has them */
    uint32_t nodes;
    pare_piece_trie trie; /* of the finished model */
    size_t longest;       /* bytes of the longest piece */
    double *scores;       /* [count], by id */
    uint32_t count;
    uint32_t unknown; /* of characters without a piece; PARE_NO_ID: they are refused */
    double unknown_score;
    bool byte_fallback; /* unknown characters become the ids of their bytes, where all of them have one */
    uint32_t bytes[256];
    bool sentencepiece; /* sums rounded to single precision, as that library does; false: the tokenizers library */
} pare_unigram;

/* No pieces yet, room for the scores of `count`. Free with pare_unigram_free. */
pare_status pare_unigram_init(pare_unigram *unigram, uint32_t count);
/* *known: the id that already has this text, which is then left as it is; PARE_NO_ID: none. */
pare_status pare_unigram_add(pare_unigram *unigram, const char *piece, size_t bytes, uint32_t id, double score,
                             uint32_t *known);
/* After the last piece, before what follows. */
pare_status pare_unigram_finish(pare_unigram *unigram);
void pare_unigram_free(pare_unigram *unigram);

/* The id of a piece; PARE_NO_ID if there is none. */
uint32_t pare_unigram_find(const pare_unigram *unigram, const char *piece, size_t bytes);

/* What encoding keeps between stretches. All zero before the first; free with pare_unigram_work_free. */
typedef struct pare_unigram_work {
    pare_word_table cache;
    struct pare_unigram_node *nodes;
    size_t room;
} pare_unigram_work;

/* Appends the ids of UTF-8 `text`; time in proportion to its bytes and the longest piece. A run of unknown characters
 * is one unknown id. */
pare_status pare_unigram_encode(const pare_unigram *unigram, pare_unigram_work *work, const char *text, size_t bytes,
                                pare_id_list *out);
void pare_unigram_work_free(pare_unigram_work *work);

#endif
