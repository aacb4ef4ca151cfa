/* Units come in blocks of 256, so that whatever byte a base is XORed with stays in its block. The first block holds the
 * root alone, and is where a node without children points to. A node's children go where they fit first, among the last
 * blocks: nearly all nodes have one child, which fills what others leave. */
#include "tokenizer/piece_trie.h"
#include "support/memory.h"

#include <string.h>

enum { BLOCK = 256, LAST_BLOCKS = 8 };

#define FREE UINT32_MAX

typedef struct builder {
    pare_piece_trie *trie;
    size_t room;     /* of units */
    uint32_t *begin; /* [nodes + 1]: where a node's edges begin in `order` */
    const pare_pair **order;
    uint32_t *place;  /* [nodes]: a node's unit */
    uint32_t *vacant; /* free units of each block; room / BLOCK of them */
} builder;

static pare_status grow(builder *b) {
    pare_piece_trie *trie = b->trie;
    size_t room = b->room ? 2 * b->room : 64 * BLOCK;
    pare_piece_unit *units;
    uint32_t *vacant;
    if (room > UINT32_MAX / 2)
        return pare_fail(PARE_UNSUPPORTED, "the tokenizer's pieces fill 24 GiB; none is that large");
    PARE_TRY(pare_alloc_uninitialized(&vacant, room / BLOCK, sizeof *vacant, "the tokenizer's pieces"));
    pare_status status = pare_alloc_uninitialized(&units, room, sizeof *units, "the tokenizer's pieces");
    if (status == PARE_OK && trie->count) {
        memcpy(units, trie->units, trie->count * sizeof *units);
        memcpy(vacant, b->vacant, trie->count / BLOCK * sizeof *vacant);
    }
    if (status == PARE_OK) {
        pare_free(trie->units);
        trie->units = units;
        b->room = room;
    }
    pare_free(status == PARE_OK ? b->vacant : vacant);
    if (status == PARE_OK) b->vacant = vacant;
    return status;
}

static pare_status add_block(builder *b) {
    pare_piece_trie *trie = b->trie;
    if (trie->count == b->room) PARE_TRY(grow(b));
    for (size_t i = 0; i < BLOCK; i++)
        trie->units[trie->count + i] = (pare_piece_unit){0, FREE, PARE_NO_ID};
    b->vacant[trie->count / BLOCK] = BLOCK;
    trie->count += BLOCK;
    return PARE_OK;
}

/* Sorts the edges by the node that they leave. */
static void order_edges(builder *b, const pare_pair_table *edges, uint32_t nodes) {
    for (size_t i = 0; edges->slots && i <= edges->mask; i++)
        if (edges->slots[i].id != PARE_NO_ID) b->begin[edges->slots[i].left + 1]++;
    for (uint32_t node = 0; node < nodes; node++)
        b->begin[node + 1] += b->begin[node];
    for (size_t i = 0; edges->slots && i <= edges->mask; i++)
        if (edges->slots[i].id != PARE_NO_ID) b->order[b->begin[edges->slots[i].left]++] = edges->slots + i;
    memmove(b->begin + 1, b->begin, nodes * sizeof *b->begin);
    b->begin[0] = 0;
}

static bool fits(const builder *b, const pare_pair *const *edges, uint32_t count, uint32_t base) {
    for (uint32_t i = 0; i < count; i++)
        if (b->trie->units[base ^ edges[i]->right].from != FREE) return false;
    return true;
}

/* A base with which all edges lead to free units. */
static pare_status find_base(builder *b, const pare_pair *const *edges, uint32_t count, uint32_t *base) {
    size_t blocks = b->trie->count / BLOCK, block = blocks > LAST_BLOCKS ? blocks - LAST_BLOCKS : 1;
    for (; block < blocks; block++) {
        for (uint32_t i = 0; b->vacant[block] >= count && i < BLOCK; i++) {
            *base = (uint32_t)(block * BLOCK) + i;
            if (fits(b, edges, count, *base)) return PARE_OK;
        }
    }
    *base = (uint32_t)b->trie->count;
    return add_block(b);
}

static pare_status place_children(builder *b, uint32_t node) {
    const pare_pair *const *edges = b->order + b->begin[node];
    uint32_t count = b->begin[node + 1] - b->begin[node], base;
    if (!count) return PARE_OK;
    PARE_TRY(find_base(b, edges, count, &base));
    b->trie->units[b->place[node]].base = base;
    b->vacant[base / BLOCK] -= count;
    for (uint32_t i = 0; i < count; i++) {
        uint32_t at = base ^ edges[i]->right;
        b->trie->units[at] = (pare_piece_unit){0, b->place[node], edges[i]->rank};
        b->place[edges[i]->id] = at;
    }
    return PARE_OK;
}

static pare_status build(builder *b, const pare_pair_table *edges, uint32_t nodes) {
    PARE_TRY(pare_alloc(&b->begin, (size_t)nodes + 1, sizeof *b->begin, "the tokenizer's pieces"));
    PARE_TRY(pare_alloc(&b->place, nodes, sizeof *b->place, "the tokenizer's pieces"));
    PARE_TRY(pare_alloc(&b->order, edges->count, sizeof *b->order, "the tokenizer's pieces"));
    order_edges(b, edges, nodes);
    PARE_TRY(add_block(b));
    for (uint32_t node = 0; node < nodes; node++)
        PARE_TRY(place_children(b, node));
    return PARE_OK;
}

pare_status pare_piece_trie_build(const pare_pair_table *edges, uint32_t nodes, pare_piece_trie *out) {
    builder b = {.trie = out};
    *out = (pare_piece_trie){0};
    pare_status status = build(&b, edges, nodes);
    pare_free(b.begin);
    pare_free(b.place);
    pare_free((void *)b.order);
    pare_free(b.vacant);
    if (status != PARE_OK) pare_piece_trie_free(out);
    return status;
}

void pare_piece_trie_free(pare_piece_trie *trie) {
    pare_free(trie->units);
    *trie = (pare_piece_trie){0};
}
