#include "repair/sandwich.h"
#include "support/cholesky.h"

#include <cblas.h>

static void multiply(const float *a, const float *b, int64_t rows, int64_t depth, int64_t columns, float *out) {
    cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, (int)rows, (int)columns, (int)depth, 1.0f, a, (int)depth, b,
                (int)columns, 0.0f, out, (int)columns);
}

void pare_sandwich(const float *left, const float *matrix, const float *right, int64_t rows, int64_t columns,
                   float *middle, float *product) {
    if (!rows || !columns) return;
    pare_blas_threads();
    multiply(matrix, right, rows, columns, columns, left ? middle : product);
    if (left) multiply(left, middle, rows, rows, columns, product);
}
