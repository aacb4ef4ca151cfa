#include "importance/salience.h"
#include "support/vectorize.h"

/* FLAP (An et al. 2023, eq. 5): the error of an output whose inputs stand still at their means, sum over the tokens of
 * (w (x - E[x]))^2. */
PARE_VECTORIZE static void elements(const float *weight, const pare_element_signals *signals, int64_t n,
                                    float *salience) {
    const float *inputs = signals->inputs;
    for (int64_t i = 0; i < n; i++)
        salience[i] = weight[i] * weight[i] * inputs[i] * inputs[i];
}

const pare_salience pare_salience_fluctuation = {.name = "fluctuation",
                                                 .formula = "w^2 ||x - mean||^2",
                                                 .needs = PARE_NEEDS_INPUTS | PARE_NEEDS_CENTERED,
                                                 .elements = elements};
