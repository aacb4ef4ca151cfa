#include "repair/single_solve.h"
#include "support/finite.h"
#include "support/memory.h"

#include <cblas.h>
#include <string.h>

bool pare_single_solve_serves(const pare_damped *columns, double bound) {
    return !columns->kept && columns->damping > 0x1p-24 / bound * (double)columns->width;
}

uint64_t pare_single_solve_bytes(int64_t width) {
    return (uint64_t)(width * width) * sizeof(float);
}

/* A factor, and two triangles for every row. */
pare_work pare_single_solve_work(int64_t rows, int64_t width) {
    double m = (double)rows, n = (double)width;
    pare_work work = {{0}};
    work.amount[PARE_WORK_SOLVES] = n * n * n / 3.0 + 2.0 * m * n * n;
    work.amount[PARE_WORK_BYTES] = (3.0 * n * n + 4.0 * m * n) * sizeof(float);
    return work;
}

/* factor <- that of G + lambda I, with 1 where inputs were always 0. */
static bool factor_of(const pare_damped *columns, double mean, float *factor) {
    int64_t n = columns->width;
    float lambda = (float)(columns->damping * mean);
    memcpy(factor, columns->gram, (size_t)(n * n) * sizeof *factor);
    for (int64_t i = 0; i < n; i++) {
        float *diagonal = &factor[i * (n + 1)];
        *diagonal = *diagonal > 0.0f ? *diagonal + lambda : 1.0f;
    }
    return pare_cholesky_float(factor, n);
}

static void solve(const float *factor, int64_t n, float *rows, int64_t count) {
    pare_blas_threads();
    for (int back = 0; back < 2; back++)
        cblas_strsm(CblasRowMajor, CblasRight, CblasLower, back ? CblasNoTrans : CblasTrans, CblasNonUnit, (int)count,
                    (int)n, 1.0f, factor, (int)n, rows, (int)n);
}

pare_status pare_single_solve(const pare_damped *columns, float *rows, int64_t count, bool *solved) {
    int64_t n = columns->width;
    double mean;
    float *factor;
    *solved = false;
    PARE_TRY(pare_gram_mean(columns->gram, n, columns->what, &mean));
    PARE_TRY(pare_alloc_uninitialized(&factor, (size_t)(n * n), sizeof *factor, "least squares"));
    *solved = factor_of(columns, mean, factor);
    if (*solved) solve(factor, n, rows, count);
    pare_free(factor);
    if (pare_all_finite(rows, count * n)) return PARE_OK;
    return pare_fail(PARE_NUMERIC_ERROR,
                     "the weights that read %s, or their targets, hold NaN or infinity: check the model with "
                     "`pare inspect`",
                     columns->what);
}
