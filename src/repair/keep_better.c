#include "repair/keep_better.h"
#include "repair/layer_error.h"
#include "support/cholesky.h"
#include "support/memory.h"

#include <cblas.h>
#include <string.h>

typedef struct work {
    const float *dense, *gram;
    const pare_row_metric *metric;
    const pare_element_mask *mask;
    float *scratch;
} work;

/* D, of the dense weights under the mask if `weights` is NULL. */
static void take_difference(const work *w, const float *weights) {
    int64_t columns = w->mask->columns;
#pragma omp parallel for schedule(static)
    for (int64_t row = 0; row < w->mask->rows; row++)
        for (int64_t j = 0; j < columns; j++) {
            int64_t k = row * columns + j;
            float kept = pare_element_kept(w->mask, row, j) ? w->dense[k] : 0.0f;
            w->scratch[k] = w->dense[k] - (weights ? weights[k] : kept);
        }
}

/* D <- L^T D */
static void turn(const work *w) {
    pare_blocks b = w->metric->blocks;
    int columns = (int)w->mask->columns;
    pare_blas_threads();
    for (int64_t i = 0; i < (columns ? b.count : 0); i++)
        cblas_strmm(CblasRowMajor, CblasLeft, CblasLower, CblasTrans, CblasNonUnit, (int)b.size, columns, 1.0f,
                    w->metric->factor + pare_blocks_begin(b, i), (int)b.size, w->scratch + i * b.size * columns,
                    columns);
}

/* The errors of D's rows; of all together in the first with a factor: tr(F D G D^T) is that of L^T D with F = I. */
static pare_status measure(const work *w, double *errors, double *total) {
    int64_t rows = w->mask->rows, columns = w->mask->columns;
    *total = 0.0;
    if (w->metric->factor) turn(w);
    PARE_TRY(pare_layer_error_rows(w->scratch, NULL, w->gram, rows, columns, errors));
    for (int64_t row = 0; row < rows; row++) {
        if (w->metric->weight) errors[row] *= w->metric->weight[row];
        *total += errors[row];
    }
    return PARE_OK;
}

static void take_dense(const work *w, int64_t row, float *weights) {
    for (int64_t j = 0; j < w->mask->columns; j++) {
        int64_t k = row * w->mask->columns + j;
        weights[k] = pare_element_kept(w->mask, row, j) ? w->dense[k] : 0.0f;
    }
}

static pare_status decide(const work *w, double *errors, float *weights, pare_better *out) {
    int64_t rows = w->mask->rows;
    take_difference(w, NULL);
    PARE_TRY(measure(w, errors, &out->before));
    take_difference(w, weights);
    PARE_TRY(measure(w, errors + rows, &out->after));
    bool together = w->metric->factor, worse = !(out->after <= out->before);
    double after = 0.0;
    for (int64_t row = 0; row < rows; row++) {
        bool back = together ? worse : !(errors[rows + row] <= errors[row]);
        if (back) take_dense(w, row, weights);
        out->rows += back;
        after += back ? errors[row] : errors[rows + row];
    }
    out->after = after;
    return PARE_OK;
}

pare_status pare_keep_better(const float *dense, const float *gram, const pare_row_metric *metric,
                             const pare_element_mask *mask, float *scratch, float *weights, pare_better *out) {
    work w = {.dense = dense, .gram = gram, .metric = metric, .mask = mask, .scratch = scratch};
    double *errors;
    *out = (pare_better){0};
    PARE_TRY(pare_alloc(&errors, 2 * (size_t)mask->rows, sizeof *errors, "weight update"));
    pare_status status = decide(&w, errors, weights, out);
    pare_free(errors);
    return status;
}
