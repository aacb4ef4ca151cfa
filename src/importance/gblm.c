/* GBLM-Pruner (arXiv 2311.04902; spec 4), with Wanda++'s regional gradient the same formula. */
#include "importance/salience.h"
#include "support/vectorize.h"

#include <math.h>

PARE_VECTORIZE static void both(const float *weight, const pare_element_signals *signals, int64_t n, float *salience) {
    const float *inputs = signals->inputs, *gradient = signals->gradient;
    float alpha = (float)signals->constants->alpha;
    for (int64_t i = 0; i < n; i++)
        salience[i] = fabsf(weight[i]) * inputs[i] + fabsf(weight[i]) * (alpha * fabsf(gradient[i]));
}

PARE_VECTORIZE static void alone(const float *weight, const pare_element_signals *signals, int64_t n, float *salience) {
    const float *gradient = signals->gradient;
    for (int64_t i = 0; i < n; i++)
        salience[i] = fabsf(weight[i]) * fabsf(gradient[i]);
}

const pare_salience pare_salience_gblm = {.name = "gblm",
                                          .formula = "|w| ||x|| + alpha |w| |g|",
                                          .needs = PARE_NEEDS_INPUTS | PARE_NEEDS_GRADIENT,
                                          .constants = {.alpha = 100.0},
                                          .elements = both};
const pare_salience pare_salience_gradient = {
    .name = "gradient", .formula = "|w| |g|", .needs = PARE_NEEDS_GRADIENT, .elements = alone};
