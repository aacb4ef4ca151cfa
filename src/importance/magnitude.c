#include "importance/salience.h"
#include "support/vectorize.h"

#include <math.h>

PARE_VECTORIZE static void absolute(const float *weight, const float *signal, int64_t n, float *salience) {
    (void)signal;
    for (int64_t i = 0; i < n; i++)
        salience[i] = fabsf(weight[i]);
}

PARE_VECTORIZE static void square(const float *weight, const float *signal, int64_t n, float *salience) {
    (void)signal;
    for (int64_t i = 0; i < n; i++)
        salience[i] = weight[i] * weight[i];
}

const pare_salience pare_salience_absolute = {.name = "|w|", .elements = absolute};
const pare_salience pare_salience_square = {.name = "w^2", .elements = square};
