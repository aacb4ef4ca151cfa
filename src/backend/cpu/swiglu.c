/* The gated activation of LLaMA: silu(gate) * up, and its backward. */
#include "backend/cpu/cpu.h"
#include "backend/cpu/vector_math.h"

PARE_VECTORIZE static void forward_piece(float *restrict out, const float *restrict gate, const float *restrict up,
                                         int64_t n) {
    for (int64_t i = 0; i < n; i++)
        out[i] = gate[i] * pare_sigmoid(gate[i]) * up[i];
}

PARE_VECTORIZE static void backward_piece(float *restrict dgate, float *restrict dup, const float *restrict gate,
                                          const float *restrict up, const float *restrict dout, int64_t n) {
    for (int64_t i = 0; i < n; i++) {
        float sigmoid = pare_sigmoid(gate[i]), silu = gate[i] * sigmoid;
        dgate[i] = dout[i] * up[i] * (sigmoid + silu * (1.0f - sigmoid));
        dup[i] = dout[i] * silu;
    }
}

void pare_cpu_swiglu_forward(const pare_backend *backend, const float *gate, const float *up, int64_t n, void *out) {
#pragma omp parallel for schedule(static) if (n > PARE_PARALLEL_MINIMUM)
    for (int64_t i = 0; i < n; i += PARE_PIECE) {
        int64_t count = n - i < PARE_PIECE ? n - i : PARE_PIECE;
        float piece[PARE_PIECE];
        forward_piece(piece, gate + i, up + i, count);
        pare_from_float(pare_operand_at(backend, out, i), backend->operand, piece, (size_t)count);
    }
}

void pare_cpu_swiglu_backward(const pare_backend *backend, const float *gate, const float *up, const float *dout,
                              int64_t n, void *dgate, void *dup) {
#pragma omp parallel for schedule(static) if (n > PARE_PARALLEL_MINIMUM)
    for (int64_t i = 0; i < n; i += PARE_PIECE) {
        int64_t count = n - i < PARE_PIECE ? n - i : PARE_PIECE;
        float gate_piece[PARE_PIECE], up_piece[PARE_PIECE];
        backward_piece(gate_piece, up_piece, gate + i, up + i, dout + i, count);
        pare_from_float(pare_operand_at(backend, dgate, i), backend->operand, gate_piece, (size_t)count);
        pare_from_float(pare_operand_at(backend, dup, i), backend->operand, up_piece, (size_t)count);
    }
}
