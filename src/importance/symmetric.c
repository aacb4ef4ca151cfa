/* Symmetric Pruning (arXiv 2501.18980; spec 7.1 to 7.3): a column's and a row's factor are added, or their squares, by
 * Lemma 3.1. */
#include "importance/relative.h"
#include "support/memory.h"
#include "support/vectorize.h"

#include <math.h>

PARE_VECTORIZE static void sums(const float *restrict weight, const float *restrict column, float row, int64_t n,
                                float *restrict salience) {
    for (int64_t i = 0; i < n; i++)
        salience[i] = fabsf(weight[i]) * (column[i] + row);
}

/* column and row are squares already. */
PARE_VECTORIZE static void roots(const float *restrict weight, const float *restrict column, float row, int64_t n,
                                 float *restrict salience) {
    for (int64_t i = 0; i < n; i++)
        salience[i] = fabsf(weight[i]) * sqrtf(column[i] + row);
}

static void elements(const float *weight, const pare_element_signals *signals, int64_t n, float *salience) {
    (signals->constants->squared ? roots : sums)(weight, signals->column, signals->row, n, salience);
}

PARE_VECTORIZE static void by_row(const float *weight, const pare_element_signals *signals, int64_t n,
                                  float *salience) {
    float row = signals->row;
    for (int64_t i = 0; i < n; i++)
        salience[i] = fabsf(weight[i]) * row;
}

/* norms over their mean; zeros stay zeros. */
static void fill_relative(const float *norm, int64_t n, double weight, bool squared, float *out) {
    double sum = 0.0;
    for (int64_t i = 0; i < n; i++)
        sum += (double)norm[i];
    for (int64_t i = 0; i < n; i++) {
        double relative = sum != 0.0 ? (double)norm[i] / (sum / (double)n) : 0.0;
        out[i] = (float)(weight * (squared ? relative * relative : relative));
    }
}

static pare_status prepare_both(const pare_salience_matrix *matrix, pare_salience_factors *factors) {
    const pare_salience_constants *c = matrix->constants;
    if (!(c->balance >= 0.0 && isfinite(c->balance)))
        return pare_fail(PARE_BAD_ARGUMENT, "%g cannot weigh the outputs against the inputs: give a number from 0 up",
                         c->balance);
    fill_relative(matrix->inputs, matrix->columns, 1.0, c->squared, factors->column);
    fill_relative(matrix->outputs, matrix->rows, c->balance, c->squared, factors->row);
    return PARE_OK;
}

static pare_status prepare_outputs(const pare_salience_matrix *matrix, pare_salience_factors *factors) {
    for (int64_t i = 0; i < matrix->rows; i++)
        factors->row[i] = matrix->outputs[i];
    return PARE_OK;
}

static void fill_norms(const double *norm, int64_t n, bool squared, float *out) {
    for (int64_t i = 0; i < n; i++)
        out[i] = (float)(squared ? norm[i] * norm[i] : norm[i]);
}

static pare_status prepare_weights(const pare_salience_matrix *matrix, pare_salience_factors *factors) {
    const pare_salience_constants *c = matrix->constants;
    double *row;
    PARE_TRY(pare_alloc(&row, (size_t)(matrix->rows + matrix->columns), sizeof *row, "norms of weights"));
    pare_status status = pare_weight_norms(matrix, c->order, row, row + matrix->rows);
    if (status == PARE_OK) {
        fill_norms(row, matrix->rows, c->squared, factors->row);
        fill_norms(row + matrix->rows, matrix->columns, c->squared, factors->column);
    }
    pare_free(row);
    return status;
}

const pare_salience pare_salience_symwanda = {.name = "symwanda",
                                              .formula = "|w| (||x||/mean + lambda ||y||/mean)",
                                              .needs = PARE_NEEDS_INPUTS | PARE_NEEDS_OUTPUTS,
                                              .constants = {.balance = 1.0},
                                              .prepare = prepare_both,
                                              .elements = elements};
const pare_salience pare_salience_owanda = {.name = "owanda",
                                            .formula = "|w| ||y||",
                                            .needs = PARE_NEEDS_OUTPUTS,
                                            .prepare = prepare_outputs,
                                            .elements = by_row};
const pare_salience pare_salience_symmetric = {.name = "symmetric",
                                               .formula = "|w| (||column||_p + ||row||_p)",
                                               .constants = {.order = 2.0},
                                               .prepare = prepare_weights,
                                               .elements = elements};
