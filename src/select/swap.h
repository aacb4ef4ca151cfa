/* Exact 1-swaps on the Gram matrix (SparseSwaps, arXiv 2512.10922; spec 8.5). For a row w with error delta = what is
 * missing, the layer's squared error is delta G delta^T; taking kept p out and pruned r in changes it by
 *   2 w_p c_p + w_p^2 G_pp - 2 w_r c_r + w_r^2 G_rr - 2 w_p w_r G_pr,   c = G delta.
 * A swap is made only if that is below zero, so the error never grows. */
#ifndef PARE_SELECT_SWAP_H
#define PARE_SELECT_SWAP_H

#include "select/element_mask.h"

typedef struct pare_swap {
    int32_t cycles;   /* swaps per row at most; 0: until none helps */
    int64_t keep, of; /* swaps stay inside groups of `of` columns; of = 0: anywhere in the row */
} pare_swap;

typedef struct pare_swap_result {
    int64_t swaps, rows_done; /* rows where no swap helps any more */
    double before, after;     /* squared error of the layer: sum of delta G delta^T */
} pare_swap_result;

/* weights: float [rows, columns] dense; gram: float [columns, columns] symmetric. mask: in and out. The same mask for
 * any number of threads. */
pare_status pare_swap_refine(const float *weights, const float *gram, const pare_swap *options, pare_element_mask *mask,
                             pare_swap_result *result);

#endif
