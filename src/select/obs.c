#include "select/obs.h"
#include "select/obs_internal.h"
#include "support/cholesky_share.h"
#include "support/memory.h"

#include <cblas.h>
#include <math.h>
#include <string.h>

uint64_t pare_obs_bytes(int64_t rows, int64_t width, bool metric, int64_t at_once) {
    int64_t sides = metric ? 2 : 1, removal = at_once * (at_once + width + sides * rows);
    int64_t square = metric ? rows * rows : 0, lists = 8 * width; /* the metric in fp64 is gone when removals begin */
    int64_t panel = (int64_t)(pare_inverse_share_bytes(width) / sizeof(double));
    int64_t most = removal > square ? removal : square;
    if (panel > most) most = panel;
    uint64_t held = (uint64_t)(width * width + sides * rows * width + lists) * sizeof(double);
    uint64_t steps = (uint64_t)most * sizeof(double), fit = pare_obs_fit_bytes(rows, width);
    return held + (steps > fit ? steps : fit);
}

/* How often removals come together: the sums over all rounds of what is left are integrals, this is their number. */
static double rounds_of(const pare_obs_shape *s) {
    double left = (double)(s->width / s->unit), kept = (double)(s->kept / s->unit), rounds = 0.0;
    for (; left > kept; rounds++) {
        double gone = floor(s->fraction * left);
        left -= gone > 1.0 ? gone : 1.0;
    }
    return rounds;
}

/* The inverse and the first fit; then of every column that goes: a rank-one update of what is left of the inverse (half
 * of it) and of the weights. Every round looks at all that is left, and moves it together. */
pare_work pare_obs_work(const pare_obs_shape *s) {
    double m = (double)s->rows, n = (double)s->width, k = (double)s->kept, sides = s->metric ? 2.0 : 1.0;
    double squares = (n * n - k * k) / 2.0, cubes = (n * n * n - k * k * k) / 3.0, middle = (n + k) / 2.0;
    pare_work work = {{0}};
    work.amount[PARE_WORK_DOUBLE] = n * n * n + (s->cross ? 2.0 * m * n * n : 0.0) +
                                    (s->metric ? 2.0 * m * m * n : 0.0) + cubes + sides * 2.0 * m * squares;
    work.amount[PARE_WORK_BYTES] =
        (4.0 * n * n + 4.0 * m * n + rounds_of(s) * (4.0 * middle * middle + (sides * 3.0 + 1.0) * m * middle)) *
        sizeof(double);
    return work;
}

void pare_obs_free(pare_obs *obs) {
    if (!obs) return;
    pare_free(obs->column);
    pare_free(obs->inverse);
    pare_free(obs->weights);
    pare_free(obs->valued);
    pare_free(obs);
}

/* valued = M W */
static pare_status value(const pare_obs_problem *p, pare_obs *obs) {
    size_t square = (size_t)(p->rows * p->rows);
    double *metric;
    PARE_TRY(pare_alloc_uninitialized(&obs->valued, (size_t)(p->rows * p->width), sizeof(double), "valued weights"));
    PARE_TRY(pare_alloc_uninitialized(&metric, square, sizeof(double), "output metric"));
    for (size_t i = 0; i < square; i++)
        metric[i] = (double)p->metric[i];
    pare_blas_threads();
    cblas_dgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, (int)p->rows, (int)p->width, (int)p->rows, 1.0, metric,
                (int)p->rows, obs->weights, (int)p->width, 0.0, obs->valued, (int)p->width);
    pare_free(metric);
    return PARE_OK;
}

/* The weights that come closest to the target with all columns: W + C H^-1. Columns without inputs get zero: to lose
 * them costs nothing. */
static pare_status start(const pare_obs_problem *p, pare_obs *obs) {
    size_t count = (size_t)(p->rows * p->width);
    double sum = 0.0;
    for (size_t i = 0; i < count; i++)
        obs->weights[i] = p->cross ? (double)p->cross[i] : 0.0;
    if (p->cross) pare_cholesky_solve(obs->inverse, p->width, obs->weights, p->rows);
    for (int64_t row = 0; row < p->rows; row++)
        for (int64_t j = 0; j < p->width; j++) {
            double *w = &obs->weights[row * p->width + j];
            if (p->cross) obs->gain += *w * (double)p->cross[row * p->width + j];
            *w = p->gram[j * (p->width + 1)] > 0.0f ? *w + (double)p->weights[row * p->width + j] : 0.0;
            sum += *w;
        }
    if (isfinite(sum)) return PARE_OK;
    return pare_fail(PARE_NUMERIC_ERROR,
                     "the weights that read %s, or their targets, hold NaN or infinity: check the model with "
                     "`pare inspect`",
                     p->what);
}

static pare_status fill(const pare_obs_problem *p, pare_obs *obs) {
    pare_damped damped = {.gram = p->gram, .width = p->width, .damping = p->damping, .what = p->what};
    size_t weights = (size_t)(p->rows * p->width);
    PARE_TRY(pare_alloc(&obs->column, (size_t)p->width, sizeof(uint32_t), "columns"));
    PARE_TRY(
        pare_alloc_uninitialized(&obs->inverse, (size_t)(p->width * p->width), sizeof(double), "inverse Gram matrix"));
    PARE_TRY(pare_alloc_uninitialized(&obs->weights, weights, sizeof(double), "weights in hand"));
    PARE_TRY(pare_cholesky_damped(&damped, obs->inverse, &obs->damping));
    PARE_TRY(start(p, obs));
    PARE_TRY(p->shared ? pare_inverse_share(obs->inverse, p->width) : pare_cholesky_inverse(obs->inverse, p->width));
    for (int64_t j = 0; j < p->width; j++)
        obs->column[j] = (uint32_t)j;
    return p->metric ? value(p, obs) : PARE_OK;
}

pare_status pare_obs_new(const pare_obs_problem *problem, pare_obs **out) {
    *out = NULL;
    pare_obs *obs;
    PARE_TRY(pare_alloc(&obs, 1, sizeof *obs, "selection"));
    obs->rows = problem->rows;
    obs->left = problem->width;
    obs->what = problem->what;
    pare_status status = fill(problem, obs);
    if (status != PARE_OK) {
        pare_obs_free(obs);
        return status;
    }
    *out = obs;
    return PARE_OK;
}

const uint32_t *pare_obs_columns(const pare_obs *obs, int64_t *count) {
    *count = obs->left;
    return obs->column;
}

const double *pare_obs_weights(const pare_obs *obs) {
    return obs->weights;
}

double pare_obs_error(const pare_obs *obs) {
    return obs->error;
}

pare_damping pare_obs_damping(const pare_obs *obs) {
    return obs->damping;
}
