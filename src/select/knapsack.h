/* One choice from each of some lists, so that costs add up to the least and sizes to no more than a budget: dynamic
 * programming over the sizes. */
#ifndef PARE_SELECT_KNAPSACK_H
#define PARE_SELECT_KNAPSACK_H

#include "support/status.h"

#include <stdbool.h>
#include <stdint.h>

typedef struct pare_knapsack_list {
    uint32_t count;       /* at least 1, at most 255 */
    const uint64_t *size; /* [count] */
    const double *cost;   /* [count]; INFINITY: this one may not be chosen; at least one may */
} pare_knapsack_list;

/* Bytes that this many lists take at most. */
uint64_t pare_knapsack_bytes(uint32_t lists);

/* chosen: [count] indices. *found: false if even the smallest do not fit. Of equal sums, the first list's lower index
 * that leads to one. Where sizes have no common divisor that is coarse enough for the table, they are rounded up, by
 * less than a 65536th of the budget's range for each list: then the sum may be a little above the least. */
pare_status pare_knapsack_solve(const pare_knapsack_list *lists, uint32_t count, uint64_t budget, uint32_t *chosen,
                                bool *found);

#endif
