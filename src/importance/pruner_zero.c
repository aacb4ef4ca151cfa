/* Pruner-Zero (ICML 2024; spec 8.2). */
#include "importance/salience.h"
#include "support/vectorize.h"

#include <float.h>
#include <math.h>

/* offset: the least |g|; scale: what brings the largest to 1. NaN stays out of both and comes back in its own score. */
static pare_status prepare(const pare_salience_matrix *matrix, pare_salience_factors *factors) {
    float least = INFINITY, most = 0.0f;
    const float *gradient = matrix->gradient;
#pragma omp parallel for schedule(static) reduction(min : least) reduction(max : most)
    for (int64_t i = 0; i < matrix->rows * matrix->columns; i++) {
        float size = fabsf(gradient[i]);
        least = size < least ? size : least;
        most = size > most ? size : most;
    }
    factors->offset = least;
    factors->scale = most > least ? (float)fmin(1.0 / ((double)most - (double)least), FLT_MAX) : 0.0f;
    return PARE_OK;
}

PARE_VECTORIZE static void elements(const float *weight, const pare_element_signals *signals, int64_t n,
                                    float *salience) {
    const float *gradient = signals->gradient;
    float offset = signals->offset, scale = signals->scale;
    for (int64_t i = 0; i < n; i++)
        salience[i] = weight[i] * weight[i] * ((fabsf(gradient[i]) - offset) * scale);
}

const pare_salience pare_salience_pruner_zero = {.name = "pruner-zero",
                                                 .formula = "w^2 (|g| - min) / (max - min)",
                                                 .needs = PARE_NEEDS_GRADIENT | PARE_NEEDS_WHOLE,
                                                 .prepare = prepare,
                                                 .elements = elements};
