#include "importance/salience.h"
#include "support/vectorize.h"

#include <math.h>

PARE_VECTORIZE static void second(const float *weight, const pare_element_signals *signals, int64_t n,
                                  float *salience) {
    const float *squares = signals->squares;
    for (int64_t i = 0; i < n; i++)
        salience[i] = fabsf(weight[i] * squares[i] * weight[i]);
}

PARE_VECTORIZE static void mixed(const float *weight, const pare_element_signals *signals, int64_t n, float *salience) {
    const float *gradient = signals->gradient, *squares = signals->squares;
    for (int64_t i = 0; i < n; i++)
        salience[i] = fabsf(weight[i] * gradient[i] - 0.5f * weight[i] * squares[i] * weight[i]);
}

const pare_salience pare_salience_second_order = {.name = "param_second",
                                                  .formula = "|w A w|",
                                                  .needs = PARE_NEEDS_GRADIENT | PARE_NEEDS_SQUARES,
                                                  .elements = second};
const pare_salience pare_salience_mixed = {.name = "param_mix",
                                           .formula = "|w g - w A w / 2|",
                                           .needs = PARE_NEEDS_GRADIENT | PARE_NEEDS_SQUARES,
                                           .elements = mixed};
