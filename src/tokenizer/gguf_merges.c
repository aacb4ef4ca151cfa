/* A SentencePiece model has scores where byte-level BPE has a list of merges. */
#include "support/json.h"
#include "support/memory.h"
#include "tokenizer/gguf_vocabulary.h"
#include "tokenizer/unicode.h"
#include "tokenizer/word_table.h"

#include <stdlib.h>
#include <string.h>

typedef struct merge {
    double score;
    uint32_t left, right;
    size_t order; /* among all, where scores are equal */
} merge;

typedef struct merging {
    const pare_gguf_vocabulary *vocabulary;
    pare_word_table ids; /* of pieces that merges make or use */
    merge *merges;
    size_t count, room;
} merging;

static bool is_merged(const pare_gguf_vocabulary *vocabulary, uint64_t id) {
    pare_gguf_token type = pare_gguf_token_type(vocabulary, id);
    uint64_t length = vocabulary->tokens[id].length;
    return length && length < PARE_WORD_MAX &&
           (type == PARE_GGUF_TOKEN_NORMAL || type == PARE_GGUF_TOKEN_USER_DEFINED || type == PARE_GGUF_TOKEN_UNUSED);
}

static pare_status enter(merging *m) {
    for (uint64_t id = 0; id < m->vocabulary->count; id++) {
        const pare_gguf_text *token = &m->vocabulary->tokens[id];
        uint32_t number = (uint32_t)id;
        if (!is_merged(m->vocabulary, id)) continue;
        PARE_TRY(pare_word_table_add(&m->ids, pare_word_hash(token->bytes, token->length), token->bytes, token->length,
                                     &number, 1));
    }
    return PARE_OK;
}

static bool find(const merging *m, const char *text, size_t bytes, uint32_t *id) {
    const pare_word *word = pare_word_table_find(&m->ids, pare_word_hash(text, bytes), text, bytes);
    if (word) *id = m->ids.ids.ids[word->ids];
    return word != NULL;
}

static pare_status grow(merging *m) {
    enum { FIRST_ROOM = 1 << 12 };
    if (m->count < m->room) return PARE_OK;
    merge *larger;
    size_t room = m->room ? m->room * 2 : FIRST_ROOM;
    PARE_TRY(pare_alloc_uninitialized(&larger, room, sizeof *larger, "merges"));
    if (m->count) memcpy(larger, m->merges, m->count * sizeof *larger);
    pare_free(m->merges);
    m->merges = larger;
    m->room = room;
    return PARE_OK;
}

static bool is_before(const merge *a, const merge *b) {
    return a->left != b->left ? a->left < b->left : a->right < b->right;
}

/* Every way to make the piece, ordered by the ids of its halves. */
static pare_status add_ways(merging *m, uint64_t id) {
    const pare_gguf_text *token = &m->vocabulary->tokens[id];
    double score = m->vocabulary->scores ? pare_gguf_real_at(m->vocabulary->scores, id) : -(double)id;
    size_t first = m->count, length;
    uint32_t code;
    for (size_t at = 0; at < token->length; at += length) {
        merge found = {.score = score == score ? score : 0};
        length = pare_utf8_decode(token->bytes + at, token->length - at, &code);
        if (!at || !find(m, token->bytes, at, &found.left) ||
            !find(m, token->bytes + at, token->length - at, &found.right))
            continue;
        PARE_TRY(grow(m));
        size_t place = m->count++;
        for (; place > first && is_before(&found, &m->merges[place - 1]); place--)
            m->merges[place] = m->merges[place - 1];
        m->merges[place] = found;
    }
    for (size_t i = first; i < m->count; i++)
        m->merges[i].order = i;
    return PARE_OK;
}

static int by_falling_score(const void *left, const void *right) {
    const merge *a = left, *b = right;
    if (a->score < b->score || a->score > b->score) return a->score < b->score ? 1 : -1;
    return (a->order > b->order) - (a->order < b->order);
}

pare_status pare_gguf_scored_merges_json(const pare_gguf_vocabulary *vocabulary, json_t **out) {
    merging m = {.vocabulary = vocabulary};
    *out = NULL;
    pare_status status = enter(&m);
    for (uint64_t id = 0; id < vocabulary->count && status == PARE_OK; id++)
        if (is_merged(vocabulary, id)) status = add_ways(&m, id);
    if (status == PARE_OK) {
        *out = json_array();
        if (m.count) qsort(m.merges, m.count, sizeof *m.merges, by_falling_score);
        for (size_t i = 0; i < m.count; i++)
            pare_json_append(*out, pare_json_list_of(pare_gguf_token_json(vocabulary, m.merges[i].left),
                                                     pare_gguf_token_json(vocabulary, m.merges[i].right)));
    }
    pare_word_table_free(&m.ids);
    pare_free(m.merges);
    return status;
}
