/* Wanda's variant: of a row's scores, sorted, those go that are at most the largest one whose cumulative sum is at most
 * alpha times the whole. alpha is the same for all rows, found by bisection as published: from 0.4 in [0, 0.8], until
 * the share that goes is within 0.001 of what is asked, or the bounds of each other. That visits multiples of 0.8 /
 * 2048 alone, so every row is sorted once to count what goes at each of them, and once more when alpha is known. Where
 * 0.8 is not enough, alpha may go up to 1. */
#include "select/element_select_internal.h"
#include "support/memory.h"
#include "support/vectorize.h"

#include <math.h>
#include <omp.h>
#include <string.h>

enum { PUBLISHED = 2048, UNITS = 2560, DIGIT = 11, DIGITS = 3, BINS = 1 << DIGIT };

static const double unit = 0.8 / (double)PUBLISHED, tolerance = 0.001;

typedef struct variant {
    const float *scores;
    pare_element_mask *mask;
    int threads;
    uint32_t *sorted; /* [threads][2][columns] bits of a row, and room to sort them */
    int64_t *gone;    /* [threads][UNITS + 1] weights that go at each alpha */
} variant;

/* One digit, least significant first; returns false, nothing moved, if it is the same in all. */
static bool sort_digit(const uint32_t *from, uint32_t *to, int64_t n, int shift) {
    uint32_t start[BINS] = {0}, total = 0;
    for (int64_t i = 0; i < n; i++)
        start[from[i] >> shift & (BINS - 1)]++;
    if (start[from[0] >> shift & (BINS - 1)] == (uint32_t)n) return false;
    for (int bin = 0; bin < BINS; bin++) {
        uint32_t count = start[bin];
        start[bin] = total;
        total += count;
    }
    for (int64_t i = 0; i < n; i++)
        to[start[from[i] >> shift & (BINS - 1)]++] = from[i];
    return true;
}

/* The bits of n > 0 scores in ascending order, in one half of room[2][n]. */
static const uint32_t *sort_row(const float *scores, int64_t n, uint32_t *room) {
    uint32_t *from = room, *to = room + n;
    for (int64_t i = 0; i < n; i++)
        from[i] = pare_score_bits(scores[i]);
    for (int digit = 0; digit < DIGITS; digit++)
        if (sort_digit(from, to, n, digit * DIGIT)) {
            uint32_t *filled = to;
            to = from;
            from = filled;
        }
    return from;
}

/* A walk along a sorted row: the first `count` scores, which together are `sum`. */
typedef struct walk {
    const uint32_t *sorted;
    int64_t n, count;
    double sum;
} walk;

static double sum_of(const uint32_t *sorted, int64_t n) {
    double sum = 0.0;
    for (int64_t i = 0; i < n; i++)
        sum += (double)pare_float_of_bits(sorted[i]);
    return sum;
}

/* On to the last score that fits into `limit`, and over those that equal it. */
static void walk_to(walk *w, double limit) {
    int64_t before = w->count;
    while (w->count < w->n) {
        double next = w->sum + (double)pare_float_of_bits(w->sorted[w->count]);
        if (next > limit && !(w->count > before && w->sorted[w->count] == w->sorted[w->count - 1])) return;
        w->sum = next;
        w->count++;
    }
}

/* Adds the row's weights that go at each alpha. */
static void count_row(const variant *v, int64_t row, uint32_t *room, int64_t *gone) {
    int64_t n = v->mask->columns;
    walk w = {.sorted = sort_row(v->scores + row * n, n, room), .n = n};
    double total = sum_of(w.sorted, n);
    for (int alpha = 0; alpha <= UNITS; alpha++) {
        walk_to(&w, alpha * unit * total);
        gone[alpha] += w.count;
    }
}

static void write_row(const variant *v, int64_t row, int alpha, uint32_t *room) {
    int64_t n = v->mask->columns;
    walk w = {.sorted = sort_row(v->scores + row * n, n, room), .n = n};
    walk_to(&w, alpha * unit * sum_of(w.sorted, n));
    uint32_t bits = w.count ? w.sorted[w.count - 1] + 1 : 0;
    pare_element_cut cut = {pare_float_of_bits(bits), 0};
    pare_element_cut_write(v->scores + row * n, n, cut, v->mask->word + row * v->mask->stride, 0);
}

/* True if every score is sound; then the first thread's counts are those of all. */
static bool count_all(variant *v) {
    int64_t columns = v->mask->columns;
    bool sound = true;
#pragma omp parallel for schedule(static) num_threads(v->threads) reduction(&& : sound)
    for (int64_t row = 0; row < v->mask->rows; row++) {
        size_t thread = (size_t)omp_get_thread_num();
        sound = pare_scores_are_sound(v->scores + row * columns, columns) && sound;
        count_row(v, row, v->sorted + thread * 2 * (size_t)columns, v->gone + thread * (UNITS + 1));
    }
    for (int thread = 1; thread < v->threads; thread++)
        for (int alpha = 0; alpha <= UNITS; alpha++)
            v->gone[alpha] += v->gone[(size_t)thread * (UNITS + 1) + (size_t)alpha];
    return sound;
}

static void write_all(const variant *v, int alpha) {
#pragma omp parallel for schedule(static) num_threads(v->threads)
    for (int64_t row = 0; row < v->mask->rows; row++)
        write_row(v, row, alpha, v->sorted + (size_t)omp_get_thread_num() * 2 * (size_t)v->mask->columns);
}

/* True if the published bounds end below what is asked; then they no longer bind. */
static bool widen(double share, double sparsity, int *high) {
    bool ends_below = share < sparsity && *high == PUBLISHED;
    if (ends_below) *high = UNITS;
    return ends_below;
}

static int find_alpha(const variant *v, double sparsity) {
    double all = (double)(v->mask->rows * v->mask->columns);
    int low = 0, high = PUBLISHED, alpha = PUBLISHED / 2;
    double share = (double)v->gone[alpha] / all;
    while (fabs(share - sparsity) > tolerance && ((high - low) * unit >= tolerance || widen(share, sparsity, &high))) {
        *(share > sparsity ? &high : &low) = alpha;
        alpha = (low + high) / 2;
        share = (double)v->gone[alpha] / all;
    }
    return alpha;
}

static pare_status select_variant(variant *v, double sparsity) {
    size_t threads = (size_t)v->threads;
    PARE_TRY(pare_alloc(&v->sorted, threads * 2 * (size_t)v->mask->columns, sizeof *v->sorted, "sorted scores"));
    PARE_TRY(pare_alloc(&v->gone, threads * (UNITS + 1), sizeof *v->gone, "counts"));
    if (!count_all(v)) return pare_scores_refuse(v->scores, v->mask->rows, v->mask->columns);
    write_all(v, find_alpha(v, sparsity));
    return PARE_OK;
}

pare_status pare_select_cumulative(const float *scores, double sparsity, pare_element_mask *mask) {
    bool large = mask->rows * mask->columns > 65536;
    variant v = {.scores = scores, .mask = mask, .threads = large ? omp_get_max_threads() : 1};
    if (sparsity == 0.0 || sparsity == 1.0) return pare_select_rows(scores, sparsity, mask);
    pare_status status = select_variant(&v, sparsity);
    pare_free(v.sorted);
    pare_free(v.gone);
    return status;
}
