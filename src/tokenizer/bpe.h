/* Byte-pair encoding of one stretch of text, for both kinds of tokenizer: characters with byte fallback
 * (SentencePiece) and bytes (GPT-2). */
#ifndef PARE_TOKENIZER_BPE_H
#define PARE_TOKENIZER_BPE_H

#include "tokenizer/merge.h"
#include "tokenizer/unicode.h"
#include "tokenizer/word_table.h"

enum { PARE_CODE_PAGE = 256, PARE_CODE_PAGES = PARE_CODE_POINTS / PARE_CODE_PAGE };

/* A unit is what merging starts from: a byte of a byte-level tokenizer, otherwise a character. */
typedef struct pare_bpe {
    bool byte_level;
    bool byte_fallback; /* a character without a symbol becomes its bytes' ids, all 256 of which exist */
    bool fuse_unknown;  /* a run of unknown units becomes one unknown id */
    bool indivisible;   /* merges reach across anything: a stretch is never encoded in parts */
    uint32_t unknown;   /* PARE_NO_ID: units without a symbol are left out */
    uint32_t bytes[256];
    uint32_t *pages[PARE_CODE_PAGES]; /* symbols of characters; a NULL page has none */
    pare_pair_table merges;           /* of two symbols */
    pare_pair_table joins;            /* pairs of units that some merge has at its seam; id and rank do not matter */
    pare_pair_table splits;           /* (symbol, 0): symbols that are merged but not put out, split into (rank, id) */
    pare_word_table whole;            /* stretches that are one id whatever the merges say */
    uint32_t loose_from;              /* symbols from here on are characters without an id, loose.ids[symbol - this] */
    pare_id_list loose;
} pare_bpe;

/* All tables empty, no unknown id. */
void pare_bpe_init(pare_bpe *bpe);
void pare_bpe_free(pare_bpe *bpe);

pare_status pare_bpe_set_character(pare_bpe *bpe, uint32_t code, uint32_t symbol);
/* PARE_NO_ID if the character has no symbol. */
static inline uint32_t pare_bpe_character(const pare_bpe *bpe, uint32_t code) {
    const uint32_t *page = bpe->pages[code / PARE_CODE_PAGE];
    return page ? page[code % PARE_CODE_PAGE] : PARE_NO_ID;
}

/* What encoding keeps between stretches: a cache and working memory. All zero before the first. */
typedef struct pare_bpe_work {
    pare_word_table cache;
    pare_id_list symbols;
    pare_merge_work merge;
} pare_bpe_work;

/* Appends the ids of UTF-8 `text`. */
pare_status pare_bpe_encode(const pare_bpe *bpe, pare_bpe_work *work, const char *text, size_t bytes,
                            pare_id_list *out);
void pare_bpe_work_free(pare_bpe_work *work);

#endif
