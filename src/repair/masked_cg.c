#include "repair/masked_cg.h"
#include "repair/dot.h"
#include "repair/sandwich.h"
#include "support/memory.h"
#include "support/order.h"
#include "support/vectorize.h"

#include <math.h>

/* Independent rows: this many at a time bound the temporaries. */
enum { ROWS = 2048 };

typedef struct work {
    const float *dense, *gram, *fisher;
    pare_blocks blocks; /* of fisher */
    const pare_element_mask *mask;
    int64_t first, count, columns, together; /* rows at once */
    float *residual, *direction, *product;   /* [together, columns] */
    pare_sandwich exact, sides;              /* F and G, in fp32; as the steps have them */
    pare_sandwich_room room;
    float *inverse;           /* [columns] 1 / G_ii; 0 for dead inputs */
    float *row_inverse;       /* [rows] 1 / F_oo; 0 for dead outputs; 1 without fisher */
    double *energy;           /* [together] residual^2 / (F_oo G_ii); < 0: the row is done */
    double *next, *curvature; /* [together] energy behind this step, direction F G direction */
} work;

static int64_t rows_together(int64_t coupled, int64_t rows) {
    return coupled ? rows : pare_smaller(rows, ROWS);
}

uint64_t pare_masked_cg_metric_bytes(bool rounds, int64_t coupled, int64_t rows, int64_t columns) {
    int64_t together = rows_together(coupled, rows);
    return (uint64_t)together * (3 * (uint64_t)columns * sizeof(float) + 3 * sizeof(double)) +
           (uint64_t)(columns + rows) * sizeof(float) + pare_sandwich_bytes(rounds, coupled, together, columns) +
           pare_sandwich_room_bytes(rounds, coupled, together, columns);
}

uint64_t pare_masked_cg_bytes(int64_t rows, int64_t columns) {
    return pare_masked_cg_metric_bytes(false, 0, rows, columns);
}

/* A product at the start and in every step, between what is read and written of the matrices. */
pare_work pare_masked_cg_work(bool rounds, int64_t coupled, int64_t rows, int64_t columns, int32_t iterations) {
    double elements = (double)rows * (double)columns, products = (double)iterations + (iterations > 0 ? 1.0 : 0.0);
    pare_work total = pare_sandwich_work(false, coupled, rows, columns, iterations > 0 ? 1.0 : 0.0);
    pare_work steps = pare_sandwich_work(rounds, coupled, rows, columns, (double)iterations);
    pare_work_add(&total, &steps, 1.0);
    total.amount[PARE_WORK_BYTES] += products * 10.0 * elements * sizeof(float);
    return total;
}

static void work_free(work *w) {
    pare_free(w->residual);
    pare_free(w->direction);
    pare_free(w->product);
    pare_sandwich_free(&w->sides);
    pare_sandwich_room_free(&w->room);
    pare_free(w->inverse);
    pare_free(w->row_inverse);
    pare_free(w->energy);
    pare_free(w->next);
    pare_free(w->curvature);
}

static void invert_diagonal(const float *matrix, pare_blocks blocks, int64_t n, float *inverse) {
    for (int64_t i = 0; i < n; i++) {
        float diagonal = matrix ? matrix[pare_blocks_diagonal(blocks, i)] : 1.0f;
        inverse[i] = diagonal > 0.0f ? 1.0f / diagonal : 0.0f;
    }
}

static pare_status work_new(const pare_backend *backend, work *w) {
    int64_t rows = w->mask->rows, columns = w->mask->columns;
    w->columns = columns;
    w->together = rows_together(w->fisher ? w->blocks.size : 0, rows);
    pare_blocks sides = w->fisher ? w->blocks : pare_blocks_of(w->together, 0);
    w->exact = (pare_sandwich){.rows = sides, .columns = columns, .left = w->fisher, .right = w->gram};
    size_t count = (size_t)w->together, size = count * (size_t)columns;
    pare_status status = pare_alloc_uninitialized(&w->residual, size, sizeof(float), "conjugate gradients");
    if (!status) status = pare_alloc_uninitialized(&w->direction, size, sizeof(float), "conjugate gradients");
    if (!status) status = pare_alloc_uninitialized(&w->product, size, sizeof(float), "conjugate gradients");
    if (!status) status = pare_sandwich_new(backend, w->fisher, sides, w->gram, columns, &w->sides);
    if (!status) status = pare_sandwich_room_new(&w->sides, &w->room);
    if (!status) status = pare_alloc(&w->inverse, (size_t)columns, sizeof(float), "conjugate gradients");
    if (!status) status = pare_alloc(&w->row_inverse, (size_t)rows, sizeof(float), "conjugate gradients");
    if (!status) status = pare_alloc(&w->energy, count, sizeof(double), "conjugate gradients");
    if (!status) status = pare_alloc(&w->next, count, sizeof(double), "conjugate gradients");
    if (!status) status = pare_alloc(&w->curvature, count, sizeof(double), "conjugate gradients");
    if (status) {
        work_free(w);
        return status;
    }
    invert_diagonal(w->gram, pare_blocks_of(columns, 0), columns, w->inverse);
    invert_diagonal(w->fisher, w->blocks, rows, w->row_inverse);
    return PARE_OK;
}

/* product = F direction G */
static pare_status multiply(const work *w, const pare_sandwich *sides) {
    return pare_sandwich_run(sides, &w->room, w->direction, w->count, w->product);
}

/* What rows that move together share: every one gets the sum. */
static void share(const work *w, double *values) {
    double sum = 0.0;
    for (int64_t row = 0; w->fisher && row < w->count; row++)
        sum += values[row];
    for (int64_t row = 0; w->fisher && row < w->count; row++)
        values[row] = sum;
}

PARE_VECTORIZE static void add_scaled(float *to, float factor, const float *from, int64_t n) {
    for (int64_t i = 0; i < n; i++)
        to[i] += factor * from[i];
}

/* direction = residual / (F_oo G_ii) + factor direction */
PARE_VECTORIZE static void turn(float *direction, float factor, const float *residual, const float *inverse,
                                float row_inverse, int64_t n) {
    for (int64_t i = 0; i < n; i++)
        direction[i] = row_inverse * (inverse[i] * residual[i]) + factor * direction[i];
}

static double energy_of(const work *w, int64_t row) {
    double energy = pare_dot_weighted(w->residual + row * w->columns, w->inverse, w->columns);
    return energy * (double)w->row_inverse[w->first + row];
}

/* Only kept weights move. */
static void clear_pruned(const work *w, int64_t row, float *values) {
    pare_element_mask_apply_row(w->mask, w->first + row, values);
}

/* residual = F (w0 - w) G on the mask, direction = residual / (F_oo G_ii) */
static pare_status start(const work *w, const float *weights) {
    int64_t n = w->columns;
#pragma omp parallel for schedule(static)
    for (int64_t i = 0; i < w->count * n; i++)
        w->direction[i] = w->dense[w->first * n + i] - weights[i];
    PARE_TRY(multiply(w, &w->exact));
#pragma omp parallel for schedule(static)
    for (int64_t row = 0; row < w->count; row++) {
        float *residual = w->residual + row * n;
        for (int64_t j = 0; j < n; j++)
            residual[j] = w->product[row * n + j];
        clear_pruned(w, row, residual);
        w->energy[row] = energy_of(w, row);
        turn(w->direction + row * n, 0.0f, residual, w->inverse, w->row_inverse[w->first + row], n);
    }
    share(w, w->energy);
    return PARE_OK;
}

/* Along the direction, to where the error is least. */
static void move_row(const work *w, int64_t row, float *weights) {
    int64_t n = w->columns;
    float *product = w->product + row * n;
    double length = w->energy[row] / w->curvature[row];
    w->next[row] = -1.0;
    if (!(w->energy[row] > 0.0) || !(w->curvature[row] > 0.0) || !isfinite(length)) return;
    clear_pruned(w, row, product);
    add_scaled(weights + row * n, (float)length, w->direction + row * n, n);
    add_scaled(w->residual + row * n, (float)-length, product, n);
    w->next[row] = energy_of(w, row);
}

static void turn_row(const work *w, int64_t row) {
    int64_t n = w->columns;
    if (w->next[row] >= 0.0)
        turn(w->direction + row * n, (float)(w->next[row] / w->energy[row]), w->residual + row * n, w->inverse,
             w->row_inverse[w->first + row], n);
    w->energy[row] = w->next[row];
}

static pare_status step(const work *w, float *weights) {
    PARE_TRY(multiply(w, &w->sides));
#pragma omp parallel for schedule(static)
    for (int64_t row = 0; row < w->count; row++)
        w->curvature[row] = w->energy[row] > 0.0
                                ? pare_dot(w->direction + row * w->columns, w->product + row * w->columns, w->columns)
                                : 0.0;
    share(w, w->curvature);
#pragma omp parallel for schedule(static)
    for (int64_t row = 0; row < w->count; row++)
        move_row(w, row, weights);
    share(w, w->next);
#pragma omp parallel for schedule(static)
    for (int64_t row = 0; row < w->count; row++)
        turn_row(w, row);
    return pare_interrupted();
}

pare_status pare_masked_cg_metric(const pare_backend *backend, const float *dense, const float *gram,
                                  const float *fisher, pare_blocks blocks, const pare_element_mask *mask,
                                  int32_t iterations, float *weights) {
    work w = {.dense = dense, .gram = gram, .fisher = fisher, .blocks = blocks, .mask = mask};
    PARE_TRY(work_new(backend, &w));
    pare_element_mask_apply(mask, weights);
    pare_status status = PARE_OK;
    for (w.first = 0; w.first < mask->rows && status == PARE_OK; w.first += w.together) {
        float *rows = weights + w.first * w.columns;
        w.count = pare_smaller(mask->rows - w.first, w.together);
        if (iterations > 0) status = start(&w, rows);
        for (int32_t i = 0; i < iterations && status == PARE_OK; i++)
            status = step(&w, rows);
    }
    work_free(&w);
    return status;
}

pare_status pare_masked_cg(const float *dense, const float *gram, const pare_element_mask *mask, int32_t iterations,
                           float *weights) {
    return pare_masked_cg_metric(NULL, dense, gram, NULL, (pare_blocks){0}, mask, iterations, weights);
}
