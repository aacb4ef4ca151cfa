#include "importance/salience.h"
#include "support/vectorize.h"

#include <math.h>

PARE_VECTORIZE static void absolute(const float *weight, const pare_element_signals *signals, int64_t n,
                                    float *salience) {
    const float *gradient = signals->gradient;
    for (int64_t i = 0; i < n; i++)
        salience[i] = fabsf(weight[i] * gradient[i]);
}

PARE_VECTORIZE static void with_sign(const float *weight, const pare_element_signals *signals, int64_t n,
                                     float *salience) {
    const float *gradient = signals->gradient;
    for (int64_t i = 0; i < n; i++)
        salience[i] = weight[i] * gradient[i];
}

const pare_salience pare_salience_first_order = {
    .name = "param_first", .formula = "|w g|", .needs = PARE_NEEDS_GRADIENT, .elements = absolute};
const pare_salience pare_salience_vectorize = {.name = "vectorize",
                                               .formula = "w g, |.| of the sum",
                                               .needs = PARE_NEEDS_GRADIENT,
                                               .signed_sum = true,
                                               .elements = with_sign};
