#include "repair/kronecker.h"
#include "repair/keep_better.h"
#include "repair/kronecker_internal.h"
#include "repair/layer_error.h"
#include "repair/masked_cg.h"
#include "repair/sandwich.h"
#include "support/finite.h"
#include "support/memory.h"
#include "support/order.h"

#include <math.h>
#include <omp.h>
#include <string.h>

enum { HISTOGRAM = 1 << 16 }; /* of a thread, for the mask */

const pare_kronecker pare_kronecker_defaults = {.damping = 0.01,
                                                .fisher_damping = 0.1,
                                                .slab = 128,
                                                .iterations = 20,
                                                .inner = 1,
                                                .rho = 0.1,
                                                .growth = 1.15,
                                                .refine = 5};

uint64_t pare_kronecker_bytes(const pare_kronecker *kronecker, int64_t coupled, int64_t rows, int64_t columns) {
    uint64_t r = (uint64_t)rows, c = (uint64_t)columns, matrix = r * c * sizeof(float);
    uint64_t held = pare_kronecker_metric_held_bytes(coupled, rows, columns);
    uint64_t phase = pare_kronecker_metric_bytes(coupled, rows, columns) - held;
    phase = pare_larger_bytes(phase, kronecker->sweep ? pare_kronecker_sweep_bytes(kronecker, coupled, rows, columns)
                                                      : pare_kronecker_admm_bytes(kronecker, coupled, rows, columns));
    bool rounds = pare_sandwich_rounds(kronecker->backend);
    phase = pare_larger_bytes(phase, pare_masked_cg_metric_bytes(rounds, coupled, rows, columns));
    uint64_t judge =
        matrix + r * (uint64_t)coupled * sizeof(float) + pare_layer_error_bytes(rows, columns) + 2 * r * sizeof(double);
    uint64_t choosing = (uint64_t)omp_get_max_threads() * HISTOGRAM * sizeof(uint64_t);
    return matrix + held + pare_larger_bytes(phase, judge) + choosing;
}

/* Both sides are factored for their damping; then one way or the other, conjugate gradients, and two errors. */
pare_work pare_kronecker_work(const pare_kronecker *kronecker, int64_t coupled, int64_t rows, int64_t columns) {
    double m = (double)rows, n = (double)columns;
    pare_work work = kronecker->sweep ? pare_kronecker_sweep_work(kronecker, coupled, rows, columns)
                                      : pare_kronecker_admm_work(kronecker, coupled, rows, columns);
    bool rounds = pare_sandwich_rounds(kronecker->backend);
    pare_work refine = pare_masked_cg_work(rounds, coupled, rows, columns, kronecker->refine);
    pare_work error = pare_layer_error_work(rows, columns);
    pare_work_add(&work, &refine, 1.0);
    pare_work_add(&work, &error, 2.0);
    double b = (double)coupled;
    work.amount[PARE_WORK_SINGLE] += n * n * n / 3.0 + 2.0 * m * b * b / 3.0 + 2.0 * m * b * n;
    work.amount[PARE_WORK_BYTES] += (10.0 * m * n + 4.0 * n * n) * sizeof(float);
    return work;
}

static pare_status check(const pare_kronecker *k, const float *weights, const pare_element_mask *mask) {
    pare_element_mask none = {0};
    if (k->choose) PARE_TRY(pare_element_select(NULL, k->choose, &none)); /* refuses what makes no sense */
    if (!k->sweep && (!(k->rho > 0.0) || !(k->growth > 0.0) || k->iterations < 0 || k->inner < 1))
        return pare_fail(PARE_BAD_ARGUMENT,
                         "ADMM needs iterations, inner steps, a rho and a growth above 0, not %d, %d, %g and %g",
                         (int)k->iterations, (int)k->inner, k->rho, k->growth);
    if (k->sweep && k->slab < 1)
        return pare_fail(PARE_BAD_ARGUMENT, "a slab of %lld columns has none: give at least 1", (long long)k->slab);
    if (!pare_all_finite(weights, mask->rows * mask->columns))
        return pare_fail(PARE_NUMERIC_ERROR,
                         "the weights of %s hold NaN or infinity: check the model with `pare inspect`", k->what);
    return PARE_OK;
}

/* Weights of dead inputs and outputs stay. */
static void restore_dead(const pare_kronecker_metric *m, const float *dense, float *weights) {
#pragma omp parallel for schedule(static)
    for (int64_t row = 0; row < m->rows; row++)
        for (int64_t j = 0; j < m->columns; j++)
            if (m->row_live[row] * m->column_live[j] == 0.0f)
                weights[row * m->columns + j] = dense[row * m->columns + j];
}

/* The factors of the metric's F; outputs without weight in it have none in the factor. */
static pare_status factor_rows(const pare_kronecker_metric *m, float *factor) {
    pare_blocks b = m->blocks;
    memcpy(factor, m->fisher, (size_t)pare_blocks_elements(b) * sizeof *factor);
    for (int64_t i = 0; i < m->rows; i++)
        if (m->row_live[i] == 0.0f) factor[pare_blocks_diagonal(b, i)] = 1.0f;
    for (int64_t i = 0; i < b.count; i++)
        if (!pare_cholesky_float(factor + pare_blocks_begin(b, i), b.size))
            return pare_fail(
                PARE_NUMERIC_ERROR,
                "the loss's gradients at the outputs of %s are too alike to be factored: raise their damping",
                m->problem->what);
    for (int64_t i = 0; i < m->rows; i++)
        if (m->row_live[i] == 0.0f) factor[pare_blocks_diagonal(b, i)] = 0.0f;
    return PARE_OK;
}

static pare_status judge(const pare_kronecker_metric *m, const float *dense, const pare_element_mask *mask,
                         float *weights, pare_better *better) {
    float *scratch, *factor = NULL;
    PARE_TRY(pare_alloc_uninitialized(&scratch, (size_t)(m->rows * m->columns), sizeof *scratch, "weight update"));
    pare_status status = PARE_OK;
    if (m->fisher) {
        status =
            pare_alloc_uninitialized(&factor, (size_t)pare_blocks_elements(m->blocks), sizeof *factor, "weight update");
        if (!status) status = factor_rows(m, factor);
    }
    if (!status)
        status = pare_keep_better(dense, m->gram, &(pare_row_metric){factor, m->blocks, factor ? NULL : m->row_weight},
                                  mask, scratch, weights, better);
    pare_free(scratch);
    pare_free(factor);
    return status;
}

/* Conjugate gradients, and the judgement of what they come to. */
static pare_status refine(const pare_kronecker_metric *m, const float *dense, float *weights,
                          const pare_element_mask *mask, pare_better *better) {
    int32_t steps = m->problem->refine;
    if (steps > 0)
        PARE_TRY(
            pare_masked_cg_metric(m->problem->backend, dense, m->gram, m->fisher, m->blocks, mask, steps, weights));
    restore_dead(m, dense, weights);
    pare_element_mask_apply(mask, weights);
    return judge(m, dense, mask, weights, better);
}

/* A start that was worse than the target under the mask is replaced by that, and refined again. */
static pare_status run(pare_kronecker_metric *m, const float *dense, float *weights, pare_element_mask *mask,
                       pare_better *better) {
    const pare_kronecker *k = m->problem;
    pare_kronecker_scale(m, weights, false);
    PARE_TRY(k->sweep ? pare_kronecker_sweep(m, weights, mask) : pare_kronecker_admm(m, weights, mask));
    pare_kronecker_scale(m, weights, true);
    pare_kronecker_metric_unscale(m);
    PARE_TRY(refine(m, dense, weights, mask, better));
    return better->rows && k->refine > 0 ? refine(m, dense, weights, mask, better) : PARE_OK;
}

pare_status pare_kronecker_run(const pare_kronecker *kronecker, float *weights, pare_element_mask *mask,
                               pare_kronecker_result *result) {
    pare_kronecker_metric metric;
    pare_better better = {0};
    float *dense;
    size_t size = (size_t)(mask->rows * mask->columns);
    PARE_TRY(check(kronecker, weights, mask));
    PARE_TRY(pare_alloc_uninitialized(&dense, size, sizeof *dense, "weight update"));
    memcpy(dense, weights, size * sizeof *dense);
    pare_status status = pare_kronecker_metric_new(kronecker, mask->rows, mask->columns, &metric);
    if (!status) {
        status = run(&metric, dense, weights, mask, &better);
        *result = (pare_kronecker_result){better.before, better.after, metric.gram_damping, metric.fisher_damping};
        pare_kronecker_metric_free(&metric);
    }
    pare_free(dense);
    return status;
}
