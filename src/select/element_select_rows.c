/* The cut of one group by bisection on the bits of its scores: each step counts the scores up to a value, a loop over
 * memory that is near. About log2(n) + 5 steps if scores differ, 31 at most. */
#include "select/element_select_internal.h"
#include "support/vectorize.h"

enum { PIECE = 1 << 20, FEW = 16 };

typedef struct bounds {
    uint32_t low, high;
} bounds;

static inline __attribute__((always_inline)) int64_t count_until(const float *x, int64_t n, int64_t step, float value) {
    int64_t total = 0;
    for (int64_t first = 0; first < n; first += PIECE) {
        int64_t end = n - first < PIECE ? n : first + PIECE;
        uint32_t count = 0;
        for (int64_t i = first; i < end; i++)
            count += x[i * step] <= value;
        total += count;
    }
    return total;
}

static inline __attribute__((always_inline)) bounds bounds_of(const float *x, int64_t n, int64_t step) {
    bounds b = {UINT32_MAX, 0};
    for (int64_t i = 0; i < n; i++) {
        uint32_t bits = pare_score_bits(x[i * step]);
        b.low = bits < b.low ? bits : b.low;
        b.high = bits > b.high ? bits : b.high;
    }
    return b;
}

/* 0 < prune <= n. The scores below bits `low` are `below` < prune, those up to `high` at least `prune`. */
static inline __attribute__((always_inline)) pare_element_cut cut_of(const float *x, int64_t n, int64_t step,
                                                                     int64_t prune) {
    bounds b = bounds_of(x, n, step);
    int64_t below = 0;
    while (b.low < b.high) {
        uint32_t middle = b.low + (b.high - b.low) / 2;
        int64_t until = count_until(x, n, step, pare_float_of_bits(middle));
        if (until == prune) return (pare_element_cut){pare_float_of_bits(middle + 1), 0};
        if (until > prune) {
            b.high = middle;
        } else {
            b.low = middle + 1;
            below = until;
        }
    }
    return (pare_element_cut){pare_float_of_bits(b.low), prune - below};
}

PARE_VECTORIZE pare_element_cut pare_element_cut_of(const float *scores, int64_t n, int64_t prune) {
    return prune > 0 ? cut_of(scores, n, 1, prune) : (pare_element_cut){0.0f, 0};
}

pare_status pare_select_rows(const float *scores, double sparsity, pare_element_mask *mask) {
    int64_t columns = mask->columns, prune = pare_element_count(columns, sparsity);
    bool sound = true;
#pragma omp parallel for schedule(static) reduction(&& : sound) if (mask->rows * columns > 65536)
    for (int64_t row = 0; row < mask->rows; row++) {
        const float *x = scores + row * columns;
        sound = pare_scores_are_sound(x, columns) && sound;
        pare_element_cut cut = pare_element_cut_of(x, columns, sound ? prune : 0);
        pare_element_cut_write(x, columns, cut, mask->word + row * mask->stride, 0);
    }
    return sound ? PARE_OK : pare_scores_refuse(scores, mask->rows, columns);
}

/* By rank: of each, how many go before it. */
static void select_few(const float *scores, int64_t n, int64_t step, int64_t prune, uint8_t *kept) {
    float x[FEW];
    for (int64_t i = 0; i < n; i++)
        x[i] = scores[i * step];
    for (int64_t i = 0; i < n; i++) {
        int64_t rank = 0;
        for (int64_t j = 0; j < n; j++)
            rank += j < i ? x[j] <= x[i] : x[j] < x[i];
        kept[i] = rank >= prune;
    }
}

static void select_many(const float *scores, int64_t n, int64_t step, int64_t prune, uint8_t *kept) {
    pare_element_cut cut =
        step == 1 || prune <= 0 ? pare_element_cut_of(scores, n, prune) : cut_of(scores, n, step, prune);
    for (int64_t i = 0; i < n; i++) {
        bool tie = cut.ties > 0 && scores[i * step] == cut.at;
        cut.ties -= tie;
        kept[i] = scores[i * step] >= cut.at && !tie;
    }
}

void pare_element_select_group(const float *scores, int64_t n, int64_t step, int64_t prune, uint8_t *kept) {
    if (n <= FEW)
        select_few(scores, n, step, prune, kept);
    else
        select_many(scores, n, step, prune, kept);
}

void pare_element_select_until(const float *scores, int64_t n, int64_t prune, uint8_t *kept) {
    pare_element_cut cut = pare_element_cut_inclusive(pare_element_cut_of(scores, n, prune < n ? prune + 1 : n));
    for (int64_t i = 0; i < n; i++)
        kept[i] = scores[i] >= cut.at;
}
