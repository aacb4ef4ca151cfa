#include "tokenizer/merge.h"
#include "support/memory.h"

#include <string.h>

/* Up to this many symbols, looking through all pairs for each merge is faster than a heap. */
enum { SHORT_WORD = 40 };

/* A place in a long word: its neighbours; next is NO_PLACE at the end, and itself once merged into the one before. */
struct pare_merge_link {
    uint32_t previous, next;
};

struct pare_merge_candidate {
    uint64_t order; /* rank << 32 | place */
    uint32_t id;
};

#define NO_PLACE UINT32_MAX

static size_t merge_short(const pare_pair_table *pairs, uint32_t *symbols, size_t count) {
    uint32_t ranks[SHORT_WORD], ids[SHORT_WORD];
    for (size_t i = 0; i + 1 < count; i++) {
        const pare_pair *pair = pare_pair_table_find(pairs, symbols[i], symbols[i + 1]);
        ranks[i] = pair ? pair->rank : UINT32_MAX;
        ids[i] = pair ? pair->id : PARE_NO_ID;
    }
    while (count > 1) {
        size_t best = 0;
        for (size_t i = 1; i + 1 < count; i++)
            if (ranks[i] < ranks[best]) best = i;
        if (ids[best] == PARE_NO_ID) break;
        symbols[best] = ids[best];
        for (size_t i = best + 1; i + 1 < count; i++) {
            symbols[i] = symbols[i + 1];
            ranks[i - 1] = ranks[i];
            ids[i - 1] = ids[i];
        }
        count--;
        for (size_t i = best ? best - 1 : 0; i <= best && i + 1 < count; i++) {
            const pare_pair *pair = pare_pair_table_find(pairs, symbols[i], symbols[i + 1]);
            ranks[i] = pair ? pair->rank : UINT32_MAX;
            ids[i] = pair ? pair->id : PARE_NO_ID;
        }
    }
    return count;
}

static void sift_down(struct pare_merge_candidate *heap, size_t count, size_t at) {
    struct pare_merge_candidate moved = heap[at];
    for (size_t child; (child = 2 * at + 1) < count; at = child) {
        if (child + 1 < count && heap[child + 1].order < heap[child].order) child++;
        if (heap[child].order >= moved.order) break;
        heap[at] = heap[child];
    }
    heap[at] = moved;
}

static void sift_up(struct pare_merge_candidate *heap, size_t at) {
    struct pare_merge_candidate moved = heap[at];
    for (size_t parent; at && heap[parent = (at - 1) / 2].order > moved.order; at = parent)
        heap[at] = heap[parent];
    heap[at] = moved;
}

/* Appends the merge of `place` with the place after it, if there is one. Returns the new count. */
static size_t add_candidate(const pare_pair_table *pairs, pare_merge_work *work, const uint32_t *symbols,
                            uint32_t place, size_t count) {
    uint32_t next = work->links[place].next;
    if (next == NO_PLACE) return count;
    const pare_pair *pair = pare_pair_table_find(pairs, symbols[place], symbols[next]);
    if (!pair) return count;
    work->heap[count] = (struct pare_merge_candidate){(uint64_t)pair->rank << 32 | place, pair->id};
    return count + 1;
}

/* A candidate is stale if its place is gone or the pair there no longer makes the same symbol. */
static bool is_current(const pare_pair_table *pairs, const pare_merge_work *work, const uint32_t *symbols,
                       const struct pare_merge_candidate *candidate) {
    uint32_t place = (uint32_t)candidate->order, next = work->links[place].next;
    if (next == place || next == NO_PLACE) return false;
    const pare_pair *pair = pare_pair_table_find(pairs, symbols[place], symbols[next]);
    return pair && pair->id == candidate->id;
}

static void merge_long(const pare_pair_table *pairs, pare_merge_work *work, uint32_t *symbols, size_t *count) {
    struct pare_merge_link *links = work->links;
    size_t n = *count, candidates = 0, left = 0;
    for (size_t i = 0; i < n; i++)
        links[i] = (struct pare_merge_link){(uint32_t)i - 1, i + 1 < n ? (uint32_t)i + 1 : NO_PLACE};
    for (size_t i = 0; i < n; i++)
        candidates = add_candidate(pairs, work, symbols, (uint32_t)i, candidates);
    for (size_t i = candidates / 2; i-- > 0;)
        sift_down(work->heap, candidates, i);
    while (candidates) {
        struct pare_merge_candidate best = work->heap[0];
        work->heap[0] = work->heap[--candidates];
        if (candidates) sift_down(work->heap, candidates, 0);
        if (!is_current(pairs, work, symbols, &best)) continue;
        uint32_t place = (uint32_t)best.order, gone = links[place].next;
        symbols[place] = best.id;
        links[place].next = links[gone].next;
        if (links[gone].next != NO_PLACE) links[links[gone].next].previous = place;
        links[gone].next = gone;
        for (int side = 0; side < 2; side++) {
            uint32_t at = side ? place : links[place].previous;
            if (at == NO_PLACE) continue;
            size_t more = add_candidate(pairs, work, symbols, at, candidates);
            if (more != candidates) sift_up(work->heap, candidates);
            candidates = more;
        }
    }
    for (uint32_t at = 0; at != NO_PLACE; at = links[at].next)
        symbols[left++] = symbols[at];
    *count = left;
}

/* Each merge takes one place away and adds at most two candidates, after n - 1 at first: 2 n hold them all. */
static pare_status reserve(pare_merge_work *work, size_t count) {
    if (count <= work->room) return PARE_OK;
    pare_merge_work_free(work);
    count += count / 2;
    PARE_TRY(pare_alloc_uninitialized(&work->links, count, sizeof *work->links, "a long word"));
    PARE_TRY(pare_alloc_uninitialized(&work->heap, count * 2, sizeof *work->heap, "a long word"));
    work->room = count;
    return PARE_OK;
}

pare_status pare_merge_run(const pare_pair_table *pairs, pare_merge_work *work, uint32_t *symbols, size_t *count) {
    if (*count < 2) return PARE_OK;
    if (*count <= SHORT_WORD) {
        *count = merge_short(pairs, symbols, *count);
        return PARE_OK;
    }
    if (*count >= UINT32_MAX / 3)
        return pare_fail(PARE_UNSUPPORTED, "a text of %zu characters without a place to divide it; insert spaces",
                         *count);
    PARE_TRY(reserve(work, *count));
    merge_long(pairs, work, symbols, count);
    return PARE_OK;
}

void pare_merge_work_free(pare_merge_work *work) {
    pare_free(work->links);
    pare_free(work->heap);
    *work = (pare_merge_work){0};
}
