#include "tokenizer/bpe.h"
#include "support/memory.h"

enum {
    CACHED_BYTES = 64,    /* longest part that is worth keeping */
    CACHED_PARTS = 65536, /* the cache is emptied when it holds so many */
    LONG_PART = 24        /* from here on a part may end anywhere that no merge crosses, not only before a space */
};

void pare_bpe_init(pare_bpe *bpe) {
    *bpe = (pare_bpe){.unknown = PARE_NO_ID, .loose_from = PARE_NO_ID};
    memset(bpe->bytes, 0xFF, sizeof bpe->bytes);
}

void pare_bpe_free(pare_bpe *bpe) {
    for (size_t page = 0; page < PARE_CODE_PAGES; page++)
        pare_free(bpe->pages[page]);
    pare_pair_table_free(&bpe->merges);
    pare_pair_table_free(&bpe->joins);
    pare_pair_table_free(&bpe->splits);
    pare_word_table_free(&bpe->whole);
    pare_id_list_free(&bpe->loose);
    pare_bpe_init(bpe);
}

pare_status pare_bpe_set_character(pare_bpe *bpe, uint32_t code, uint32_t symbol) {
    uint32_t **page = bpe->pages + code / PARE_CODE_PAGE;
    if (!*page) {
        PARE_TRY(pare_alloc_uninitialized(page, PARE_CODE_PAGE, sizeof **page, "the tokenizer's characters"));
        memset(*page, 0xFF, PARE_CODE_PAGE * sizeof **page);
    }
    (*page)[code % PARE_CODE_PAGE] = symbol;
    return PARE_OK;
}

/* Whether no merge can reach from the unit `left` to the unit `right` after it, and neither is an unknown one (which
 * may be fused with its neighbour, or left out so that its neighbours meet). */
static inline bool is_seam(const pare_bpe *bpe, uint32_t left, uint32_t right) {
    if (bpe->byte_level) {
        if (bpe->bytes[left] == PARE_NO_ID || bpe->bytes[right] == PARE_NO_ID) return false;
    } else if (!bpe->byte_fallback &&
               (pare_bpe_character(bpe, left) == PARE_NO_ID || pare_bpe_character(bpe, right) == PARE_NO_ID)) {
        return false;
    }
    return !pare_pair_table_find(&bpe->joins, left, right);
}

static size_t byte_part(const pare_bpe *bpe, const char *text, size_t bytes) {
    for (size_t at = LONG_PART; at < bytes; at++)
        if (is_seam(bpe, (unsigned char)text[at - 1], (unsigned char)text[at])) return at;
    return bytes;
}

/* Whether a word begins at text[at]: at a space mark, or behind a line end. Byte by byte, since it is asked of every
 * place of every text. */
static inline bool begins_word(const char *text, size_t bytes, size_t at) {
    static const char mark[] = "\xE2\x96\x81";
    if (text[at - 1] == '\n') return true;
    return text[at] == mark[0] && bytes - at >= 3 && text[at + 1] == mark[1] && text[at + 2] == mark[2];
}

/* Length of the first part of `text` that can be encoded by itself with the same result: it ends where a word begins if
 * it can, so that parts are words that come again and are found in the cache. */
static size_t character_part(const pare_bpe *bpe, const char *text, size_t bytes) {
    for (size_t at = 1; at < bytes; at++) {
        uint32_t previous, code;
        if (at < LONG_PART && !begins_word(text, bytes, at)) continue;
        if (!pare_utf8_decode(text + at, bytes - at, &code) || !pare_utf8_decode_last(text, at, &previous)) continue;
        if (is_seam(bpe, previous, code)) return at;
    }
    return bytes;
}

static pare_status add_unknown(const pare_bpe *bpe, pare_id_list *symbols, bool *pending) {
    if (bpe->unknown == PARE_NO_ID) return PARE_OK;
    if (*pending && !bpe->fuse_unknown) PARE_TRY(pare_id_list_add(symbols, bpe->unknown));
    *pending = true;
    return PARE_OK;
}

static pare_status add_known(const pare_bpe *bpe, pare_id_list *symbols, uint32_t symbol, bool *pending) {
    if (*pending) PARE_TRY(pare_id_list_add(symbols, bpe->unknown));
    *pending = false;
    return pare_id_list_add(symbols, symbol);
}

static pare_status add_bytes(const pare_bpe *bpe, pare_id_list *symbols, const char *text, size_t bytes) {
    for (size_t i = 0; i < bytes; i++)
        PARE_TRY(pare_id_list_add(symbols, bpe->bytes[(unsigned char)text[i]]));
    return PARE_OK;
}

/* The units' symbols, before any merge. */
static pare_status symbolise(const pare_bpe *bpe, const char *text, size_t bytes, pare_id_list *symbols) {
    bool pending = false;
    size_t length;
    PARE_TRY(pare_id_list_reserve(symbols, bytes));
    for (size_t at = 0; at < bytes; at += length) {
        uint32_t code, symbol;
        length = bpe->byte_level ? 1 : pare_utf8_decode(text + at, bytes - at, &code);
        if (!length) return pare_fail(PARE_BAD_ARGUMENT, "text to be encoded is not UTF-8");
        symbol = bpe->byte_level ? bpe->bytes[(unsigned char)text[at]] : pare_bpe_character(bpe, code);
        if (symbol != PARE_NO_ID)
            PARE_TRY(add_known(bpe, symbols, symbol, &pending));
        else if (bpe->byte_fallback)
            PARE_TRY(add_bytes(bpe, symbols, text + at, length));
        else
            PARE_TRY(add_unknown(bpe, symbols, &pending));
    }
    return pending ? pare_id_list_add(symbols, bpe->unknown) : PARE_OK;
}

/* Appends the id of a merged symbol, or of what stands for it in the output. */
static pare_status put_symbol(const pare_bpe *bpe, uint32_t symbol, pare_id_list *out) {
    for (;;) {
        const pare_pair *split = pare_pair_table_find(&bpe->splits, symbol, 0);
        if (!split) break;
        PARE_TRY(put_symbol(bpe, split->rank, out));
        symbol = split->id;
    }
    if (symbol < bpe->loose_from || symbol == bpe->unknown) return pare_id_list_add(out, symbol);
    char character[PARE_UTF8_MAX];
    size_t bytes = pare_utf8_encode(bpe->loose.ids[symbol - bpe->loose_from], character);
    if (bpe->byte_fallback) return add_bytes(bpe, out, character, bytes);
    return bpe->unknown == PARE_NO_ID ? PARE_OK : pare_id_list_add(out, bpe->unknown);
}

static pare_status encode_part(const pare_bpe *bpe, pare_bpe_work *work, const char *text, size_t bytes,
                               pare_id_list *out) {
    uint32_t hash = 0;
    if (bytes <= CACHED_BYTES) {
        hash = pare_word_hash(text, bytes);
        const pare_word *known = pare_word_table_find(&work->cache, hash, text, bytes);
        if (known && known->count == 1) return PARE_OK; /* and the list may have no ids yet */
        if (known) return pare_id_list_append(out, work->cache.ids.ids + known->ids, known->count - 1u);
    }
    size_t before = out->count;
    work->symbols.count = 0;
    PARE_TRY(symbolise(bpe, text, bytes, &work->symbols));
    PARE_TRY(pare_merge_run(&bpe->merges, &work->merge, work->symbols.ids, &work->symbols.count));
    if (bpe->splits.count || bpe->loose.count)
        for (size_t i = 0; i < work->symbols.count; i++)
            PARE_TRY(put_symbol(bpe, work->symbols.ids[i], out));
    else
        PARE_TRY(pare_id_list_append(out, work->symbols.ids, work->symbols.count));
    if (bytes > CACHED_BYTES) return PARE_OK;
    if (work->cache.count >= CACHED_PARTS) pare_word_table_clear(&work->cache);
    return pare_word_table_add(&work->cache, hash, text, bytes, out->ids + before, out->count - before);
}

pare_status pare_bpe_encode(const pare_bpe *bpe, pare_bpe_work *work, const char *text, size_t bytes,
                            pare_id_list *out) {
    if (bpe->whole.slots && bytes <= PARE_WORD_MAX) {
        const pare_word *word = pare_word_table_find(&bpe->whole, pare_word_hash(text, bytes), text, bytes);
        if (word) return pare_id_list_append(out, bpe->whole.ids.ids + word->ids, word->count - 1u);
    }
    for (size_t part; bytes; text += part, bytes -= part) {
        part = bpe->indivisible  ? bytes
               : bpe->byte_level ? byte_part(bpe, text, bytes)
                                 : character_part(bpe, text, bytes);
        PARE_TRY(encode_part(bpe, work, text, part, out));
    }
    return PARE_OK;
}

void pare_bpe_work_free(pare_bpe_work *work) {
    pare_word_table_free(&work->cache);
    pare_id_list_free(&work->symbols);
    pare_merge_work_free(&work->merge);
}
