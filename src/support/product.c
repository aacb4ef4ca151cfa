#include "support/product.h"
#include "support/order.h"

#include <cblas.h>

/* Large enough that packing operands costs little. A product of few columns is cut into more rows, so that every thread
 * has some. */
enum { TILE_ROWS = 1024, TILE_ROWS_OF_NARROW = 512, TILE_COLUMNS = 1024 };

void pare_product(int64_t m, int64_t n, int64_t k, float alpha, pare_rows a, pare_rows b, float beta, float *c,
                  int64_t stride) {
    int64_t rows = n < TILE_COLUMNS ? TILE_ROWS_OF_NARROW : TILE_ROWS;
    openblas_set_num_threads(1);
#pragma omp parallel for collapse(2) schedule(dynamic)
    for (int64_t column = 0; column < n; column += TILE_COLUMNS)
        for (int64_t row = 0; row < m; row += rows)
            cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, (int)pare_smaller(m - row, rows),
                        (int)pare_smaller(n - column, TILE_COLUMNS), (int)k, alpha, a.at + row * a.stride,
                        (int)a.stride, b.at + column, (int)b.stride, beta, c + row * stride + column, (int)stride);
}
