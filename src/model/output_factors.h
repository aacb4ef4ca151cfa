/* Factors of the outputs of a linear layer. */
#ifndef PARE_MODEL_OUTPUT_FACTORS_H
#define PARE_MODEL_OUTPUT_FACTORS_H

#include "support/dtype.h"

#include <stdbool.h>
#include <stdint.h>

/* Multiplies each output by its own. keep: [width]; y: [tokens, width], or [width, tokens] if by_feature. */
void pare_output_factors_multiply(const float *keep, int64_t tokens, int64_t width, bool by_feature, pare_dtype dtype,
                                  void *y);

/* y = x + keep * y, [tokens, width] */
void pare_output_factors_add(const float *keep, int64_t tokens, int64_t width, const float *x, float *y);

#endif
