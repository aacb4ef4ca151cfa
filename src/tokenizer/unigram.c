/* Viterbi's algorithm, over the bytes of a stretch: the best way to each place is the best way to some place before it
 * and one more piece; of equal ways the first found stays. Where no piece reaches over a place, all ways lead through
 * it, and what lies before it is put out at once: of a long text only some words are in memory. */
#include "tokenizer/unigram.h"
#include "support/memory.h"
#include "tokenizer/unicode.h"

enum {
    CACHED_BYTES = 64,    /* longest stretch that is worth keeping */
    CACHED_WORDS = 65536, /* the cache is emptied when it holds so many */
    SMALLEST_ROOM = 1024
};

static const float lowest_sum = -100000; /* of SentencePiece's scores */

/* The end of a piece on the best way here. */
typedef struct pare_unigram_node {
    double score;
    uint32_t length; /* of the piece, in bytes; 0: no way leads here */
    uint32_t id;
} node;

pare_status pare_unigram_init(pare_unigram *unigram, uint32_t count) {
    *unigram = (pare_unigram){.count = count, .nodes = 1, .unknown = PARE_NO_ID};
    memset(unigram->bytes, 0xFF, sizeof unigram->bytes);
    return pare_alloc(&unigram->scores, count, sizeof *unigram->scores, "the tokenizer's pieces");
}

void pare_unigram_free(pare_unigram *unigram) {
    pare_pair_table_free(&unigram->edges);
    pare_piece_trie_free(&unigram->trie);
    pare_free(unigram->scores);
    unigram->scores = NULL;
}

pare_status pare_unigram_add(pare_unigram *unigram, const char *piece, size_t bytes, uint32_t id, double score,
                             uint32_t *known) {
    uint32_t at = 0;
    *known = PARE_NO_ID;
    unigram->scores[id] = score;
    if (bytes > unigram->longest) unigram->longest = bytes;
    for (size_t i = 0; i < bytes; i++) {
        unsigned char byte = (unsigned char)piece[i];
        const pare_pair *edge = pare_pair_table_find(&unigram->edges, at, byte);
        pare_pair next = {at, byte, edge ? edge->rank : PARE_NO_ID, edge ? edge->id : unigram->nodes};
        if (!edge && unigram->nodes++ == PARE_NO_ID - 1)
            return pare_fail(PARE_UNSUPPORTED, "the tokenizer's pieces have more than 4 billion characters");
        if (i + 1 == bytes && (*known = next.rank) == PARE_NO_ID) next.rank = id;
        PARE_TRY(pare_pair_table_set(&unigram->edges, next));
        at = next.id;
    }
    return PARE_OK;
}

pare_status pare_unigram_finish(pare_unigram *unigram) {
    PARE_TRY(pare_piece_trie_build(&unigram->edges, unigram->nodes, &unigram->trie));
    pare_pair_table_free(&unigram->edges);
    return PARE_OK;
}

uint32_t pare_unigram_find(const pare_unigram *unigram, const char *piece, size_t bytes) {
    const pare_piece_unit *at = unigram->trie.units;
    for (size_t i = 0; at && i < bytes; i++)
        at = pare_piece_trie_step(&unigram->trie, at, (unsigned char)piece[i]);
    return at && bytes ? at->piece : PARE_NO_ID;
}

static pare_status reserve(pare_unigram_work *work, size_t count) {
    if (count <= work->room) return PARE_OK;
    size_t room = work->room ? work->room : SMALLEST_ROOM;
    node *nodes;
    while (room < count)
        room *= 2;
    PARE_TRY(pare_alloc(&nodes, room, sizeof *nodes, "the ways to divide a text"));
    if (work->room) memcpy(nodes, work->nodes, work->room * sizeof *nodes);
    pare_free(work->nodes);
    work->nodes = nodes;
    work->room = room;
    return PARE_OK;
}

/* A run of unknown characters. The tokenizers library looks its text up once more, where it finds the unknown piece
 * itself. */
static pare_status put_unknown(const pare_unigram *u, const char *text, size_t bytes, pare_id_list *out) {
    uint32_t id = u->sentencepiece ? PARE_NO_ID : pare_unigram_find(u, text, bytes);
    bool falls_back = u->byte_fallback && id == PARE_NO_ID;
    for (size_t i = 0; falls_back && i < bytes; i++)
        falls_back = u->bytes[(unsigned char)text[i]] != PARE_NO_ID;
    if (!falls_back) return pare_id_list_add(out, id == PARE_NO_ID ? u->unknown : id);
    for (size_t i = 0; i < bytes; i++)
        PARE_TRY(pare_id_list_add(out, u->bytes[(unsigned char)text[i]]));
    return PARE_OK;
}

/* Puts out the best way from nodes[0] to nodes[end], whose links are turned round first, and clears the nodes. */
static pare_status put_way(const pare_unigram *u, node *nodes, const char *text, size_t end, pare_id_list *out) {
    uint32_t length = nodes[end].length, id = nodes[end].id;
    for (size_t at = end; at;) {
        at -= length;
        uint32_t before = nodes[at].length, id_before = nodes[at].id;
        nodes[at].length = length;
        nodes[at].id = id;
        length = before;
        id = id_before;
    }
    size_t unknown = 0; /* bytes of the run of unknown characters that ends here */
    for (size_t at = 0; at < end; at += length) {
        length = nodes[at].length;
        if (nodes[at].id == u->unknown) {
            unknown += length;
            continue;
        }
        if (unknown) PARE_TRY(put_unknown(u, text + at - unknown, unknown, out));
        unknown = 0;
        PARE_TRY(pare_id_list_add(out, nodes[at].id));
    }
    if (unknown) PARE_TRY(put_unknown(u, text + end - unknown, unknown, out));
    memset(nodes, 0, (end + 1) * sizeof *nodes);
    return PARE_OK;
}

static inline void offer(const pare_unigram *u, node *target, double score, size_t length, uint32_t id) {
    if (u->sentencepiece) score = (double)(float)score;
    if (target->length && !(score > target->score)) return;
    *target = (node){score, (uint32_t)length, id};
}

static pare_status refuse_character(const char *text, size_t bytes) {
    uint32_t code;
    pare_utf8_decode(text, bytes, &code);
    return pare_fail(PARE_FORMAT_ERROR,
                     "the text has the character U+%04X, for which the tokenizer has neither a piece nor an unknown "
                     "piece (unk_id): take it out of the text, or name an unk_id",
                     code);
}

/* Extends the best way to `at`, a character of `width` bytes, by every piece that begins there. Returns how far the
 * longest of them reaches, and the character in any case. */
static pare_status extend(const pare_unigram *u, node *at, const char *text, size_t bytes, size_t width,
                          size_t *reach) {
    const pare_piece_unit *place = u->trie.units;
    bool single = false;
    *reach = width;
    for (size_t length = 1; length <= bytes; length++) {
        place = pare_piece_trie_step(&u->trie, place, (unsigned char)text[length - 1]);
        if (!place) break;
        if (place->piece == PARE_NO_ID) continue;
        offer(u, at + length, u->scores[place->piece] + at->score, length, place->piece);
        single |= length == width;
        if (length > *reach) *reach = length;
    }
    if (single) return PARE_OK;
    double score =
        u->sentencepiece ? (double)((float)u->unknown_score + (float)at->score) : u->unknown_score + at->score;
    if (u->unknown == PARE_NO_ID && (!at[width].length || score > at[width].score))
        return refuse_character(text, bytes);
    offer(u, at + width, score, width, u->unknown);
    return PARE_OK;
}

/* Takes the score of the way to `at` off all ways beyond, the farthest of which ends at at[reach], once it is so low
 * that single precision has little left for differences: SentencePiece does, and long texts are divided as short ones.
 */
static void rebase(node *at, size_t reach) {
    float score = (float)at->score;
    if (score >= lowest_sum) return;
    at->score = 0;
    for (size_t i = 1; i <= reach; i++)
        if (at[i].length) at[i].score = (double)((float)at[i].score - score);
}

static pare_status divide(const pare_unigram *u, pare_unigram_work *work, const char *text, size_t bytes,
                          pare_id_list *out) {
    size_t base = 0, reach = 0, width, far;
    for (size_t at = 0; at < bytes; at += width) {
        uint32_t code;
        width = pare_utf8_decode(text + at, bytes - at, &code);
        if (!width) return pare_fail(PARE_BAD_ARGUMENT, "text to be encoded is not UTF-8");
        if (at > base && reach == at && work->nodes[at - base].id != u->unknown) {
            double score = work->nodes[at - base].score;
            PARE_TRY(put_way(u, work->nodes, text + base, at - base, out));
            work->nodes[0].score = score;
            base = at;
        }
        PARE_TRY(reserve(work, at - base + (u->longest > width ? u->longest : width) + 1));
        if (u->sentencepiece) rebase(work->nodes + (at - base), reach > at ? reach - at : 0);
        PARE_TRY(extend(u, work->nodes + (at - base), text + at, bytes - at, width, &far));
        if (at + far > reach) reach = at + far;
    }
    return put_way(u, work->nodes, text + base, bytes - base, out);
}

pare_status pare_unigram_encode(const pare_unigram *u, pare_unigram_work *work, const char *text, size_t bytes,
                                pare_id_list *out) {
    bool cached = bytes <= CACHED_BYTES && !u->sentencepiece;
    size_t before = out->count;
    uint32_t hash = 0;
    if (!bytes) return PARE_OK;
    if (cached) {
        hash = pare_word_hash(text, bytes);
        const pare_word *known = pare_word_table_find(&work->cache, hash, text, bytes);
        if (known) return pare_id_list_append(out, work->cache.ids.ids + known->ids, known->count - 1u);
    }
    pare_status status = divide(u, work, text, bytes, out);
    if (status != PARE_OK && work->room) memset(work->nodes, 0, work->room * sizeof *work->nodes);
    if (status != PARE_OK || !cached) return status;
    if (work->cache.count >= CACHED_WORDS) pare_word_table_clear(&work->cache);
    return pare_word_table_add(&work->cache, hash, text, bytes, out->ids + before, out->count - before);
}

void pare_unigram_work_free(pare_unigram_work *work) {
    pare_word_table_free(&work->cache);
    pare_free(work->nodes);
    *work = (pare_unigram_work){0};
}
