#include "calibrate/entropy.h"

static void observe(const pare_backend *backend, const float *logits, int64_t n, int64_t columns, const float *logsum,
                    double *value) {
    backend->operations->entropy_update(backend, logits, n, columns, logsum, value);
}

static void gradient(const pare_backend *backend, const float *logits, int64_t n, int64_t columns, const float *logsum,
                     const double *value, float scale, void *out) {
    backend->operations->entropy_gradient(backend, logits, n, columns, logsum, value, scale, out);
}

const pare_objective pare_entropy = {observe, gradient};
