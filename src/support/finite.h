/* Whether numbers are numbers. */
#ifndef PARE_SUPPORT_FINITE_H
#define PARE_SUPPORT_FINITE_H

#include <stdbool.h>
#include <stdint.h>

/* False if one of n values is NaN or infinite. */
bool pare_all_finite(const float *values, int64_t n);

#endif
