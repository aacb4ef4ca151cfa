#include "importance/salience.h"
#include "support/vectorize.h"

#include <math.h>

PARE_VECTORIZE static void elements(const float *weight, const float *signal, int64_t n, float *salience) {
    for (int64_t i = 0; i < n; i++)
        salience[i] = fabsf(weight[i] * signal[i]);
}

const pare_salience pare_salience_first_order = {.name = "|w s|", .needs_signal = true, .elements = elements};
