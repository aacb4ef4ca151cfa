#include "importance/rank.h"
#include "support/memory.h"

#include <math.h>
#include <stdlib.h>

typedef struct entry {
    double value;
    size_t index;
} entry;

static int ascending(const void *a, const void *b) {
    double x = ((const entry *)a)->value, y = ((const entry *)b)->value;
    return (x > y) - (x < y);
}

/* ranks[n], counted from 0; sorted: room for n entries. */
static void rank(const double *values, size_t n, entry *sorted, double *ranks) {
    for (size_t i = 0; i < n; i++)
        sorted[i] = (entry){values[i], i};
    qsort(sorted, n, sizeof *sorted, ascending);
    for (size_t first = 0, end; first < n; first = end) {
        for (end = first + 1; end < n && sorted[end].value == sorted[first].value;)
            end++;
        for (size_t i = first; i < end; i++)
            ranks[sorted[i].index] = 0.5 * (double)(first + end - 1);
    }
}

/* Ranks with or without ties have the mean (n - 1) / 2. */
static double correlation(const double *x, const double *y, size_t n) {
    double mean = 0.5 * ((double)n - 1.0), xx = 0.0, yy = 0.0, xy = 0.0;
    for (size_t i = 0; i < n; i++) {
        xx += (x[i] - mean) * (x[i] - mean);
        yy += (y[i] - mean) * (y[i] - mean);
        xy += (x[i] - mean) * (y[i] - mean);
    }
    return xx > 0.0 && yy > 0.0 ? xy / (sqrt(xx) * sqrt(yy)) : NAN;
}

pare_status pare_rank_correlation(const double *a, const double *b, size_t n, double *out) {
    entry *sorted = NULL;
    double *ranks = NULL;
    *out = NAN;
    for (size_t i = 0; i < n; i++)
        if (isnan(a[i]) || isnan(b[i])) return PARE_OK;
    pare_status status = pare_alloc(&sorted, n, sizeof *sorted, "ranks");
    if (status == PARE_OK) status = pare_alloc(&ranks, n, 2 * sizeof *ranks, "ranks");
    if (status == PARE_OK) {
        rank(a, n, sorted, ranks);
        rank(b, n, sorted, ranks + n);
        *out = correlation(ranks, ranks + n, n);
    }
    pare_free(sorted);
    pare_free(ranks);
    return status;
}
