#include "support/memory.h"
#include "train/trained_internal.h"

#include <math.h>

void pare_trained_free(pare_trained *trained) {
    if (trained) trained->free(trained);
}

pare_status pare_trained_allocate(pare_trained *trained) {
    PARE_TRY(pare_alloc(&trained->value, trained->count, sizeof *trained->value, "the weights that are trained"));
    return pare_alloc(&trained->gradient, trained->count, sizeof *trained->gradient, "their gradients");
}

void pare_trained_release(pare_trained *trained) {
    pare_free(trained->value);
    pare_free(trained->gradient);
}

enum { PIECE = 1024 };

static void clear_piece(const pare_tensor *tensor, int64_t first, int64_t n, float *values) {
    float stored[PIECE];
    pare_tensor_values(tensor, (uint64_t)first, (size_t)n, stored);
    for (int64_t i = 0; i < n; i++)
        values[i] = fabsf(stored[i]) > 0.0f ? values[i] : 0.0f;
}

void pare_clear_zeros(const pare_tensor *tensor, int64_t first, int64_t n, float *values) {
#pragma omp parallel for schedule(static) if (n > 8 * PIECE)
    for (int64_t i = 0; i < n; i += PIECE)
        clear_piece(tensor, first + i, n - i < PIECE ? n - i : PIECE, values + i);
}
