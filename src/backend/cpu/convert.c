/* Whole buffers between fp32 and the operand type. */
#include "backend/cpu/cpu.h"
#include "backend/cpu/vector_math.h"

enum { STRIDE = 16384 };

void pare_cpu_to_operand(const pare_backend *backend, const float *in, int64_t n, void *out) {
#pragma omp parallel for schedule(static) if (n > PARE_PARALLEL_MINIMUM)
    for (int64_t i = 0; i < n; i += STRIDE)
        pare_from_float(pare_operand_at(backend, out, i), backend->operand, in + i,
                        (size_t)(n - i < STRIDE ? n - i : STRIDE));
}

void pare_cpu_from_operand(const pare_backend *backend, const void *in, int64_t n, float *out) {
#pragma omp parallel for schedule(static) if (n > PARE_PARALLEL_MINIMUM)
    for (int64_t i = 0; i < n; i += STRIDE)
        pare_to_float(out + i, pare_operand_at(backend, in, i), backend->operand,
                      (size_t)(n - i < STRIDE ? n - i : STRIDE));
}
