/* From scores to a mask: which weights go. Exactly as many as asked, never one more; among equal scores the lower index
 * (row by row) goes first. Scores are finite and >= 0. */
#ifndef PARE_SELECT_ELEMENT_SELECT_H
#define PARE_SELECT_ELEMENT_SELECT_H

#include "select/element_mask.h"

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
} pare_element_target;

/* How many of n go: floor(n s), safe from rounding in n s (0.3 of 10 is 3). */
int64_t pare_element_count(int64_t n, double sparsity);
/* How many weights of a matrix of this shape go under the target (for PARE_COMPARE_CUMULATIVE and PARE_COMPARE_GLOBAL:
 * as PARE_COMPARE_MATRIX). */
int64_t pare_element_target_count(const pare_element_target *target, int64_t rows, int64_t columns);

/* scores: float [rows, columns]. All but PARE_COMPARE_GLOBAL. threads give the same mask. */
pare_status pare_element_select(const float *scores, const pare_element_target *target, pare_element_mask *mask);

/* Of `n` scores of one group into bits that are set where they stay: for callers that go through columns by themselves.
 * scores: element i at scores[i * step]. kept: one byte per element, 0 or 1. */
void pare_element_select_group(const float *scores, int64_t n, int64_t step, int64_t prune, uint8_t *kept);

/* One threshold over matrices that are never in memory together: show every matrix twice, in the same order, then once
 * more with pare_global_select. */
typedef struct pare_global_threshold {
    int64_t total, prune; /* set prune after pass 0: pare_global_threshold_pass does */
    int pass;             /* 0, 1; then 2: ready */
    uint64_t *histogram;  /* [65536] of the upper, then of the lower half of the scores' bits */
    uint32_t bits;        /* of the threshold */
    int64_t below;        /* scores under the threshold's upper half */
    int64_t ties;         /* scores equal to the threshold that go, the first ones; counted down by select */
} pare_global_threshold;

pare_status pare_global_threshold_new(pare_global_threshold *out);
void pare_global_threshold_free(pare_global_threshold *threshold);
void pare_global_threshold_see(pare_global_threshold *threshold, const float *scores, int64_t n);
/* Ends a pass. sparsity: counts at the end of pass 0. */
void pare_global_threshold_pass(pare_global_threshold *threshold, double sparsity);
void pare_global_select(pare_global_threshold *threshold, const float *scores, pare_element_mask *mask);

#endif
