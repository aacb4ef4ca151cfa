#include "model/output_factors.h"
#include "support/vectorize.h"

#include <stddef.h>

enum { PIECE = 1024 };

PARE_VECTORIZE static void multiply(float *restrict y, const float *restrict factors, int64_t n) {
    for (int64_t i = 0; i < n; i++)
        y[i] *= factors[i];
}

PARE_VECTORIZE static void scale(float *restrict y, float factor, int64_t n) {
    for (int64_t i = 0; i < n; i++)
        y[i] *= factor;
}

PARE_VECTORIZE static void add(float *restrict y, const float *restrict x, const float *restrict factors, int64_t n) {
    for (int64_t i = 0; i < n; i++)
        y[i] = x[i] + factors[i] * y[i];
}

void pare_output_factors_multiply(const float *keep, int64_t tokens, int64_t width, bool by_feature, pare_dtype dtype,
                                  void *y) {
    int64_t rows = by_feature ? width : tokens, columns = by_feature ? tokens : width;
#pragma omp parallel for schedule(static) if (tokens * width > 8 * PIECE)
    for (int64_t row = 0; row < rows; row++)
        for (int64_t column = 0; column < columns; column += PIECE) {
            float piece[PIECE];
            int64_t n = columns - column < PIECE ? columns - column : PIECE;
            char *at = (char *)y + (size_t)(row * columns + column) * pare_dtype_size(dtype);
            pare_to_float(piece, at, dtype, (size_t)n);
            if (by_feature)
                scale(piece, keep[row], n);
            else
                multiply(piece, keep + column, n);
            pare_from_float(at, dtype, piece, (size_t)n);
        }
}

void pare_output_factors_add(const float *keep, int64_t tokens, int64_t width, const float *x, float *y) {
#pragma omp parallel for schedule(static) if (tokens * width > 8 * PIECE)
    for (int64_t row = 0; row < tokens; row++)
        add(y + row * width, x + row * width, keep, width);
}
