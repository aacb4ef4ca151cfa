/* Which examples share a row of tokens: best-fit decreasing, the longest example first, each into the fullest row that
 * still has room for it. How full the rows become depends on the lengths of the examples alone, so that all orders of
 * the same examples make as many rows; which examples of a length go where does depend on their order. */
#include "support/memory.h"
#include "train/batches_internal.h"

#include <string.h>

enum { WORD_BITS = 64, LENGTH_UNIT = 8 };

void pare_rows_free(pare_rows *rows) {
    pare_free(rows->members);
    pare_free(rows->begin);
    pare_free(rows->lengths);
    *rows = (pare_rows){0};
}

pare_status pare_rows_new(size_t examples, pare_rows *out) {
    const char *what = "rows of examples";
    PARE_TRY(pare_alloc_uninitialized(&out->members, examples, sizeof *out->members, what));
    PARE_TRY(pare_alloc_uninitialized(&out->begin, examples + 1, sizeof *out->begin, what));
    return pare_alloc_uninitialized(&out->lengths, examples, sizeof *out->lengths, what);
}

void pare_packer_free(pare_packer *packer) {
    pare_free(packer->chosen);
    pare_free(packer->below);
    pare_free(packer->heads);
    pare_free(packer->capacities);
    *packer = (pare_packer){0};
}

pare_status pare_packer_new(size_t examples, uint32_t length, pare_packer *out) {
    const char *what = "packing of examples";
    size_t capacities = (size_t)length + 1;
    PARE_TRY(pare_alloc_uninitialized(&out->chosen, examples, sizeof *out->chosen, what));
    PARE_TRY(pare_alloc_uninitialized(&out->below, examples, sizeof *out->below, what));
    PARE_TRY(pare_alloc_uninitialized(&out->heads, capacities, sizeof *out->heads, what));
    return pare_alloc_uninitialized(&out->capacities, capacities / WORD_BITS + 1, sizeof *out->capacities, what);
}

/* Rows with room for `capacity` tokens are a stack: heads[capacity] is the last of them plus one, below[row] the one
 * below it; a bit of capacities is set where there are any. */
static void push(pare_packer *packer, uint32_t capacity, uint32_t row) {
    packer->below[row] = packer->heads[capacity];
    packer->heads[capacity] = row + 1;
    packer->capacities[capacity / WORD_BITS] |= UINT64_C(1) << capacity % WORD_BITS;
}

/* Takes the row with the least room that is enough for `needed` out of its stack, and leaves its room in *capacity;
 * false if there is none. */
static bool pop(pare_packer *packer, uint32_t needed, uint32_t length, uint32_t *capacity, uint32_t *row) {
    size_t word = needed / WORD_BITS;
    uint64_t bits = packer->capacities[word] & UINT64_MAX << needed % WORD_BITS;
    while (!bits && word < length / WORD_BITS)
        bits = packer->capacities[++word];
    if (!bits) return false;
    *capacity = (uint32_t)(word * WORD_BITS) + (uint32_t)__builtin_ctzll(bits);
    *row = packer->heads[*capacity] - 1;
    packer->heads[*capacity] = packer->below[*row];
    if (!packer->heads[*capacity]) packer->capacities[*capacity / WORD_BITS] &= ~(UINT64_C(1) << *capacity % WORD_BITS);
    return true;
}

/* Leaves in chosen the row of each of rows->members, which are sorted by length, and the rows' lengths. */
static void choose(pare_packer *packer, const uint32_t *lengths, uint32_t length, size_t examples, pare_rows *rows) {
    rows->count = 0;
    memset(packer->heads, 0, ((size_t)length + 1) * sizeof *packer->heads);
    memset(packer->capacities, 0, (((size_t)length + 1) / WORD_BITS + 1) * sizeof *packer->capacities);
    for (size_t i = 0; i < examples; i++) {
        uint32_t needed = lengths[rows->members[i]], capacity, row;
        if (!pop(packer, needed, length, &capacity, &row)) {
            capacity = length;
            row = (uint32_t)rows->count++;
            rows->lengths[row] = 0;
        }
        packer->chosen[i] = row;
        rows->lengths[row] += needed;
        push(packer, capacity - needed, row);
    }
}

/* Puts the members of a row side by side, the longest first. */
static void gather(pare_packer *packer, const pare_length_sort *sort, size_t examples, pare_rows *rows) {
    uint32_t *sorted = sort->items, *next = packer->below; /* free after choosing */
    memset(rows->begin, 0, (rows->count + 1) * sizeof *rows->begin);
    for (size_t i = 0; i < examples; i++)
        rows->begin[packer->chosen[i] + 1]++;
    for (size_t row = 0; row < rows->count; row++)
        rows->begin[row + 1] += rows->begin[row];
    memcpy(next, rows->begin, rows->count * sizeof *next);
    memcpy(sorted, rows->members, examples * sizeof *sorted);
    for (size_t i = 0; i < examples; i++)
        rows->members[next[packer->chosen[i]]++] = sorted[i];
}

void pare_rows_pack(pare_packer *packer, const pare_length_sort *sort, const uint32_t *lengths, uint32_t length,
                    size_t examples, pare_rows *rows) {
    pare_length_sort_run(sort, lengths, rows->members, examples);
    choose(packer, lengths, length, examples, rows);
    gather(packer, sort, examples, rows);
}

uint32_t pare_rows_round(uint32_t length, uint32_t most) {
    uint32_t rounded = (length + LENGTH_UNIT - 1) / LENGTH_UNIT * LENGTH_UNIT;
    return rounded < most ? rounded : most;
}

/* Tokens of the rows, padded to the longest. */
static uint64_t padded(const pare_rows *rows, uint32_t most) {
    uint32_t longest = 0;
    for (size_t row = 0; row < rows->count; row++)
        longest = rows->lengths[row] > longest ? rows->lengths[row] : longest;
    return (uint64_t)pare_rows_round(longest, most) * rows->count;
}

void pare_rows_fit(pare_packer *packer, const pare_length_sort *sort, const uint32_t *lengths, uint32_t most,
                   size_t examples, pare_rows *rows) {
    enum { LONGER = 4, CHOICES = 16 };
    pare_length_sort_run(sort, lengths, rows->members, examples);
    uint32_t shortest = pare_rows_round(lengths[rows->members[0]], most), longest = shortest + shortest / LONGER;
    if (longest > most) longest = most;
    uint32_t step = pare_rows_round((longest - shortest) / CHOICES + 1, UINT32_MAX), best = shortest;
    uint64_t least = UINT64_MAX;
    for (uint32_t length = shortest; length <= longest; length += step) {
        choose(packer, lengths, length, examples, rows);
        uint64_t tokens = padded(rows, most);
        if (tokens >= least) continue;
        least = tokens;
        best = length;
    }
    choose(packer, lengths, best, examples, rows);
    gather(packer, sort, examples, rows);
}
