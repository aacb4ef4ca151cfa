/* From scores to a mask: which weights go. Exactly as many as asked, never one more; among equal scores the lower index
 * (row by row) goes first. Scores are finite and >= 0. */
#ifndef PARE_SELECT_ELEMENT_SELECT_H
#define PARE_SELECT_ELEMENT_SELECT_H

#include "select/element_mask.h"
#include "support/work.h"

/* Among which weights scores are compared. */
typedef enum pare_comparison {
    PARE_COMPARE_ROW,       /* of an output: floor(columns s) go in each */
    PARE_COMPARE_MATRIX,    /* of the matrix: floor(rows columns s) */
    PARE_COMPARE_SLAB,      /* of `slab` neighbouring columns, all rows: floor(rows width s) of each slab (SparseGPT) */
    PARE_COMPARE_GLOBAL,    /* of all matrices: floor(total s) */
    PARE_COMPARE_CUMULATIVE /* Wanda's variant: a row loses what adds up to the same share of its scores' sum, a share
                             * for the whole matrix (bisection) */
} pare_comparison;

typedef struct pare_element_target {
    double sparsity;  /* 0 .. 1; unused with a pattern */
    int64_t keep, of; /* KEEP `keep` of every `of` neighbouring columns; of = 0: none. A shorter group at the end keeps
                       * ceil(length keep / of) */
    pare_comparison compare;
    int64_t slab;
    bool inclusive; /* for parity with released code, in PARE_COMPARE_MATRIX and PARE_COMPARE_SLAB: everything goes up
                     * to the score of sorted index k, k being the count above, so one more than asked and all that
                     * equal it */
} pare_element_target;

/* How many of n go: floor(n s), safe from rounding in n s (0.3 of 10 is 3). */
int64_t pare_element_count(int64_t n, double sparsity);
/* How many weights of a matrix of this shape go under the target, unless that is inclusive (for PARE_COMPARE_CUMULATIVE
 * and PARE_COMPARE_GLOBAL: as PARE_COMPARE_MATRIX; PARE_COMPARE_CUMULATIVE comes as near as its bisection does, to
 * 0.001 of the matrix where scores differ). */
int64_t pare_element_target_count(const pare_element_target *target, int64_t rows, int64_t columns);

/* scores: float [rows, columns], rows one after another. All but PARE_COMPARE_GLOBAL. The same mask for any number of
 * threads. PARE_NUMERIC_ERROR, naming the row and column, if a score is NaN, infinite or negative; the mask is then
 * undefined. */
pare_status pare_element_select(const float *scores, const pare_element_target *target, pare_element_mask *mask);
/* What that has to do, about: comparisons differ little in it. */
pare_work pare_element_select_work(int64_t rows, int64_t columns);

/* Of the `n` scores of one group, `prune` go: for callers that go through columns by themselves. scores: element i at
 * scores[i * step]; finite and >= 0, or what goes is undefined. 0 <= prune <= n. kept: one byte per element, 1 where it
 * stays. */
void pare_element_select_group(const float *scores, int64_t n, int64_t step, int64_t prune, uint8_t *kept);
/* The same up to the score of sorted index `prune`, or the largest, itself included. */
void pare_element_select_until(const float *scores, int64_t n, int64_t prune, uint8_t *kept);

/* One threshold over matrices that are never in memory together: show every matrix twice, in the same order, with a
 * pass's end after each round, then once more with pare_global_select. */
typedef struct pare_global_threshold {
    int64_t total, prune; /* scores, and how many go: known after pass 0 */
    int pass;             /* 0, 1; then 2: ready */
    bool inclusive;       /* as in a target; set before pass 0 ends */
    int threads;          /* that count at the same time */
    uint64_t *histogram;  /* [threads][65536] of the upper, then of the lower half of the scores' bits */
    uint32_t bits;        /* of the threshold */
    int64_t below;        /* scores under the threshold's upper half */
    int64_t ties;         /* scores equal to the threshold that go, the first ones; counted down by select */
} pare_global_threshold;

pare_status pare_global_threshold_new(pare_global_threshold *out);
void pare_global_threshold_free(pare_global_threshold *threshold);
void pare_global_threshold_see(pare_global_threshold *threshold, const float *scores, int64_t n);
/* Ends a pass. sparsity: counts at the end of pass 0; then PARE_NUMERIC_ERROR if a score was NaN, infinite or negative.
 */
pare_status pare_global_threshold_pass(pare_global_threshold *threshold, double sparsity);
/* The next matrix's mask. */
void pare_global_select(pare_global_threshold *threshold, const float *scores, pare_element_mask *mask);

#endif
