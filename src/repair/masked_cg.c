#include "repair/masked_cg.h"
#include "support/cholesky.h"
#include "support/memory.h"
#include "support/vectorize.h"

#include <cblas.h>
#include <math.h>

/* Rows are independent: this many at a time bound the temporaries. */
enum { ROWS = 2048, LANES = 8 };

typedef struct work {
    const float *dense, *gram;
    const pare_element_mask *mask;
    int64_t first, count, columns;
    float lambda;
    float *residual, *direction, *product; /* [ROWS, columns] */
    float *inverse;                        /* [columns] one over the damped diagonal; 0 for dead inputs */
    double *energy;                        /* [ROWS] residual^2 over the damped diagonal; < 0: the row is done */
} work;

static int64_t at_most(int64_t n, int64_t limit) {
    return n < limit ? n : limit;
}

uint64_t pare_masked_cg_bytes(int64_t rows, int64_t columns) {
    return (uint64_t)at_most(rows, ROWS) * (3 * (uint64_t)columns * sizeof(float) + sizeof(double)) +
           (uint64_t)columns * sizeof(float);
}

static void work_free(work *w) {
    pare_free(w->residual);
    pare_free(w->direction);
    pare_free(w->product);
    pare_free(w->inverse);
    pare_free(w->energy);
}

static pare_status work_new(const float *dense, const float *gram, const pare_element_mask *mask, double damping,
                            work *w) {
    *w = (work){.dense = dense, .gram = gram, .mask = mask, .columns = mask->columns};
    size_t count = (size_t)at_most(mask->rows, ROWS), size = count * (size_t)w->columns;
    pare_status status = pare_alloc(&w->residual, size, sizeof(float), "conjugate gradients");
    if (!status) status = pare_alloc(&w->direction, size, sizeof(float), "conjugate gradients");
    if (!status) status = pare_alloc(&w->product, size, sizeof(float), "conjugate gradients");
    if (!status) status = pare_alloc(&w->inverse, (size_t)w->columns, sizeof(float), "conjugate gradients");
    if (!status) status = pare_alloc(&w->energy, count, sizeof(double), "conjugate gradients");
    if (status) {
        work_free(w);
        return status;
    }
    double sum = 0.0;
    for (int64_t i = 0; i < w->columns; i++)
        sum += (double)gram[i * (w->columns + 1)];
    w->lambda = w->columns ? (float)(damping * sum / (double)w->columns) : 0.0f;
    for (int64_t i = 0; i < w->columns; i++) {
        float diagonal = gram[i * (w->columns + 1)] + w->lambda;
        w->inverse[i] = diagonal > 0.0f ? 1.0f / diagonal : 0.0f;
    }
    return PARE_OK;
}

/* product = rows (G + lambda I) */
static void multiply(const work *w, const float *rows) {
#pragma omp parallel for schedule(static)
    for (int64_t i = 0; i < w->count * w->columns; i++)
        w->product[i] = w->lambda * rows[i];
    pare_blas_threads();
    cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, (int)w->count, (int)w->columns, (int)w->columns, 1.0f, rows,
                (int)w->columns, w->gram, (int)w->columns, 1.0f, w->product, (int)w->columns);
}

static double sum_of(const double lanes[LANES]) {
    double sum = 0.0;
    for (int l = 0; l < LANES; l++)
        sum += lanes[l];
    return sum;
}

PARE_VECTORIZE static double dot(const float *a, const float *b, int64_t n) {
    double lanes[LANES] = {0.0};
    int64_t i = 0;
    for (; i + LANES <= n; i += LANES)
        for (int l = 0; l < LANES; l++)
            lanes[l] += (double)a[i + l] * (double)b[i + l];
    for (; i < n; i++)
        lanes[0] += (double)a[i] * (double)b[i];
    return sum_of(lanes);
}

/* sum of r^2 over the damped diagonal */
PARE_VECTORIZE static double preconditioned(const float *r, const float *inverse, int64_t n) {
    double lanes[LANES] = {0.0};
    int64_t i = 0;
    for (; i + LANES <= n; i += LANES)
        for (int l = 0; l < LANES; l++)
            lanes[l] += (double)r[i + l] * (double)(inverse[i + l] * r[i + l]);
    for (; i < n; i++)
        lanes[0] += (double)r[i] * (double)(inverse[i] * r[i]);
    return sum_of(lanes);
}

PARE_VECTORIZE static void add_scaled(float *to, float factor, const float *from, int64_t n) {
    for (int64_t i = 0; i < n; i++)
        to[i] += factor * from[i];
}

/* direction = preconditioned residual + factor direction */
PARE_VECTORIZE static void turn(float *direction, float factor, const float *residual, const float *inverse,
                                int64_t n) {
    for (int64_t i = 0; i < n; i++)
        direction[i] = inverse[i] * residual[i] + factor * direction[i];
}

/* Only kept weights move. */
static void clear_pruned(const work *w, int64_t row, float *values) {
    const uint64_t *word = w->mask->word + (w->first + row) * w->mask->stride;
    for (int64_t j = 0; j < w->columns; j++)
        values[j] = word[j / 64] >> (j % 64) & 1 ? values[j] : 0.0f;
}

/* residual = (w0 - w) (G + lambda I) on the mask, and the first direction */
static void start(work *w, const float *weights) {
    int64_t n = w->columns;
#pragma omp parallel for schedule(static)
    for (int64_t i = 0; i < w->count * n; i++)
        w->direction[i] = w->dense[w->first * n + i] - weights[i];
    multiply(w, w->direction);
#pragma omp parallel for schedule(static)
    for (int64_t row = 0; row < w->count; row++) {
        float *residual = w->residual + row * n;
        for (int64_t j = 0; j < n; j++)
            residual[j] = w->product[row * n + j];
        clear_pruned(w, row, residual);
        turn(w->direction + row * n, 0.0f, residual, w->inverse, n);
        w->energy[row] = preconditioned(residual, w->inverse, n);
    }
}

static void step_row(work *w, int64_t row, float *weights) {
    int64_t n = w->columns;
    float *residual = w->residual + row * n, *direction = w->direction + row * n, *product = w->product + row * n;
    double curvature = dot(direction, product, n), energy = w->energy[row], length = energy / curvature;
    if (!(energy > 0.0) || !(curvature > 0.0) || !isfinite(length)) {
        w->energy[row] = -1.0;
        return;
    }
    clear_pruned(w, row, product);
    add_scaled(weights + row * n, (float)length, direction, n);
    add_scaled(residual, (float)-length, product, n);
    w->energy[row] = preconditioned(residual, w->inverse, n);
    turn(direction, (float)(w->energy[row] / energy), residual, w->inverse, n);
}

pare_status pare_masked_cg_run(const pare_masked_cg *cg, const float *dense, const float *gram,
                               const pare_element_mask *mask, float *weights) {
    work w;
    PARE_TRY(work_new(dense, gram, mask, cg->damping, &w));
    pare_element_mask_apply(mask, weights);
    pare_status status = PARE_OK;
    for (w.first = 0; w.first < mask->rows && status == PARE_OK; w.first += ROWS) {
        float *rows = weights + w.first * w.columns;
        w.count = at_most(mask->rows - w.first, ROWS);
        if (cg->iterations > 0) start(&w, rows);
        for (int32_t i = 0; i < cg->iterations && status == PARE_OK; i++) {
            multiply(&w, w.direction);
#pragma omp parallel for schedule(static)
            for (int64_t row = 0; row < w.count; row++)
                if (w.energy[row] >= 0.0) step_row(&w, row, rows);
            status = pare_interrupted();
        }
    }
    work_free(&w);
    return status;
}
