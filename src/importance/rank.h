/* How alike two rankings are. */
#ifndef PARE_IMPORTANCE_RANK_H
#define PARE_IMPORTANCE_RANK_H

#include "support/status.h"

#include <stddef.h>

/* Spearman's rank correlation of a[n] and b[n]: the correlation of their ranks, equal values sharing the mean of
 * theirs. NaN where it has no meaning: fewer than two values, one of them NaN, or all of a or b equal. */
pare_status pare_rank_correlation(const double *a, const double *b, size_t n, double *out);

#endif
