#include "importance/salience.h"
#include "support/vectorize.h"

#include <math.h>

PARE_VECTORIZE static void elements(const float *weight, const pare_element_signals *signals, int64_t n,
                                    float *salience) {
    const float *inputs = signals->inputs;
    for (int64_t i = 0; i < n; i++)
        salience[i] = fabsf(weight[i]) * inputs[i];
}

const pare_salience pare_salience_activation = {
    .name = "wanda", .formula = "|w| ||x||", .needs = PARE_NEEDS_INPUTS, .elements = elements};
