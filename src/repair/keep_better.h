/* The last step of every fit: where it left more error than the dense weights under the same mask leave, those are
 * taken. */
#ifndef PARE_REPAIR_KEEP_BETTER_H
#define PARE_REPAIR_KEEP_BETTER_H

#include "select/element_mask.h"

/* Errors tr(F D G D^T), D the difference to the dense weights. */
typedef struct pare_better {
    double before, after; /* of the dense weights under the mask, of the weights that are kept */
    int64_t rows;         /* that got the dense weights */
} pare_better;

/* dense, weights: float [rows, columns]; weights are zero where the mask prunes. gram as in layer_error.h. factor:
 * float [rows, rows], its lower triangle L with L L^T = F: all rows are judged together. NULL: F is
 * diagonal, row_weight [rows] (NULL: ones), and each row is judged by itself. scratch: float [rows, columns]. */
pare_status pare_keep_better(const float *dense, const float *gram, const float *factor, const double *row_weight,
                             const pare_element_mask *mask, float *scratch, float *weights, pare_better *out);

#endif
