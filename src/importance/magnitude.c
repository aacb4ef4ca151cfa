#include "importance/salience.h"
#include "support/vectorize.h"

#include <math.h>

PARE_VECTORIZE static void absolute(const float *weight, const pare_element_signals *signals, int64_t n,
                                    float *salience) {
    (void)signals;
    for (int64_t i = 0; i < n; i++)
        salience[i] = fabsf(weight[i]);
}

PARE_VECTORIZE static void square(const float *weight, const pare_element_signals *signals, int64_t n,
                                  float *salience) {
    (void)signals;
    for (int64_t i = 0; i < n; i++)
        salience[i] = weight[i] * weight[i];
}

const pare_salience pare_salience_absolute = {.name = "l1", .formula = "|w|", .elements = absolute};
const pare_salience pare_salience_square = {.name = "l2", .formula = "w^2", .elements = square};
