/* RIA and RI (ICLR 2024, eq. 3; spec 5), and the same with l_p norms (arXiv 2501.18980, Lemma 3.8). */
#include "importance/relative.h"

static pare_status prepare(const pare_salience_matrix *matrix, pare_salience_factors *factors) {
    PARE_TRY(pare_relative_inputs(matrix, factors));
    return pare_relative_prepare(matrix, 1.0, factors);
}

static pare_status prepare_without_inputs(const pare_salience_matrix *matrix, pare_salience_factors *factors) {
    for (int64_t i = 0; i < matrix->columns; i++)
        factors->inputs[i] = 1.0f;
    return pare_relative_prepare(matrix, 1.0, factors);
}

static pare_status prepare_norms(const pare_salience_matrix *matrix, pare_salience_factors *factors) {
    PARE_TRY(pare_relative_inputs(matrix, factors));
    return pare_relative_prepare(matrix, matrix->constants->order, factors);
}

const pare_salience pare_salience_ria = {.name = "ria",
                                         .formula = "|w| (1/column + 1/row) ||x||^a",
                                         .needs = PARE_NEEDS_INPUTS,
                                         .constants = {.exponent = 0.5},
                                         .prepare = prepare,
                                         .elements = pare_relative_elements};
const pare_salience pare_salience_ri = {.name = "ri",
                                        .formula = "|w| (1/column + 1/row)",
                                        .prepare = prepare_without_inputs,
                                        .elements = pare_relative_elements};
const pare_salience pare_salience_lp = {.name = "lp",
                                        .formula = "|w| (1/||column||_p + 1/||row||_p) ||x||^a",
                                        .needs = PARE_NEEDS_INPUTS,
                                        .constants = {.exponent = 0.5, .order = 1.0},
                                        .prepare = prepare_norms,
                                        .elements = pare_relative_elements};
