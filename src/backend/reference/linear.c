/* Matrix products by definition, and the trivial conversions of a backend whose operands are floats. */
#include "backend/reference/reference.h"

/* Element [row, column] of op(X) of batch `batch`, where X is stored [rows, columns] or, transposed, [columns, rows].
 */
static double element(const float *x, int64_t batch, int64_t rows, int64_t columns, bool transposed, int64_t ld,
                      int64_t row, int64_t column) {
    int64_t stored_rows = transposed ? columns : rows, stored_columns = transposed ? rows : columns;
    int64_t stored_row = transposed ? column : row, stored_column = transposed ? row : column;
    if (ld == 0) ld = stored_columns;
    return (double)x[(batch * stored_rows + stored_row) * ld + stored_column];
}

pare_status pare_reference_matmul(const pare_backend *backend, const pare_matmul *s, const void *a, const void *b,
                                  float *c) {
    (void)backend;
    for (int64_t batch = 0; batch < s->batch; batch++)
        for (int64_t i = 0; i < s->m; i++)
            for (int64_t j = 0; j < s->n; j++) {
                float *to = c + (batch * s->m + i) * (s->ldc ? s->ldc : s->n) + j;
                double sum = s->accumulate ? (double)*to : 0.0;
                for (int64_t l = 0; l < s->k; l++)
                    sum += element(a, batch, s->m, s->k, s->transpose_a, s->lda, i, l) *
                           element(b, batch, s->k, s->n, s->transpose_b, s->ldb, l, j);
                *to = (float)sum;
            }
    return PARE_OK;
}

void pare_reference_to_operand(const pare_backend *backend, const float *in, int64_t n, void *out) {
    pare_from_float(out, backend->operand, in, (size_t)n);
}

void pare_reference_from_operand(const pare_backend *backend, const void *in, int64_t n, float *out) {
    pare_to_float(out, in, backend->operand, (size_t)n);
}
