#include "importance/relative.h"
#include "support/vectorize.h"

#include <math.h>

enum { PIECE = 256, LARGEST_ORDER = 64 };

/* |w|^p, of which a norm is the sum; the largest is of |w| itself. */
PARE_VECTORIZE static void terms(const float *weight, int64_t n, double order, double *out) {
    for (int64_t i = 0; i < n; i++)
        out[i] = (double)fabsf(weight[i]);
    if (order == 0.0)
        for (int64_t i = 0; i < n; i++)
            out[i] = out[i] != 0.0 ? 1.0 : 0.0;
    else if (order == 2.0)
        for (int64_t i = 0; i < n; i++)
            out[i] = out[i] * out[i];
    else if (order != 1.0 && !isinf(order))
        for (int64_t i = 0; i < n; i++)
            out[i] = pow(out[i], order);
}

/* into[n]: the sums so far, or the largest; one lane per term. */
PARE_VECTORIZE static void merge(double *restrict into, const double *restrict term, int64_t n, bool largest) {
    if (largest)
        for (int64_t i = 0; i < n; i++)
            into[i] = into[i] > term[i] ? into[i] : term[i];
    else
        for (int64_t i = 0; i < n; i++)
            into[i] += term[i];
}

static double finish(double merged, double order) {
    if (order == 0.0 || order == 1.0 || isinf(order)) return merged;
    return order == 2.0 ? sqrt(merged) : pow(merged, 1.0 / order);
}

static void load(const pare_salience_matrix *matrix, int64_t row, int64_t column, int64_t n, double order,
                 double *out) {
    float weight[PIECE];
    size_t element = (size_t)(row * matrix->columns + column);
    pare_to_float(weight, (const char *)matrix->weight + element * pare_dtype_size(matrix->dtype), matrix->dtype,
                  (size_t)n);
    terms(weight, n, order, out);
}

static int64_t piece_at(int64_t columns, int64_t column) {
    return columns - column < PIECE ? columns - column : PIECE;
}

static double norm_of_row(const pare_salience_matrix *matrix, int64_t row, double order) {
    bool largest = isinf(order);
    double lanes[PIECE] = {0};
    for (int64_t column = 0; column < matrix->columns; column += PIECE) {
        double term[PIECE];
        int64_t n = piece_at(matrix->columns, column);
        load(matrix, row, column, n, order, term);
        merge(lanes, term, n, largest);
    }
    for (int width = PIECE / 2; width > 0; width /= 2)
        merge(lanes, lanes + width, width, largest);
    return finish(lanes[0], order);
}

static void norms_of_columns(const pare_salience_matrix *matrix, int64_t column, double order, double *out) {
    int64_t n = piece_at(matrix->columns, column);
    double sums[PIECE] = {0};
    for (int64_t row = 0; row < matrix->rows; row++) {
        double term[PIECE];
        load(matrix, row, column, n, order, term);
        merge(sums, term, n, isinf(order));
    }
    for (int64_t i = 0; i < n; i++)
        out[column + i] = finish(sums[i], order);
}

pare_status pare_weight_norms(const pare_salience_matrix *matrix, double order, double *row, double *column) {
    bool large = matrix->rows * matrix->columns > 65536;
    if (!(order >= 0.0 && (order <= (double)LARGEST_ORDER || isinf(order))))
        return pare_fail(PARE_BAD_ARGUMENT,
                         "%g cannot be the order p of a norm: give a number from 0 to %d, or inf for the largest value",
                         order, LARGEST_ORDER);
#pragma omp parallel for schedule(static) if (large)
    for (int64_t i = 0; i < matrix->rows; i++)
        row[i] = norm_of_row(matrix, i, order);
#pragma omp parallel for schedule(static) if (large)
    for (int64_t i = 0; i < matrix->columns; i += PIECE)
        norms_of_columns(matrix, i, order, column);
    return PARE_OK;
}
