/* The last step of every fit: where it left more error than the dense weights under the same mask leave, those are
 * taken. */
#ifndef PARE_REPAIR_KEEP_BETTER_H
#define PARE_REPAIR_KEEP_BETTER_H

#include "select/element_mask.h"
#include "support/blocks.h"

/* Errors tr(F D G D^T), D the difference to the dense weights. */
typedef struct pare_better {
    double before, after; /* of the dense weights under the mask, of the weights that are kept */
    int64_t rows;         /* that got the dense weights */
} pare_better;

/* F: of blocks, or diagonal. */
typedef struct pare_row_metric {
    const float *factor; /* lower triangles L of the blocks, L L^T = F: all rows are judged together; NULL: diagonal */
    pare_blocks blocks;
    const double *weight; /* [rows] the diagonal, NULL: ones; each row is judged by itself */
} pare_row_metric;

/* dense, weights: float [rows, columns]; weights are zero where the mask prunes. gram as in layer_error.h. scratch:
 * float [rows, columns]. */
pare_status pare_keep_better(const float *dense, const float *gram, const pare_row_metric *metric,
                             const pare_element_mask *mask, float *scratch, float *weights, pare_better *out);

#endif
