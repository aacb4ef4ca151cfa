#include "support/cholesky.h"
#include "support/finite.h"

#include <cblas.h>
#include <lapacke.h>
#include <math.h>
#include <omp.h>

/* Damping starts at the caller's share and goes up to this at most. */
static const double largest_share = 1.0, first_share = 1e-8;

void pare_blas_threads(void) {
    openblas_set_num_threads(omp_get_max_threads());
}

/* LAPACK's upper triangle by columns is our lower one by rows. */
bool pare_cholesky(double *a, int64_t n) {
    pare_blas_threads();
    for (int64_t i = 0; i < n; i++)
        if (!isfinite(a[i * n + i])) return false;
    return n == 0 || LAPACKE_dpotrf(LAPACK_COL_MAJOR, 'U', (lapack_int)n, a, (lapack_int)n) == 0;
}

bool pare_cholesky_float(float *a, int64_t n) {
    pare_blas_threads();
    for (int64_t i = 0; i < n; i++)
        if (!isfinite(a[i * n + i])) return false;
    return n == 0 || LAPACKE_spotrf_work(LAPACK_COL_MAJOR, 'U', (lapack_int)n, a, (lapack_int)n) == 0;
}

void pare_triangle_invert(double *factor, int64_t n) {
    pare_blas_threads();
    if (n) LAPACKE_dtrtri_work(LAPACK_COL_MAJOR, 'U', 'N', (lapack_int)n, factor, (lapack_int)n);
}

void pare_triangle_invert_float(float *factor, int64_t n) {
    pare_blas_threads();
    if (n) LAPACKE_strtri_work(LAPACK_COL_MAJOR, 'U', 'N', (lapack_int)n, factor, (lapack_int)n);
}

void pare_cholesky_solve(const double *factor, int64_t n, double *rows, int64_t count) {
    if (!n || !count) return;
    pare_blas_threads();
    cblas_dtrsm(CblasRowMajor, CblasRight, CblasLower, CblasTrans, CblasNonUnit, (int)count, (int)n, 1.0, factor,
                (int)n, rows, (int)n);
    cblas_dtrsm(CblasRowMajor, CblasRight, CblasLower, CblasNoTrans, CblasNonUnit, (int)count, (int)n, 1.0, factor,
                (int)n, rows, (int)n);
}

enum { TILE = 64 }; /* of a mirrored matrix, so that both sides stay in cache */

void pare_mirror(double *a, int64_t n, int64_t stride) {
#pragma omp parallel for schedule(static, 1) if (n > TILE)
    for (int64_t first = 0; first < n; first += TILE)
        for (int64_t column = 0; column <= first; column += TILE)
            for (int64_t i = first; i < n && i < first + TILE; i++)
                for (int64_t j = column; j < i && j < column + TILE; j++)
                    a[j * stride + i] = a[i * stride + j];
}

void pare_mirror_float(float *a, int64_t n, int64_t stride) {
#pragma omp parallel for schedule(static, 1) if (n > TILE)
    for (int64_t first = 0; first < n; first += TILE)
        for (int64_t column = 0; column <= first; column += TILE)
            for (int64_t i = first; i < n && i < first + TILE; i++)
                for (int64_t j = column; j < i && j < column + TILE; j++)
                    a[j * stride + i] = a[i * stride + j];
}

static pare_status singular(int64_t n) {
    return pare_fail(PARE_NUMERIC_ERROR, "a Cholesky factor of %lld columns has a zero on its diagonal", (long long)n);
}

pare_status pare_cholesky_inverse(double *factor, int64_t n) {
    pare_blas_threads();
    if (n && LAPACKE_dpotri(LAPACK_COL_MAJOR, 'U', (lapack_int)n, factor, (lapack_int)n) != 0) return singular(n);
    pare_mirror(factor, n, n);
    return PARE_OK;
}

pare_status pare_cholesky_inverse_float(float *factor, int64_t n) {
    pare_blas_threads();
    if (n && LAPACKE_spotri_work(LAPACK_COL_MAJOR, 'U', (lapack_int)n, factor, (lapack_int)n) != 0) return singular(n);
    pare_mirror_float(factor, n, n);
    return PARE_OK;
}

static int64_t column_of(const pare_damped *d, int64_t i) {
    return d->kept ? d->kept[i] : i;
}

static void gather(const pare_damped *d, double lambda, double *out) {
#pragma omp parallel for schedule(static) if (d->count > 64)
    for (int64_t i = 0; i < d->count; i++) {
        const float *row = d->gram + column_of(d, i) * d->width;
        for (int64_t j = 0; j <= i; j++)
            out[i * d->count + j] = (double)row[column_of(d, j)];
        double *diagonal = &out[i * d->count + i];
        *diagonal = *diagonal > 0.0 ? *diagonal + lambda : 1.0;
    }
}

pare_status pare_gram_mean(const float *gram, int64_t width, const char *what, double *mean) {
    double sum = 0.0;
    for (int64_t i = 0; i < width; i++)
        sum += (double)gram[i * width + i];
    *mean = sum / (double)(width ? width : 1);
    if (pare_all_finite(gram, width * width)) return PARE_OK;
    return pare_fail(PARE_NUMERIC_ERROR,
                     "%s hold NaN or infinity: check the model with `pare inspect`, or compute with --compute fp32",
                     what);
}

pare_status pare_cholesky_damped(const pare_damped *damped, double *factor, pare_damping *out) {
    pare_damped d = *damped;
    double mean;
    if (!d.kept) d.count = d.width;
    *out = (pare_damping){.share = d.damping};
    PARE_TRY(pare_gram_mean(d.gram, d.width, d.what, &mean));
    for (int64_t i = 0; i < d.count; i++)
        out->dead += !(d.gram[column_of(&d, i) * (d.width + 1)] > 0.0f);
    for (;; out->raised++) {
        out->lambda = out->share * mean;
        gather(&d, out->lambda, factor);
        if (pare_cholesky(factor, d.count)) return PARE_OK;
        if (out->share >= largest_share)
            return pare_fail(PARE_NUMERIC_ERROR,
                             "the Gram matrix of %s cannot be factored even with damping %g: calibrate with more or "
                             "other samples",
                             d.what, out->share);
        out->share = out->share > 0.0 ? out->share * 10.0 : first_share;
        if (out->share > largest_share) out->share = largest_share;
    }
}
