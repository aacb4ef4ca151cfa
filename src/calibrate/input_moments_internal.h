/* Moments of any values that lie as inputs do: the sums behind input_moments.h and output norms. */
#ifndef PARE_CALIBRATE_INPUT_MOMENTS_INTERNAL_H
#define PARE_CALIBRATE_INPUT_MOMENTS_INTERNAL_H

#include "support/dtype.h"

#include <stdbool.h>

typedef struct pare_moment_values {
    const void *x; /* of type `dtype`, [tokens, width], or [width, tokens] */
    pare_dtype dtype;
    bool by_feature;
    int64_t tokens, width, length; /* tokens is a multiple of length, the tokens of one sequence */
} pare_moment_values;

/* [width] each; sums and within may be NULL. */
typedef struct pare_moment_sums {
    double *squares, *sums, *within;
} pare_moment_sums;

/* Products and sums are made in double: products of operands are exact, a sum of n of them is off by at most
 * n 2^-53 of the sum of their absolute values. Each thread has columns of its own, so that the bits are the same for
 * any number of threads. */
void pare_moments_add(const pare_moment_values *values, const pare_moment_sums *sums);

#endif
