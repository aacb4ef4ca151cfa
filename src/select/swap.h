/* Exact 1-swaps on the Gram matrix (SparseSwaps, arXiv 2512.10922; spec 8.5). For a row w with error delta = what is
 * missing, the layer's squared error is delta G delta^T; taking kept p out and pruned r in changes it by
 *   2 w_p c_p + w_p^2 G_pp - 2 w_r c_r + w_r^2 G_rr - 2 w_p w_r G_pr,   c = G delta.
 * A swap is made only if that is below zero, so the error never grows.
 *
 * Swaps are made inside working sets of 64 columns, the best pair of a set first, until none of the set helps; then c
 * moves for the whole row. A set holds the 32 columns that cost least to take out and the 32 that cost least to put
 * back, each regarded alone. Once such a set gives nothing, a scan over all pairs takes its place: pairs are passed
 * over only where Cauchy-Schwarz with the largest correlation between a column and 32 neighbours proves that they
 * cannot help. A scan that finds nothing ends the row, so the end is exact. With a pattern, a set holds the best pair
 * of each of the 32 groups that gain most, and the row ends when no group has one. */
#ifndef PARE_SELECT_SWAP_H
#define PARE_SELECT_SWAP_H

#include "select/element_mask.h"

typedef struct pare_swap {
    int32_t cycles;   /* swaps per row at most; 0: until none helps */
    int64_t keep, of; /* swaps stay inside groups of `of` columns; of = 0: anywhere in the row */
} pare_swap;

typedef struct pare_swap_result {
    int64_t swaps, rows_done; /* rows where no swap lowers the error by more than 1e-9 (w_p^2 G_pp + w_r^2 G_rr) */
    double before, after;     /* squared error of the layer: sum of delta G delta^T */
} pare_swap_result;

/* weights: float [rows, columns] dense; gram: float [columns, columns] symmetric, positive semidefinite. mask: in and
 * out; any mask will do, each row or group keeps as many as it kept. The same mask and result for any number of
 * threads. PARE_NUMERIC_ERROR if weights or gram are not finite. */
pare_status pare_swap_refine(const float *weights, const float *gram, const pare_swap *options, pare_element_mask *mask,
                             pare_swap_result *result);

/* Bytes that pare_swap_refine holds at most, for any number of rows. */
uint64_t pare_swap_bytes(int64_t columns, int threads);

#endif
