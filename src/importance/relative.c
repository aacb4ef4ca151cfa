#include "importance/relative.h"
#include "support/memory.h"
#include "support/vectorize.h"

#include <float.h>
#include <math.h>

float pare_relative_reciprocal(double norm) {
    return norm > 0.0 ? (float)fmin(1.0 / norm, FLT_MAX / 4.0) : 0.0f;
}

pare_status pare_relative_inputs(const pare_salience_matrix *matrix, pare_salience_factors *factors) {
    double exponent = matrix->constants->exponent;
    if (!(exponent >= 0.0 && exponent <= DBL_MAX))
        return pare_fail(PARE_BAD_ARGUMENT, "%g cannot be the power of an input's norm: give a number from 0 up",
                         exponent);
    for (int64_t i = 0; i < matrix->columns; i++)
        factors->inputs[i] = (float)pow((double)matrix->inputs[i], exponent);
    return PARE_OK;
}

pare_status pare_relative_prepare(const pare_salience_matrix *matrix, double order, pare_salience_factors *factors) {
    double *row, *column;
    PARE_TRY(pare_alloc(&row, (size_t)(matrix->rows + matrix->columns), sizeof *row, "norms of weights"));
    column = row + matrix->rows;
    pare_status status = pare_weight_norms(matrix, order, row, column);
    for (int64_t i = 0; i < matrix->rows && status == PARE_OK; i++)
        factors->row[i] = pare_relative_reciprocal(row[i]);
    for (int64_t i = 0; i < matrix->columns && status == PARE_OK; i++)
        factors->column[i] = pare_relative_reciprocal(column[i]);
    pare_free(row);
    return status;
}

PARE_VECTORIZE void pare_relative_elements(const float *weight, const pare_element_signals *signals, int64_t n,
                                           float *salience) {
    const float *column = signals->column, *inputs = signals->inputs;
    float row = signals->row;
    for (int64_t i = 0; i < n; i++)
        salience[i] = fabsf(weight[i]) * (column[i] + row) * inputs[i];
}
