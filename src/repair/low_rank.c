/* EoRA takes the SVD of E G^(1/2) = U S V^T, with G = Q L Q^T and G^(1/2) = Q L^(1/2), and puts B = U_r,
 * A = S_r V_r^T L^(-1/2) Q^T (section 3.2, equations 4 to 6). Since U_r^T U = [I 0], that A is U_r^T E wherever L is
 * not zero, and where it is nothing can be felt of A: so A = U_r^T E here, which divides by no eigenvalue and needs no
 * damping.
 *
 * U_r comes of the smaller of two symmetric problems: of E G E^T [rows, rows]; or, where there are more rows than
 * columns, of F^T F [columns, columns] with F = E Q L^(1/2), as F V / S. Products are in fp32, eigenvectors in fp64:
 * what is smaller than 1e-6 of the largest squared singular value is rounding, and left out of the second. */
#include "repair/low_rank.h"
#include "support/cholesky.h"
#include "support/memory.h"

#include <cblas.h>
#include <lapacke.h>
#include <math.h>
#include <string.h>

static const double smallest_share = 1e-6;

/* The largest eigenvalues of a symmetric matrix, ascending, with their vectors. */
typedef struct spectrum {
    double *matrix;  /* [n, n] overwritten */
    double *values;  /* [n], of which the first `count` are there */
    double *vectors; /* [count] of n each, one behind the other */
    lapack_int *support;
    int64_t n, count;
} spectrum;

static void spectrum_free(spectrum *s) {
    pare_free(s->matrix);
    pare_free(s->values);
    pare_free(s->vectors);
    pare_free(s->support);
}

static pare_status spectrum_new(int64_t n, int64_t count, spectrum *out) {
    *out = (spectrum){.n = n, .count = count < n ? count : n};
    PARE_TRY(pare_alloc_uninitialized(&out->matrix, (size_t)(n * n), sizeof *out->matrix, "a residual's metric"));
    PARE_TRY(pare_alloc_uninitialized(&out->values, (size_t)n, sizeof *out->values, "a residual's metric"));
    PARE_TRY(pare_alloc_uninitialized(&out->support, (size_t)(2 * n), sizeof *out->support, "a residual's metric"));
    return pare_alloc_uninitialized(&out->vectors, (size_t)(n * out->count), sizeof *out->vectors,
                                    "a residual's metric");
}

/* matrix <- the lower triangle of `from`, on both sides; *trace: of it. */
static pare_status take(spectrum *s, const float *from, double *trace) {
    int64_t n = s->n;
    double sum = 0.0;
    *trace = 0.0;
    for (int64_t i = 0; i < n; i++) {
        *trace += (double)from[i * n + i];
        for (int64_t j = 0; j <= i; j++) {
            s->matrix[i * n + j] = s->matrix[j * n + i] = (double)from[i * n + j];
            sum += fabs(s->matrix[i * n + j]);
        }
    }
    return isfinite(sum)
               ? PARE_OK
               : pare_fail(PARE_NUMERIC_ERROR, "a residual's Gram matrix is not finite: its layer's inputs, or "
                                               "its weights, hold NaN or infinity");
}

static pare_status solve(spectrum *s) {
    lapack_int n = (lapack_int)s->n, first = (lapack_int)(s->n - s->count + 1), found = 0;
    pare_blas_threads();
    lapack_int failed = LAPACKE_dsyevr(LAPACK_COL_MAJOR, 'V', 'I', 'L', n, s->matrix, n, 0.0, 0.0, first, n, 0.0,
                                       &found, s->values, s->vectors, n, s->support);
    if (failed == LAPACK_WORK_MEMORY_ERROR)
        return pare_fail(PARE_OUT_OF_MEMORY, "not enough memory for the eigenvectors of %lld inputs", (long long)s->n);
    if (!failed && found == (lapack_int)s->count) return PARE_OK;
    return pare_fail(PARE_NUMERIC_ERROR, "the eigenvectors of a residual's metric cannot be found");
}

/* The k-th largest value, and its vector. */
static double value_of(const spectrum *s, int64_t k) {
    return s->values[s->count - 1 - k];
}

static const double *vector_of(const spectrum *s, int64_t k) {
    return s->vectors + (s->count - 1 - k) * s->n;
}

static void explain(pare_residual_problem *p, const spectrum *s, int64_t k) {
    p->after -= value_of(s, k) > 0.0 ? value_of(s, k) : 0.0;
}

/* b <- the eigenvectors of E G E^T. room: [rows, columns], metric: [rows, rows]. */
static pare_status by_rows(pare_residual_problem *p, spectrum *s, float *room, float *metric) {
    int m = (int)p->rows, n = (int)p->columns;
    pare_blas_threads();
    cblas_ssymm(CblasRowMajor, CblasRight, CblasLower, m, n, 1.0f, p->gram, n, p->residual, n, 0.0f, room, n);
    cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, m, m, n, 1.0f, room, n, p->residual, n, 0.0f, metric, m);
    PARE_TRY(take(s, metric, &p->before));
    PARE_TRY(solve(s));
    p->after = p->before;
    for (int64_t k = 0; k < s->count; k++) {
        for (int64_t i = 0; i < p->rows; i++)
            p->b[i * p->rank + k] = (float)vector_of(s, k)[i];
        explain(p, s, k);
    }
    return PARE_OK;
}

/* root [columns, columns] <- Q L^(1/2). */
static pare_status root_of(const pare_residual_problem *p, float *root) {
    spectrum gram;
    double trace;
    int64_t n = p->columns;
    pare_status status = spectrum_new(n, n, &gram);
    if (status == PARE_OK) status = take(&gram, p->gram, &trace);
    if (status == PARE_OK) status = solve(&gram);
    for (int64_t k = 0; status == PARE_OK && k < n; k++) {
        double scale = value_of(&gram, k) > 0.0 ? sqrt(value_of(&gram, k)) : 0.0;
        for (int64_t i = 0; i < n; i++)
            root[i * n + k] = (float)(scale * vector_of(&gram, k)[i]);
    }
    spectrum_free(&gram);
    return status;
}

/* b <- F V / S. room: [rows, columns], metric: [columns, columns], of which F^T F takes the root's place. */
static pare_status by_columns(pare_residual_problem *p, spectrum *s, float *room, float *metric) {
    int m = (int)p->rows, n = (int)p->columns;
    PARE_TRY(root_of(p, metric));
    pare_blas_threads();
    cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, m, n, n, 1.0f, p->residual, n, metric, n, 0.0f, room, n);
    cblas_ssyrk(CblasRowMajor, CblasLower, CblasTrans, n, m, 1.0f, room, n, 0.0f, metric, n);
    PARE_TRY(take(s, metric, &p->before));
    PARE_TRY(solve(s));
    p->after = p->before;
    for (int64_t k = 0; k < s->count; k++) {
        double square = value_of(s, k);
        if (!(square > smallest_share * value_of(s, 0))) break;
        for (int64_t i = 0; i < n; i++)
            metric[i] = (float)(vector_of(s, k)[i] / sqrt(square));
        cblas_sgemv(CblasRowMajor, CblasNoTrans, m, n, 1.0f, room, n, metric, 1, 0.0f, p->b + k, (int)p->rank);
        explain(p, s, k);
    }
    return PARE_OK;
}

static int64_t side_of(int64_t rows, int64_t columns) {
    return rows <= columns ? rows : columns;
}

static pare_status fit(pare_residual_problem *p, spectrum *s, float *room, float *metric) {
    memset(p->b, 0, (size_t)(p->rows * p->rank) * sizeof *p->b);
    PARE_TRY(p->rows <= p->columns ? by_rows(p, s, room, metric) : by_columns(p, s, room, metric));
    cblas_sgemm(CblasRowMajor, CblasTrans, CblasNoTrans, (int)p->rank, (int)p->columns, (int)p->rows, 1.0f, p->b,
                (int)p->rank, p->residual, (int)p->columns, 0.0f, p->a, (int)p->columns);
    if (p->after < 0.0) p->after = 0.0;
    return PARE_OK;
}

pare_status pare_low_rank_fit(pare_residual_problem *p) {
    int64_t side = side_of(p->rows, p->columns);
    float *room = NULL, *metric = NULL;
    spectrum s;
    pare_status status = spectrum_new(side, p->rank, &s);
    if (status == PARE_OK)
        status = pare_alloc_uninitialized(&room, (size_t)(p->rows * p->columns), sizeof *room, "a residual");
    if (status == PARE_OK)
        status = pare_alloc_uninitialized(&metric, (size_t)(side * side), sizeof *metric, "a residual");
    if (status == PARE_OK) status = fit(p, &s, room, metric);
    spectrum_free(&s);
    pare_free(room);
    pare_free(metric);
    return status;
}

/* Both spectra with all vectors, LAPACK's copies among them, the metric, and a product. */
uint64_t pare_low_rank_bytes(int64_t rows, int64_t columns) {
    uint64_t side = (uint64_t)side_of(rows, columns), all = (uint64_t)rows * (uint64_t)columns;
    return 2 * (2 * side * side + 32 * side) * sizeof(double) + side * side * sizeof(float) + all * sizeof(float);
}

/* Products with the Gram matrix, and eigenvectors of whichever side is smaller: to tridiagonal form and back. */
pare_work pare_low_rank_work(int64_t rows, int64_t columns) {
    double m = (double)rows, n = (double)columns, least = m < n ? m : n;
    pare_work work = {{0}};
    work.amount[PARE_WORK_SINGLE] = 4.0 * m * n * n + 2.0 * m * m * n;
    work.amount[PARE_WORK_DOUBLE] = 3.0 * least * least * least;
    return work;
}
