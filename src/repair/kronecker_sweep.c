/* SparseGPT's elimination in the metric tr(F D H D^T): a pruned weight's error goes on to the columns behind it, along
 * H^-1 = U^T U, and to the rows below it, along F^-1 = R^T R, both in one step: with e the errors of column i's pruned
 * weights, found row by row,
 *   d = R^T e,   d_o U_ii = w_oi where (o, i) is pruned,   W[:, j] -= d U_ij for j >= i.
 *
 * The order of work: columns in slabs, rows in strips. What a row takes from strips above it in its block of F is one
 * product; within a strip columns are eliminated one by one in cache, transposed, so that a vector holds a column of
 * several rows. Columns behind the slab take its errors by one product. In scaled coordinates. */
#include "repair/inverse_factor.h"
#include "repair/kronecker_internal.h"
#include "repair/obs_update.h"
#include "support/memory.h"
#include "support/order.h"
#include "support/product.h"
#include "support/vectorize.h"

#include <cblas.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

enum { STRIP = 64, TILE = 64 }; /* rows in cache; columns of a product */

typedef struct work {
    const pare_element_target *choose;                /* on the way; NULL: the mask is given */
    pare_inverse_factor columns_factor, *rows_factor; /* of every block of F */
    pare_blocks blocks;
    float *weights;
    pare_element_mask *mask;
    int64_t rows, columns, slab;
    float *column_pivot, *row_pivot; /* 1 / U_ii, 1 / R_oo; 0 for the dead */
    float *errors, *carried;         /* e and d, [rows, slab] */
    float *scores;                   /* [rows, slab] */
    uint8_t *kept;                   /* [rows, slab]; also one group */
    float *weight, *error, *carry;   /* of a strip, transposed: [slab, STRIP] */
    uint8_t *stays;                  /* [slab, STRIP] */
} work;

/* Slabs wide enough for whole patterns, and no wider than the matrix. */
static int64_t slab_of(const pare_kronecker *k, int64_t columns) {
    const pare_element_target *choose = k->choose;
    int64_t of = choose ? choose->of : 0,
            slab = choose && of == 0 && choose->compare == PARE_COMPARE_SLAB ? choose->slab : k->slab;
    slab = pare_smaller(slab, columns);
    return of > 0 ? (slab + of - 1) / of * of : slab;
}

static bool on_the_way(const pare_element_target *choose) {
    return choose && (choose->of > 0 || choose->compare == PARE_COMPARE_SLAB);
}

/* Of the factors of F's blocks. */
static uint64_t outputs_bytes(int64_t coupled, int64_t rows) {
    uint64_t blocks = (uint64_t)(rows / coupled);
    return blocks * (pare_inverse_factor_held_bytes(coupled) + sizeof(pare_inverse_factor));
}

uint64_t pare_kronecker_sweep_bytes(const pare_kronecker *problem, int64_t coupled, int64_t rows, int64_t columns) {
    uint64_t r = (uint64_t)rows, c = (uint64_t)columns, slab = (uint64_t)slab_of(problem, columns);
    uint64_t inputs = pare_inverse_factor_held_bytes(columns), scores = r * c * sizeof(float);
    uint64_t making = pare_inverse_factor_bytes(columns) - inputs,
             sweep = pare_obs_update_bytes(rows, columns, problem->slab);
    if (coupled) {
        uint64_t outputs = outputs_bytes(coupled, rows);
        uint64_t more = outputs + pare_inverse_factor_bytes(coupled) - pare_inverse_factor_held_bytes(coupled);
        making = making > more ? making : more;
        sweep =
            outputs + slab * (3 * r * sizeof(float) + r + STRIP * (3 * sizeof(float) + 1)) + (r + c) * sizeof(float);
    }
    uint64_t most = making > sweep ? making : sweep;
    return inputs + (most > scores ? most : scores + (coupled ? outputs_bytes(coupled, rows) : 0));
}

/* Factors of both sides, and what each column's errors tell the columns behind, each row's the rows below. */
pare_work pare_kronecker_sweep_work(const pare_kronecker *problem, int64_t coupled, int64_t rows, int64_t columns) {
    double elements = (double)rows * (double)columns;
    pare_work total = pare_inverse_factor_work(columns);
    pare_work sweep = pare_obs_update_work(rows, columns, slab_of(problem, columns));
    pare_work_add(&total, &sweep, 1.0);
    pare_work choice = pare_element_select_work(rows, columns);
    pare_work_add(&total, &choice, 1.0);
    if (!coupled) return total;
    pare_work outputs = pare_inverse_factor_work(coupled);
    pare_work_add(&total, &outputs, (double)rows / (double)coupled);
    total.amount[PARE_WORK_SINGLE] += elements * (double)coupled;
    return total;
}

static void work_free(work *w) {
    pare_inverse_factor_free(&w->columns_factor);
    for (int64_t i = 0; w->rows_factor && i < w->blocks.count; i++)
        pare_inverse_factor_free(&w->rows_factor[i]);
    pare_free(w->rows_factor);
    pare_free(w->column_pivot);
    pare_free(w->row_pivot);
    pare_free(w->errors);
    pare_free(w->carried);
    pare_free(w->scores);
    pare_free(w->kept);
    pare_free(w->weight);
    pare_free(w->stays);
}

static void pivots(const pare_inverse_factor *factor, float *out) {
    for (int64_t i = 0; i < factor->n; i++)
        out[i] = factor->dead[i] ? 0.0f : 1.0f / factor->upper[i * (factor->n + 1)];
}

static pare_status factor(const pare_kronecker_metric *m, work *w) {
    char name[160];
    snprintf(name, sizeof name, "the inputs of %s", m->problem->what);
    PARE_TRY(pare_inverse_factor_new(m->gram, m->columns, 0.0, name, &w->columns_factor));
    PARE_TRY(pare_alloc(&w->column_pivot, (size_t)m->columns, sizeof(float), "weight update"));
    pivots(&w->columns_factor, w->column_pivot);
    if (!m->fisher) return PARE_OK;
    snprintf(name, sizeof name, "the loss's gradients at the outputs of %s", m->problem->what);
    PARE_TRY(pare_alloc(&w->row_pivot, (size_t)m->rows, sizeof(float), "weight update"));
    PARE_TRY(pare_alloc(&w->rows_factor, (size_t)w->blocks.count, sizeof *w->rows_factor, "weight update"));
    for (int64_t i = 0; i < w->blocks.count; i++) {
        PARE_TRY(pare_inverse_factor_new(m->fisher + pare_blocks_begin(w->blocks, i), w->blocks.size, 0.0, name,
                                         &w->rows_factor[i]));
        pivots(&w->rows_factor[i], w->row_pivot + i * w->blocks.size);
    }
    return PARE_OK;
}

static pare_status buffers(work *w) {
    size_t size = (size_t)(w->rows * w->slab), strip = (size_t)(STRIP * w->slab);
    PARE_TRY(pare_alloc_uninitialized(&w->errors, size, sizeof(float), "weight update"));
    PARE_TRY(pare_alloc_uninitialized(&w->carried, size, sizeof(float), "weight update"));
    PARE_TRY(pare_alloc_uninitialized(&w->scores, size, sizeof(float), "weight update"));
    PARE_TRY(pare_alloc(&w->kept, size, 1, "weight update"));
    PARE_TRY(pare_alloc(&w->weight, 3 * strip, sizeof(float), "weight update"));
    w->error = w->weight + strip;
    w->carry = w->error + strip;
    return pare_alloc(&w->stays, strip, 1, "weight update");
}

/* The slab's mask from all rows at once, by w^2 / (R_oo U_ii)^2. */
static void choose_in_slab(work *w, int64_t first, int64_t width) {
    int64_t size = w->rows * width;
#pragma omp parallel for schedule(static)
    for (int64_t row = 0; row < w->rows; row++)
        for (int64_t j = 0; j < width; j++)
            w->scores[row * width + j] =
                fabsf(w->weights[row * w->columns + first + j] * w->row_pivot[row] * w->column_pivot[first + j]);
    pare_element_select_group(w->scores, size, 1, pare_element_count(size, w->choose->sparsity), w->kept);
#pragma omp parallel for schedule(static)
    for (int64_t row = 0; row < w->rows; row++)
        for (int64_t j = 0; j < width; j++)
            pare_element_keep(w->mask, row, first + j, w->kept[row * width + j]);
}

/* Scores of all weights as they are at first. */
static pare_status choose_at_first(const work *w, const pare_kronecker_metric *m, const pare_element_target *choose) {
    float *scores;
    PARE_TRY(pare_alloc_uninitialized(&scores, (size_t)(w->rows * w->columns), sizeof *scores, "scores"));
#pragma omp parallel for schedule(static)
    for (int64_t row = 0; row < w->rows; row++)
        for (int64_t j = 0; j < w->columns; j++) {
            float pivot = m->fisher ? w->row_pivot[row] : 1.0f;
            scores[row * w->columns + j] = fabsf(w->weights[row * w->columns + j] * pivot * w->column_pivot[j]);
        }
    pare_status status = pare_element_select(scores, choose, w->mask);
    pare_free(scores);
    return status;
}

static void load(const work *w, int64_t row, int64_t count, int64_t first, int64_t width) {
    for (int64_t l = 0; l < count; l++)
        for (int64_t j = 0; j < width; j++) {
            w->weight[j * STRIP + l] = w->weights[(row + l) * w->columns + first + j];
            w->carry[j * STRIP + l] = row % w->blocks.size ? w->carried[(row + l) * width + j] : 0.0f;
            w->stays[j * STRIP + l] = pare_element_kept(w->mask, row + l, first + j);
        }
}

static void store(const work *w, int64_t row, int64_t count, int64_t first, int64_t width) {
    for (int64_t l = 0; l < count; l++)
        for (int64_t j = 0; j < width; j++) {
            w->weights[(row + l) * w->columns + first + j] = w->weight[j * STRIP + l];
            w->carried[(row + l) * width + j] = w->carry[j * STRIP + l];
            w->errors[(row + l) * width + j] = w->error[j * STRIP + l];
            if (w->choose) pare_element_keep(w->mask, row + l, first + j, w->stays[j * STRIP + l]);
        }
}

/* A pattern's group, `length` columns from column i of the slab on, with the weights as they are now. */
static void choose_group(const work *w, int64_t count, int64_t first, int64_t i, int64_t length) {
    int64_t gone = length - (length * w->choose->keep + w->choose->of - 1) / w->choose->of;
    for (int64_t l = 0; l < count; l++) {
        for (int64_t j = 0; j < length; j++)
            w->scores[j] = fabsf(w->weight[(i + j) * STRIP + l] * w->column_pivot[first + i + j]);
        pare_element_select_group(w->scores, length, 1, gone, w->kept);
        for (int64_t j = 0; j < length; j++)
            w->stays[(i + j) * STRIP + l] = w->kept[j];
    }
}

/* One column of a strip: rows one after the other, each pruned one telling those below. rows_upper: R's element of the
 * strip's first row, n to the next row. */
PARE_VECTORIZE static void eliminate_column(float *weight, const uint8_t *stays, float *error, float *carry,
                                            const float *rows_upper, const float *row_pivot, int64_t n, int64_t count,
                                            float column_pivot) {
    for (int64_t l = 0; l < count; l++) {
        error[l] = 0.0f;
        if (stays[l] || row_pivot[l] == 0.0f || column_pivot == 0.0f) continue;
        error[l] = (weight[l] * column_pivot - carry[l]) * row_pivot[l];
        const float *upper = rows_upper + l * n;
        for (int64_t o = l; o < count; o++)
            carry[o] += error[l] * upper[o];
    }
}

PARE_VECTORIZE static void push_columns(float *weight, const float *carry, const float *upper, int64_t columns,
                                        int64_t count) {
    for (int64_t j = 0; j < columns; j++)
        for (int64_t l = 0; l < count; l++)
            weight[j * STRIP + l] -= carry[l] * upper[j];
}

static void eliminate_strip(const work *w, int64_t row, int64_t count, int64_t first, int64_t width) {
    int64_t size = w->blocks.size;
    const float *rows_upper = w->rows_factor[row / size].upper + row % size * (size + 1);
    int64_t of = w->choose ? w->choose->of : 0;
    load(w, row, count, first, width);
    for (int64_t i = 0; i < width; i++) {
        float *weight = w->weight + i * STRIP, *carry = w->carry + i * STRIP, pivot = w->column_pivot[first + i];
        const uint8_t *stays = w->stays + i * STRIP;
        if (of > 0 && i % of == 0) choose_group(w, count, first, i, pare_smaller(width - i, of));
        eliminate_column(weight, stays, w->error + i * STRIP, carry, rows_upper, w->row_pivot + row, size, count,
                         pivot);
        if (pivot == 0.0f) memset(carry, 0, (size_t)count * sizeof *carry);
        push_columns(weight, carry, w->columns_factor.upper + (first + i) * (w->columns + 1), width - i, count);
        for (int64_t l = 0; l < count; l++)
            if (!stays[l]) weight[l] = 0.0f;
    }
    store(w, row, count, first, width);
}

/* carried = R[above, rows]^T e of the rows above in the same block, in tiles of fixed size. */
static void carry_down(const work *w, int64_t row, int64_t count, int64_t width) {
    int64_t size = w->blocks.size, above = row % size;
    const float *upper = w->rows_factor[row / size].upper + above, *errors = w->errors + (row - above) * width;
#pragma omp parallel for schedule(static)
    for (int64_t j = 0; j < width; j += TILE)
        cblas_sgemm(CblasRowMajor, CblasTrans, CblasNoTrans, (int)count, (int)pare_smaller(width - j, TILE), (int)above,
                    1.0f, upper, (int)size, errors + j, (int)width, 0.0f, w->carried + row * width + j, (int)width);
}

static void eliminate_slab(const work *w, int64_t first, int64_t width) {
    int64_t behind = first + width, count;
    openblas_set_num_threads(1);
    for (int64_t row = 0; row < w->rows; row += count) {
        count = pare_smaller(w->blocks.size - row % w->blocks.size, STRIP);
        if (row % w->blocks.size) carry_down(w, row, count, width);
        eliminate_strip(w, row, count, first, width);
    }
    pare_product(w->rows, w->columns - behind, width, -1.0f, (pare_rows){w->carried, width},
                 (pare_rows){w->columns_factor.upper + first * w->columns + behind, w->columns}, 1.0f,
                 w->weights + behind, w->columns);
}

static pare_status sweep_rows_together(work *w) {
    PARE_TRY(buffers(w));
    for (int64_t first = 0; first < w->columns; first += w->slab) {
        int64_t width = pare_smaller(w->columns - first, w->slab);
        if (w->choose && w->choose->of == 0) choose_in_slab(w, first, width);
        eliminate_slab(w, first, width);
        PARE_TRY(pare_interrupted());
    }
    return PARE_OK;
}

/* Outputs that cost nothing get the lowest score. */
static void clear_dead_rows(const work *w, const pare_kronecker_metric *m) {
    for (int64_t row = 0; row < w->rows; row++)
        if (m->row_live[row] == 0.0f) memset(w->weights + row * w->columns, 0, (size_t)w->columns * sizeof *w->weights);
}

static pare_status sweep(work *w, const pare_kronecker_metric *m) {
    const pare_kronecker *k = m->problem;
    clear_dead_rows(w, m);
    PARE_TRY(factor(m, w));
    if (k->choose && !on_the_way(k->choose)) PARE_TRY(choose_at_first(w, m, k->choose));
    if (m->fisher) return sweep_rows_together(w);
    pare_obs_update update = {.factor = &w->columns_factor, .slab = w->slab, .choose = w->choose};
    return pare_obs_update_run(&update, w->weights, w->mask, NULL);
}

pare_status pare_kronecker_sweep(const pare_kronecker_metric *metric, float *weights, pare_element_mask *mask) {
    const pare_element_target *choose = metric->problem->choose;
    work w = {.choose = on_the_way(choose) ? choose : NULL,
              .blocks = metric->blocks,
              .weights = weights,
              .mask = mask,
              .rows = metric->rows,
              .columns = metric->columns,
              .slab = slab_of(metric->problem, metric->columns)};
    if (w.slab == 0 || w.rows == 0) return PARE_OK;
    pare_status status = sweep(&w, metric);
    work_free(&w);
    return status;
}
