/* Scores that layers of unlike sizes of activations can be compared by (FLAP, An et al. 2023, section 3.2): of what
 * adds to the hidden state, each index less the mean of its layer's, over their standard deviation. */
#include "importance/reduce_standard.h"

#include <math.h>

typedef struct spread {
    double mean, deviation; /* of a sample: over n - 1 */
} spread;

static spread spread_of(const pare_index_scores *indices, size_t id, uint64_t count) {
    spread s = {0};
    double squares = 0.0;
    for (uint64_t i = 0; i < count; i++)
        s.mean += pare_index_at(indices, id, i) / (double)count;
    for (uint64_t i = 0; i < count; i++) {
        double apart = pare_index_at(indices, id, i) - s.mean;
        squares += apart * apart;
    }
    s.deviation = count > 1 ? sqrt(squares / (double)(count - 1)) : 0.0;
    return s;
}

/* out[units] <- means over `width` neighbouring indices each; all 0 where they are all alike. */
static void standardize(const pare_index_scores *indices, size_t id, uint64_t units, uint64_t width, double *out) {
    spread s = spread_of(indices, id, units * width);
    for (uint64_t unit = 0; unit < units; unit++) {
        out[unit] = 0.0;
        for (uint64_t i = 0; i < width && s.deviation > 0.0; i++)
            out[unit] += (pare_index_at(indices, id, unit * width + i) - s.mean) / s.deviation / (double)width;
    }
}

void pare_reduce_standard(const pare_index_scores *indices, uint32_t layer, pare_unit_scores *out) {
    const pare_config *c = &indices->model->config;
    const pare_widths *w = &c->widths[layer];
    size_t o = pare_tensor_id(layer, PARE_ROLE_O), down = pare_tensor_id(layer, PARE_ROLE_DOWN);
    standardize(indices, o, w->kv_heads, (uint64_t)pare_widths_shared(w) * c->head_size, out->heads[layer]);
    standardize(indices, o, w->heads, c->head_size, out->query[layer]);
    standardize(indices, down, w->ffn, 1, out->ffn[layer]);
}
