#include "importance/salience.h"
#include "support/memory.h"
#include "support/random_normal.h"
#include "support/vectorize.h"

#include <math.h>

enum { FINITE_END = 0x7f800000 };

static const pare_salience_constants *constants_of(const pare_salience *salience, const pare_salience_matrix *matrix) {
    return matrix->constants ? matrix->constants : &salience->constants;
}

typedef struct need {
    unsigned what;
    const void *signal;
    const char *name;
} need;

static pare_status check_needs(const pare_salience *salience, unsigned needs, const pare_salience_matrix *matrix,
                               const float *squares) {
    const need all[] = {{PARE_NEEDS_GRADIENT, matrix->gradient, "a gradient"},
                        {PARE_NEEDS_SQUARES, squares, "the gradient of every sample"},
                        {PARE_NEEDS_INPUTS, matrix->inputs, "the norms of the inputs"},
                        {PARE_NEEDS_OUTPUTS, matrix->outputs, "the norms of the outputs"},
                        {PARE_NEEDS_MOMENTS, matrix->variance, "the moments of the inputs"},
                        {PARE_NEEDS_INVERSE, matrix->inverse, "the inverse of the inputs' Gram matrix"}};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        if ((needs & all[i].what) && !all[i].signal)
            return pare_fail(PARE_BAD_ARGUMENT, "the salience %s (%s) needs %s, which is not measured here",
                             salience->name, salience->formula, all[i].name);
    return PARE_OK;
}

void pare_salience_factors_free(pare_salience_factors *factors) {
    pare_free(factors->row);
    pare_free(factors->column);
    pare_free(factors->inputs);
    *factors = (pare_salience_factors){0};
}

pare_status pare_salience_prepare(const pare_salience *salience, const pare_salience_matrix *matrix,
                                  pare_salience_factors *out) {
    pare_salience_matrix complete = *matrix;
    unsigned by_element = PARE_NEEDS_SQUARES | (salience->needs & PARE_NEEDS_WHOLE ? 0 : PARE_NEEDS_GRADIENT);
    *out = (pare_salience_factors){0};
    PARE_TRY(check_needs(salience, salience->needs & ~by_element, matrix, NULL));
    if (!salience->prepare) return PARE_OK;
    complete.constants = constants_of(salience, matrix);
    pare_status status = pare_alloc(&out->row, (size_t)matrix->rows, sizeof(float), "salience factors");
    if (status == PARE_OK)
        status = pare_alloc(&out->column, (size_t)matrix->columns, sizeof(float), "salience factors");
    if (status == PARE_OK)
        status = pare_alloc(&out->inputs, (size_t)matrix->columns, sizeof(float), "salience factors");
    if (status == PARE_OK) status = salience->prepare(&complete, out);
    if (status != PARE_OK) pare_salience_factors_free(out);
    return status;
}

void pare_salience_weights(const pare_salience_matrix *matrix, size_t first, size_t count, float *out) {
    if (matrix->scattered)
        pare_tensor_values(matrix->scattered, first, count, out);
    else
        pare_to_float(out, (const char *)matrix->weight + first * pare_dtype_size(matrix->dtype), matrix->dtype, count);
}

void pare_salience_piece(const pare_salience *salience, const pare_salience_matrix *matrix,
                         const pare_salience_factors *factors, int64_t row, int64_t column, int64_t n,
                         const float *gradient, const float *squares, float *out) {
    float weight[PARE_SALIENCE_PIECE];
    size_t element = (size_t)(row * matrix->columns + column);
    const float *inputs = factors->inputs ? factors->inputs : matrix->inputs;
    pare_element_signals signals = {.gradient = gradient,
                                    .squares = squares,
                                    .inputs = inputs ? inputs + column : NULL,
                                    .column = factors->column ? factors->column + column : NULL,
                                    .row = factors->row ? factors->row[row] : 0.0f,
                                    .scale = factors->scale,
                                    .offset = factors->offset,
                                    .constants = constants_of(salience, matrix)};
    pare_salience_weights(matrix, element, (size_t)n, weight);
    salience->elements(weight, &signals, n, out);
}

/* Takes the signs away; returns whether all are finite. */
PARE_VECTORIZE static bool make_absolute(float *x, int64_t n) {
    uint32_t largest = 0;
    for (int64_t i = 0; i < n; i++) {
        x[i] = fabsf(x[i]);
        uint32_t bits = pare_bits_of_float(x[i]);
        largest = bits > largest ? bits : largest;
    }
    return largest < FINITE_END;
}

static pare_status refuse(const pare_salience *salience, const pare_salience_matrix *matrix, const float *scores) {
    int64_t at = 0;
    while (isfinite(scores[at]))
        at++;
    return pare_fail(PARE_NUMERIC_ERROR,
                     "the score %s (%s) of the weight in row %lld, column %lld is %g: the weights or the calibration's "
                     "signals hold NaN or infinity, or are too large to be multiplied",
                     salience->name, salience->formula, (long long)(at / matrix->columns),
                     (long long)(at % matrix->columns), (double)scores[at]);
}

static bool score_row(const pare_salience *salience, const pare_salience_matrix *matrix,
                      const pare_salience_factors *factors, int64_t row, const float *squares, float *scores) {
    for (int64_t column = 0; column < matrix->columns; column += PARE_SALIENCE_PIECE) {
        int64_t left = matrix->columns - column, at = row * matrix->columns + column;
        pare_salience_piece(
            salience, matrix, factors, row, column, left < PARE_SALIENCE_PIECE ? left : PARE_SALIENCE_PIECE,
            matrix->gradient ? matrix->gradient + at : NULL, squares ? squares + at : NULL, scores + at);
    }
    return make_absolute(scores + row * matrix->columns, matrix->columns);
}

pare_status pare_salience_scores(const pare_salience *salience, const pare_salience_matrix *matrix,
                                 const float *squares, float *scores) {
    pare_salience_factors factors;
    bool finite = true;
    PARE_TRY(check_needs(salience, salience->needs, matrix, squares));
    if (salience->whole) return salience->whole(salience, matrix, squares, scores);
    PARE_TRY(pare_salience_prepare(salience, matrix, &factors));
#pragma omp parallel for schedule(static) reduction(&& : finite) if (matrix->rows * matrix->columns > 65536)
    for (int64_t row = 0; row < matrix->rows; row++)
        finite = score_row(salience, matrix, &factors, row, squares, scores) && finite;
    pare_salience_factors_free(&factors);
    return finite ? PARE_OK : refuse(salience, matrix, scores);
}
