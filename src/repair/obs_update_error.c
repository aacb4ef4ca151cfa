/* The error that an update leaves, from what it says itself. */
#include "repair/obs_update.h"
#include "support/memory.h"
#include "support/vectorize.h"

#include <math.h>

/* damping, diagonal: [columns] of every input. */
PARE_VECTORIZE static double of_row(const float *dense, const float *updated, const float *written,
                                    const float *damping, const float *diagonal, int64_t columns) {
    double sum = 0.0;
#pragma omp simd reduction(+ : sum)
    for (int64_t j = 0; j < columns; j++) {
        double moved = (double)updated[j] - (double)dense[j], rounded = (double)written[j] - (double)updated[j];
        sum += rounded * rounded * (double)diagonal[j] - moved * moved * (double)damping[j];
    }
    return sum;
}

static double total(const pare_inverse_factor *factor, const pare_obs_outcome *o, float *columns, double *sums) {
    int64_t n = factor->n;
    double sum = 2.0 * o->loss;
    for (int64_t j = 0; j < n; j++) {
        columns[j] = factor->dead[j] ? 0.0f : (float)factor->damping.lambda;
        columns[n + j] = o->gram[j * (n + 1)];
    }
#pragma omp parallel for schedule(static)
    for (int64_t row = 0; row < o->rows; row++)
        sums[row] = of_row(o->dense + row * n, o->updated + row * n, o->written + row * n, columns, columns + n, n);
    for (int64_t row = 0; row < o->rows; row++)
        sum += sums[row];
    return sum;
}

pare_status pare_obs_update_error(const pare_inverse_factor *factor, const pare_obs_outcome *outcome, double *error) {
    float *columns;
    double *sums = NULL;
    *error = NAN;
    if (factor->identity) return PARE_OK;
    PARE_TRY(pare_alloc(&columns, 2 * (size_t)factor->n, sizeof *columns, "layer error"));
    pare_status status = pare_alloc(&sums, (size_t)outcome->rows, sizeof *sums, "layer error");
    if (!status) *error = total(factor, outcome, columns, sums);
    pare_free(columns);
    pare_free(sums);
    return status;
}
