#include "repair/masked_cg.h"
#include "support/memory.h"
#include "support/product.h"
#include "support/vectorize.h"

#include <math.h>

/* Rows are independent: this many at a time bound the temporaries. */
enum { ROWS = 2048, LANES = 8 };

typedef struct work {
    const float *dense, *gram;
    const pare_element_mask *mask;
    int64_t first, count, columns;
    float *residual, *direction, *product; /* [ROWS, columns] */
    float *inverse;                        /* [columns] one over the diagonal; 0 for dead inputs */
    double *energy;                        /* [ROWS] residual^2 over the diagonal; < 0: the row is done */
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

static pare_status work_new(const float *dense, const float *gram, const pare_element_mask *mask, work *w) {
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
    for (int64_t i = 0; i < w->columns; i++) {
        float diagonal = gram[i * (w->columns + 1)];
        w->inverse[i] = diagonal > 0.0f ? 1.0f / diagonal : 0.0f;
    }
    return PARE_OK;
}

/* product = rows G */
static void multiply(const work *w, const float *rows) {
    int64_t n = w->columns;
    pare_product(w->count, n, n, 1.0f, (pare_rows){rows, n}, (pare_rows){w->gram, n}, 0.0f, w->product, n);
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

/* sum of r^2 over the diagonal */
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
PARE_VECTORIZE static void clear(const uint64_t *word, int64_t n, float *values) {
    for (int64_t j = 0; j < n; j++)
        values[j] = word[j / 64] >> (j % 64) & 1 ? values[j] : 0.0f;
}

static void clear_pruned(const work *w, int64_t row, float *values) {
    clear(w->mask->word + (w->first + row) * w->mask->stride, w->columns, values);
}

/* residual = (w0 - w) G on the mask, and the first direction */
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

pare_status pare_masked_cg(const float *dense, const float *gram, const pare_element_mask *mask, int32_t iterations,
                           float *weights) {
    work w;
    PARE_TRY(work_new(dense, gram, mask, &w));
    pare_element_mask_apply(mask, weights);
    pare_status status = PARE_OK;
    for (w.first = 0; w.first < mask->rows && status == PARE_OK; w.first += ROWS) {
        float *rows = weights + w.first * w.columns;
        w.count = at_most(mask->rows - w.first, ROWS);
        if (iterations > 0) start(&w, rows);
        for (int32_t i = 0; i < iterations && status == PARE_OK; i++) {
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
