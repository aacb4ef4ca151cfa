/* Outlier-weighed layerwise sparsity (OWL, arXiv 2310.05175): layers with more outliers lose less. */
#ifndef PARE_SELECT_OWL_H
#define PARE_SELECT_OWL_H

#include "support/status.h"

#include <stdint.h>

/* Adds up one layer's scores in two passes: first the mean over all its matrices, then what exceeds times that. */
typedef struct pare_outliers {
    double sum;
    int64_t count, beyond;
} pare_outliers;

void pare_outliers_sum(pare_outliers *layer, const float *scores, int64_t n);
void pare_outliers_count(pare_outliers *layer, double times, const float *scores, int64_t n);

/* out[layers]: sparsities with mean `sparsity` (of layers of equal size): D_b = share of outliers, r_b = (D_b - min) /
 * (max - min) 2 lambda, density_b = r_b - mean(r) + 1 - sparsity. All D equal: `sparsity` everywhere. Values outside
 * [0, 1] are clamped, and what that takes is spread over the others, so that the mean stays. */
void pare_owl_sparsities(const pare_outliers *layers, uint32_t count, double sparsity, double lambda, double *out);

#endif
