/* What is left of a problem as the fit that it is: by H's blocks, the eliminated weights solve
 *
 *   W' = argmin J(W') = |t - W' x|^2 + lambda |W' - W|^2,   W'_r = 0
 *
 * as repair/least_squares.h has it, whose ridge is that of the kept columns alone: the removed ones add the constant
 * lambda |W_r|^2. J began at its least, |r|^2 - C D^T with D = C H^-1, and has grown by the errors of what went. */
#include "select/obs.h"
#include "select/obs_internal.h"
#include "support/memory.h"

#include <cblas.h>
#include <math.h>

enum { PANEL = 256 }; /* rows, and removed columns, in fp64 at a time */

typedef struct fit {
    const pare_obs *obs;
    const pare_obs_problem *problem;
    uint32_t *gone;                   /* [count] columns */
    int64_t count, rows, columns;     /* of a panel: at most */
    double *weights, *gram, *product; /* [rows, count]; [count, columns] of G_rr; [rows, columns] */
    double ridge;                     /* |W' - W|^2 of inputs that were not always 0 */
} fit;

static int64_t panel_of(int64_t all) {
    return all < PANEL ? all : PANEL;
}

uint64_t pare_obs_fit_bytes(int64_t rows, int64_t width) {
    int64_t most = width * (panel_of(rows) + panel_of(width)) + panel_of(rows) * panel_of(width);
    return (uint64_t)most * sizeof(double) + (uint64_t)width * sizeof(uint32_t);
}

static void fit_free(fit *f) {
    pare_free(f->gone);
    pare_free(f->weights);
    pare_free(f->gram);
    pare_free(f->product);
}

static pare_status fit_new(fit *f) {
    const pare_obs *obs = f->obs;
    f->count = f->problem->width - obs->left;
    f->rows = panel_of(obs->rows);
    f->columns = panel_of(f->count);
    size_t count = (size_t)f->count, rows = (size_t)f->rows, columns = (size_t)f->columns;
    pare_status status = pare_alloc(&f->gone, count, sizeof *f->gone, "removed columns");
    if (!status) status = pare_alloc_uninitialized(&f->weights, rows * count, sizeof(double), "removed weights");
    if (!status) status = pare_alloc_uninitialized(&f->gram, count * columns, sizeof(double), "removed columns");
    if (!status) status = pare_alloc_uninitialized(&f->product, rows * columns, sizeof(double), "removed weights");
    if (status) {
        fit_free(f);
        return status;
    }
    for (int64_t column = 0, k = 0, i = 0; column < f->problem->width; column++) {
        if (k < obs->left && obs->column[k] == column)
            k++;
        else
            f->gone[i++] = (uint32_t)column;
    }
    return PARE_OK;
}

/* Sum of W_r G_rr W_r^T over the rows in the panel, and removed columns [first, first + columns). */
static double energy_of(fit *f, int64_t rows, int64_t first, int64_t columns) {
    const pare_obs_problem *p = f->problem;
    int64_t n = f->count;
    double sum = 0.0;
#pragma omp parallel for schedule(static)
    for (int64_t i = 0; i < n; i++)
        for (int64_t j = 0; j < columns; j++)
            f->gram[i * columns + j] = (double)p->gram[f->gone[i] * p->width + f->gone[first + j]];
    cblas_dgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, (int)rows, (int)columns, (int)n, 1.0, f->weights, (int)n,
                f->gram, (int)columns, 0.0, f->product, (int)columns);
    for (int64_t i = 0; i < rows; i++)
        for (int64_t j = 0; j < columns; j++)
            sum += f->weights[i * n + first + j] * f->product[i * columns + j];
    return sum;
}

/* Sum over rows of W_r G_rr W_r^T + 2 W_r C_r^T: what the error is before anything makes up for it, but for |r|^2. */
static double error_before(fit *f, const float *weights) {
    const pare_obs_problem *p = f->problem;
    int64_t n = f->count, rows;
    double sum = 0.0;
    pare_blas_threads();
    for (int64_t first = 0; n && first < p->rows; first += rows) {
        rows = p->rows - first < f->rows ? p->rows - first : f->rows;
        for (int64_t i = 0; i < rows; i++)
            for (int64_t j = 0; j < n; j++) {
                int64_t at = (first + i) * p->width + f->gone[j];
                f->weights[i * n + j] = (double)weights[at];
                if (p->cross) sum += 2.0 * (double)weights[at] * (double)p->cross[at];
            }
        for (int64_t j = 0; j < n; j += f->columns)
            sum += energy_of(f, rows, j, n - j < f->columns ? n - j : f->columns);
    }
    return sum;
}

/* W' in the place of W. Weights of inputs that were always 0 stay as they were where they are kept. */
static void replace(fit *f, float *weights) {
    const pare_obs *obs = f->obs;
    const pare_obs_problem *p = f->problem;
    f->ridge = 0.0;
    for (int64_t row = 0; row < p->rows; row++) {
        float *w = weights + row * p->width;
        for (int64_t i = 0; i < obs->left; i++) {
            uint32_t column = obs->column[i];
            double fitted = obs->weights[row * obs->left + i], change = fitted - (double)w[column];
            if (!(p->gram[column * (p->width + 1)] > 0.0f)) continue;
            f->ridge += change * change;
            w[column] = (float)fitted;
        }
        for (int64_t i = 0; i < f->count; i++) {
            uint32_t column = f->gone[i];
            if (p->gram[column * (p->width + 1)] > 0.0f) f->ridge += (double)w[column] * (double)w[column];
            w[column] = 0.0f;
        }
    }
}

pare_status pare_obs_fit(const pare_obs *obs, const pare_obs_problem *problem, double residual, float *weights,
                         pare_obs_fitted *out) {
    fit f = {.obs = obs, .problem = problem};
    PARE_TRY(fit_new(&f));
    *out = (pare_obs_fitted){.damping = obs->damping, .before = residual + error_before(&f, weights)};
    replace(&f, weights);
    fit_free(&f);
    out->after = residual - obs->gain + obs->plain - obs->damping.lambda * f.ridge;
    if (isfinite(out->after)) return PARE_OK;
    return pare_fail(PARE_NUMERIC_ERROR,
                     "the weights that read %s, or their targets, hold NaN or infinity: check the model with "
                     "`pare inspect`",
                     problem->what);
}
