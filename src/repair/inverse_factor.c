#include "repair/inverse_factor.h"
#include "support/memory.h"
#include "support/random.h"

#include <math.h>
#include <string.h>

/* Up to this the layer's error of the updated weights, under a given mask, changes by less than 1e-4 of it
 * (docs/methods.md has the measurement). */
static const double residual_limit = 2e-3;
static const double largest_share = 1.0, first_share = 1e-8;
enum { PROBES = 2, CHUNK = 256 };

typedef struct attempt {
    const float *gram;
    int64_t n;
    double lambda;
    float *upper;
} attempt;

static double diagonal(const attempt *a, int64_t i) {
    double value = (double)a->gram[i * (a->n + 1)];
    return value > 0.0 ? value + a->lambda : 1.0;
}

static void clear_below(const attempt *a) {
#pragma omp parallel for schedule(static)
    for (int64_t i = 1; i < a->n; i++)
        memset(a->upper + i * a->n, 0, (size_t)i * sizeof *a->upper);
}

/* Reversing rows and columns of a square matrix reverses the order of all its elements. */
static bool factor_single(const attempt *a) {
    int64_t n = a->n, all = n * n;
    float *u = a->upper;
#pragma omp parallel for schedule(static)
    for (int64_t k = 0; k < all; k++)
        u[k] = a->gram[all - 1 - k];
    for (int64_t i = 0; i < n; i++)
        u[all - 1 - i * (n + 1)] = (float)diagonal(a, i);
    if (!pare_cholesky_float(u, n)) return false;
    pare_triangle_invert_float(u, n);
#pragma omp parallel for schedule(static)
    for (int64_t k = 0; k < all / 2; k++) {
        float lower = u[k];
        u[k] = u[all - 1 - k];
        u[all - 1 - k] = lower;
    }
    clear_below(a);
    return true;
}

static bool factor_double(const attempt *a, double *work) {
    int64_t n = a->n, all = n * n;
#pragma omp parallel for schedule(static)
    for (int64_t k = 0; k < all; k++)
        work[k] = (double)a->gram[all - 1 - k];
    for (int64_t i = 0; i < n; i++)
        work[all - 1 - i * (n + 1)] = diagonal(a, i);
    if (!pare_cholesky(work, n)) return false;
    pare_triangle_invert(work, n);
#pragma omp parallel for schedule(static)
    for (int64_t k = 0; k < all; k++)
        a->upper[k] = (float)work[all - 1 - k];
    clear_below(a);
    return true;
}

/* out = m v, rows from their diagonal on if `upper`. */
static void multiply(const float *m, int64_t n, bool upper, const double *v, double *out) {
#pragma omp parallel for schedule(dynamic, 64)
    for (int64_t i = 0; i < n; i++) {
        double sum = 0.0;
#pragma omp simd reduction(+ : sum)
        for (int64_t j = upper ? i : 0; j < n; j++)
            sum += (double)m[i * n + j] * v[j];
        out[i] = sum;
    }
}

/* out = u^T v, by chunks of columns so that threads do not meet. */
static void multiply_transposed(const float *u, int64_t n, const double *v, double *out) {
#pragma omp parallel for schedule(dynamic)
    for (int64_t first = 0; first < n; first += CHUNK) {
        int64_t end = first + CHUNK < n ? first + CHUNK : n;
        memset(out + first, 0, (size_t)(end - first) * sizeof *out);
        for (int64_t i = 0; i < end; i++)
            for (int64_t j = first; j < end; j++)
                out[j] += (double)u[i * n + j] * v[i];
    }
}

/* |H (U^T U z) - z| / |z|; vectors: [3, n] */
static double residual(const attempt *a, double *vectors) {
    int64_t n = a->n;
    double *z = vectors, *x = vectors + n, *y = vectors + 2 * n, sum = 0.0;
    pare_random random = {.seed = 1};
    for (int probe = 0; probe < PROBES; probe++) {
        for (int64_t i = 0; i < n; i++)
            z[i] = pare_random_uniform(&random) < 0.5 ? -1.0 : 1.0;
        multiply(a->upper, n, true, z, y);
        multiply_transposed(a->upper, n, y, x);
        multiply(a->gram, n, false, x, y);
        for (int64_t i = 0; i < n; i++) {
            double left = y[i] + (diagonal(a, i) - (double)a->gram[i * (n + 1)]) * x[i] - z[i];
            sum += left * left;
        }
    }
    return n ? sqrt(sum / (double)(n * PROBES)) : 0.0;
}

static void set_identity(pare_inverse_factor *f) {
    memset(f->upper, 0, (size_t)(f->n * f->n) * sizeof *f->upper);
    for (int64_t i = 0; i < f->n; i++)
        f->upper[i * (f->n + 1)] = 1.0f;
    f->identity = true;
    f->damping.raised = -1;
}

/* Factors with the share and precision of `f`, *made: it worked. */
static pare_status try_once(attempt *a, pare_factor_precision precision, double mean, double *vectors, double **work,
                            pare_inverse_factor *f, bool *made) {
    *made = true;
    a->lambda = f->damping.lambda = f->damping.share * mean;
    f->in_double = false;
    if (precision != PARE_FACTOR_DOUBLE && factor_single(a)) {
        f->residual = residual(a, vectors);
        if (precision == PARE_FACTOR_SINGLE || f->residual <= residual_limit) return PARE_OK;
    }
    *made = false;
    if (precision == PARE_FACTOR_SINGLE) return PARE_OK;
    if (!*work) PARE_TRY(pare_alloc_uninitialized(work, (size_t)(a->n * a->n), sizeof **work, "inverse factor"));
    if (!factor_double(a, *work)) return PARE_OK;
    f->residual = residual(a, vectors);
    *made = f->in_double = true;
    return PARE_OK;
}

static pare_status escalate(attempt *a, pare_factor_precision precision, double mean, pare_inverse_factor *f) {
    double *vectors, *work = NULL;
    PARE_TRY(pare_alloc(&vectors, 3 * (size_t)a->n, sizeof *vectors, "inverse factor"));
    pare_status status;
    for (;;) {
        bool made;
        status = try_once(a, precision, mean, vectors, &work, f, &made);
        if (status != PARE_OK || made) break;
        if (f->damping.share >= largest_share) {
            set_identity(f);
            break;
        }
        double share = f->damping.share;
        f->damping.share = share > 0.0 ? fmin(share * 10.0, largest_share) : first_share;
        f->damping.raised++;
    }
    pare_free(vectors);
    pare_free(work);
    return status;
}

pare_status pare_inverse_factor_new_precise(const float *gram, int64_t n, double damping, const char *what,
                                            pare_factor_precision precision, pare_inverse_factor *out) {
    double mean;
    *out = (pare_inverse_factor){.n = n, .damping = {.share = damping}};
    PARE_TRY(pare_gram_mean(gram, n, what, &mean));
    pare_status status = pare_alloc(&out->dead, (size_t)n, sizeof *out->dead, "inverse factor");
    if (!status) status = pare_alloc_uninitialized(&out->upper, (size_t)(n * n), sizeof *out->upper, "inverse factor");
    if (!status) {
        for (int64_t i = 0; i < n; i++) {
            out->dead[i] = !(gram[i * (n + 1)] > 0.0f);
            out->damping.dead += out->dead[i];
        }
        status = escalate(&(attempt){.gram = gram, .n = n, .upper = out->upper}, precision, mean, out);
    }
    if (status) pare_inverse_factor_free(out);
    return status;
}

pare_status pare_inverse_factor_new(const float *gram, int64_t n, double damping, const char *what,
                                    pare_inverse_factor *out) {
    return pare_inverse_factor_new_precise(gram, n, damping, what, PARE_FACTOR_AUTO, out);
}

void pare_inverse_factor_free(pare_inverse_factor *factor) {
    pare_free(factor->upper);
    pare_free(factor->dead);
    *factor = (pare_inverse_factor){0};
}

uint64_t pare_inverse_factor_held_bytes(int64_t n) {
    return (uint64_t)(n * n) * sizeof(float) + (uint64_t)n * sizeof(bool);
}

uint64_t pare_inverse_factor_bytes(int64_t n) {
    return pare_inverse_factor_held_bytes(n) + (uint64_t)(n * n + 3 * n) * sizeof(double);
}

/* Factor and inverse of a triangle, and products with as many vectors as there are probes. */
pare_work pare_inverse_factor_work(int64_t n) {
    double square = (double)n * (double)n;
    pare_work work = {{0}};
    work.amount[PARE_WORK_SOLVES] = 2.0 / 3.0 * square * (double)n;
    work.amount[PARE_WORK_BYTES] = (8.0 + 2.0 * PROBES) * square * sizeof(float);
    return work;
}
