/* Histogram of the l1 sample: bins of the leading bits of |x| as IEEE 754 has them (8 of the exponent, 11 of the
 * mantissa), so a bin is 1/2048 of its value wide at most; inside a bin values are taken to lie evenly. */
#include "calibrate/moreau_level.h"
#include "support/order.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { DROPPED_BITS = 12, BINS = 1 << (31 - DROPPED_BITS) };

pare_status pare_level_check(const pare_moreau *moreau) {
    double q = moreau->eta_quantile;
    if (q == 0.0) return PARE_OK;
    if (!(q > 0.0 && q < 1.0))
        return pare_fail(PARE_BAD_ARGUMENT, "the threshold quantile is %g; give a number between 0 and 1", q);
    if (moreau->prox == PARE_PROX_GROUP || moreau->prox == PARE_PROX_L1) return PARE_OK;
    return pare_fail(PARE_BAD_ARGUMENT,
                     "a threshold quantile (%g) needs the group-sparse or the l1 threshold; this iteration has %s", q,
                     moreau->prox == PARE_PROX_NONE ? "none" : "the released one");
}

uint64_t pare_level_bytes(const pare_model *model, const bool *displaced, const pare_moreau *moreau) {
    if (moreau->eta_quantile == 0.0) return 0;
    if (moreau->prox == PARE_PROX_L1) return (uint64_t)BINS * sizeof(uint64_t);
    uint64_t total = 0;
    for (size_t id = 0; id < model->tensor_count; id++) {
        int64_t rows, columns;
        pare_tensor_matrix(model->tensors[id], &rows, &columns);
        if (displaced[id] && model->tensors[id]->rank == 2) total += (uint64_t)rows;
    }
    return total * sizeof(float);
}

static uint32_t bits_of(float value) {
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits & 0x7fffffffu;
}

static double lower_edge(uint32_t bin) {
    uint32_t bits = bin << DROPPED_BITS;
    float value;
    memcpy(&value, &bits, sizeof value);
    return (double)value;
}

void pare_level_add(const pare_scratch *sample, const float *values, int64_t n) {
    uint64_t *bins = sample->data;
    for (int64_t i = 0; i < n; i++)
        bins[bits_of(values[i]) >> DROPPED_BITS]++;
}

static double find_in_bins(const uint64_t *bins, double q) {
    uint64_t total = 0, below = 0;
    for (uint32_t bin = 0; bin < BINS; bin++)
        total += bins[bin];
    double wanted = q * (double)total;
    for (uint32_t bin = 0; bin < BINS; bin++) {
        if ((double)(below + bins[bin]) > wanted)
            return lower_edge(bin) +
                   (wanted - (double)below) / (double)bins[bin] * (lower_edge(bin + 1) - lower_edge(bin));
        below += bins[bin];
    }
    return 0.0;
}

/* Half-way between the last norm that is to vanish and the first that is to stay, so that rounding moves no row across.
 */
static double find_in_norms(float *norms, uint64_t count, double q) {
    uint64_t vanish = (uint64_t)(q * (double)count);
    qsort(norms, count, sizeof *norms, pare_ascending_float);
    return vanish == 0 ? 0.0 : 0.5 * ((double)norms[vanish - 1] + (double)norms[vanish]);
}

double pare_level_find(const pare_moreau *moreau, const pare_scratch *sample, uint64_t rows) {
    return moreau->prox == PARE_PROX_L1 ? find_in_bins(sample->data, moreau->eta_quantile)
                                        : find_in_norms(sample->data, rows, moreau->eta_quantile);
}
