/* Wanda's variant: with x the scores of a row and t their sum, those go that are at most v, the largest value with
 * sum(x < v) + v <= alpha t: the first of v's equals still fits into alpha t. alpha is the same for all rows, found by
 * bisection as published: from 0.4 in [0, 0.8], until the share that goes is within 0.001 or the bounds are. Beyond 0.8
 * it goes on to 1. v rises with alpha, so the rows' last values bound the next ones. */
#include "select/element_select_internal.h"
#include "support/memory.h"
#include "support/vectorize.h"

#include <math.h>

enum { LANES = 16 };

static const double first_alpha = 0.4, published_bound = 0.8, tolerance = 0.001;

typedef struct variant {
    const float *scores;
    int64_t rows, columns;
    double *total;               /* [rows] */
    uint32_t *low, *high, *next; /* [rows] bits of v at the bounds of alpha, and at alpha */
} variant;

/* Sum of the values below `bound`. */
PARE_VECTORIZE static double sum_below(const float *x, int64_t n, float bound) {
    double lanes[LANES] = {0};
    int64_t i = 0;
    for (; i + LANES <= n; i += LANES)
        for (int j = 0; j < LANES; j++)
            lanes[j] += (double)(x[i + j] < bound ? x[i + j] : 0.0f);
    for (; i < n; i++)
        lanes[0] += (double)(x[i] < bound ? x[i] : 0.0f);
    for (int width = LANES / 2; width > 0; width /= 2)
        for (int j = 0; j < width; j++)
            lanes[j] += lanes[j + width];
    return lanes[0];
}

/* Bits one above v's, between those given: what goes is below that. */
static uint32_t value_of(const float *x, int64_t n, double limit, uint32_t low, uint32_t high) {
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        float value = pare_float_of_bits(middle);
        if (sum_below(x, n, value) + (double)value <= limit)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static int64_t count_below(const float *x, int64_t n, float bound) {
    int64_t count = 0;
    for (int64_t i = 0; i < n; i++)
        count += x[i] < bound;
    return count;
}

/* The rows' values at alpha; returns the share of the matrix that goes. */
static double share_at(variant *v, double alpha) {
    int64_t gone = 0;
#pragma omp parallel for schedule(static) reduction(+ : gone) if (v->rows * v->columns > 65536)
    for (int64_t row = 0; row < v->rows; row++) {
        const float *x = v->scores + row * v->columns;
        v->next[row] = value_of(x, v->columns, alpha * v->total[row], v->low[row], v->high[row]);
        gone += count_below(x, v->columns, pare_float_of_bits(v->next[row]));
    }
    return (double)gone / (double)(v->rows * v->columns);
}

static void keep_bound(const variant *v, uint32_t *bound) {
    for (int64_t row = 0; row < v->rows; row++)
        bound[row] = v->next[row];
}

/* True if the published bounds end below what is asked; then they no longer bind. */
static bool widen(double share, double sparsity, double *high) {
    bool ends_below = share < sparsity && *high == published_bound;
    if (ends_below) *high = 1.0;
    return ends_below;
}

/* The values that `next` is left with are those of the last alpha. */
static void find_alpha(variant *v, double sparsity) {
    double low = 0.0, high = published_bound, alpha = first_alpha, share = share_at(v, alpha);
    while (fabs(share - sparsity) > tolerance && (high - low >= tolerance || widen(share, sparsity, &high))) {
        bool above = share > sparsity;
        *(above ? &high : &low) = alpha;
        keep_bound(v, above ? v->high : v->low);
        alpha = (low + high) / 2.0;
        share = share_at(v, alpha);
    }
}

static bool prepare(variant *v) {
    bool sound = true;
#pragma omp parallel for schedule(static) reduction(&& : sound) if (v->rows * v->columns > 65536)
    for (int64_t row = 0; row < v->rows; row++) {
        const float *x = v->scores + row * v->columns;
        sound = pare_scores_are_sound(x, v->columns) && sound;
        v->total[row] = sum_below(x, v->columns, INFINITY);
        v->high[row] = PARE_SCORE_BITS_END;
    }
    return sound;
}

static void write(const variant *v, pare_element_mask *mask) {
#pragma omp parallel for schedule(static) if (v->rows * v->columns > 65536)
    for (int64_t row = 0; row < v->rows; row++)
        pare_cut_write(v->scores + row * v->columns, v->columns, (pare_cut){pare_float_of_bits(v->next[row]), 0},
                       mask->word + row * mask->stride, 0);
}

static pare_status allocate(variant *v) {
    PARE_TRY(pare_alloc(&v->total, (size_t)v->rows, sizeof *v->total, "row sums"));
    PARE_TRY(pare_alloc(&v->low, (size_t)v->rows, sizeof *v->low, "row thresholds"));
    PARE_TRY(pare_alloc(&v->high, (size_t)v->rows, sizeof *v->high, "row thresholds"));
    return pare_alloc(&v->next, (size_t)v->rows, sizeof *v->next, "row thresholds");
}

pare_status pare_select_cumulative(const float *scores, double sparsity, pare_element_mask *mask) {
    variant v = {.scores = scores, .rows = mask->rows, .columns = mask->columns};
    pare_status status = allocate(&v);
    if (status == PARE_OK && !prepare(&v)) status = pare_scores_refuse(scores, mask->rows, mask->columns);
    if (status == PARE_OK) {
        if (sparsity > 0.0 && sparsity < 1.0)
            find_alpha(&v, sparsity);
        else
            for (int64_t row = 0; row < v.rows; row++)
                v.next[row] = sparsity > 0.0 ? PARE_SCORE_BITS_END : 0;
        write(&v, mask);
    }
    pare_free(v.total);
    pare_free(v.low);
    pare_free(v.high);
    pare_free(v.next);
    return status;
}
