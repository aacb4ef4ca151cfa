#include "importance/salience.h"
#include "support/vectorize.h"

static pare_status prepare(const pare_salience_matrix *matrix, pare_salience_factors *factors) {
    for (int64_t i = 0; i < matrix->columns; i++)
        factors->column[i] = matrix->inverse[i] * matrix->inverse[i];
    return PARE_OK;
}

PARE_VECTORIZE static void elements(const float *weight, const pare_element_signals *signals, int64_t n,
                                    float *salience) {
    const float *column = signals->column;
    for (int64_t i = 0; i < n; i++)
        salience[i] = column[i] != 0.0f ? weight[i] * weight[i] / column[i] : 0.0f;
}

const pare_salience pare_salience_inverse = {
    .name = "obs", .formula = "w^2 / U^2", .needs = PARE_NEEDS_INVERSE, .prepare = prepare, .elements = elements};
