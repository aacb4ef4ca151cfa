/* How many weights each matrix loses, by what a weight costs: the cheapest weights of all matrices go, but no matrix
 * loses much more or less than the mean. */
#ifndef PARE_SELECT_ELEMENT_SHARES_H
#define PARE_SELECT_ELEMENT_SHARES_H

#include "support/status.h"

#include <stdint.h>

enum { PARE_COST_BINS = 1 << 16 };

/* Costs of one matrix's weights, finite and >= 0, by the upper halves of their bits: bins a 128th part wide. */
typedef struct pare_cost_histogram {
    int64_t count;
    uint32_t *bin; /* [PARE_COST_BINS] */
} pare_cost_histogram;

/* Zeroed. Free with pare_cost_histogram_free. */
pare_status pare_cost_histogram_new(pare_cost_histogram *out);
void pare_cost_histogram_free(pare_cost_histogram *histogram);
/* PARE_NUMERIC_ERROR if a cost is not finite, or negative. */
pare_status pare_cost_histogram_add(pare_cost_histogram *histogram, const float *costs, int64_t n);

/* gone[count]: how many weights each matrix loses; floor(sparsity of all) together. Each loses the weights below one
 * threshold for all, but between (sparsity - spread) and (sparsity + spread) of its own. */
void pare_element_shares(const pare_cost_histogram *matrices, uint32_t count, double sparsity, double spread,
                         int64_t *gone);

#endif
