/* Second moments of calibration inputs, added up over micro-batches: G = sum x x^T, and with another signal
 * C = sum r x^T. */
#ifndef PARE_CALIBRATE_GRAM_H
#define PARE_CALIBRATE_GRAM_H

#include "backend/backend.h"

/* A micro-batch of inputs as the block leaves them. */
typedef struct pare_inputs {
    const void *x; /* operands, [tokens, width], or [width, tokens] */
    int64_t tokens, width;
    bool by_feature;
} pare_inputs;

/* sum: float [width, width] symmetric, added to, or overwritten if `first`: its lower triangle, in blocks of rows,
 * which is then mirrored. Products of operands are exact; a sum of n products in fp32 is off by at most n 2^-24 of the
 * sum of their absolute values, in practice by sqrt(n) of that. */
pare_status pare_gram_add(const pare_backend *backend, const pare_inputs *inputs, bool first, float *sum);

/* Its two halves, for sums that nobody reads before the last tokens are in: the lower triangle alone, and then the
 * upper one once. */
pare_status pare_gram_add_lower(const pare_backend *backend, const pare_inputs *inputs, bool first, float *sum);
void pare_gram_mirror(float *sum, int64_t width);

/* Of all micro-batches together. */
double pare_gram_operations(double tokens, double width);

/* sum: float [rows, width]; r: operand [tokens, rows]. */
pare_status pare_cross_add(const pare_backend *backend, const pare_inputs *inputs, const void *r, int64_t rows,
                           bool first, float *sum);

#endif
