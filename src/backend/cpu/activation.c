/* Activations, alone or as gates, and their backward. */
#include "backend/cpu/cpu.h"
#include "backend/cpu/vector_math.h"

#include <math.h>

typedef struct activated {
    float value, slope;
} activated;

PARE_INLINE activated silu(float x) {
    float sigmoid = pare_sigmoid(x), value = x * sigmoid;
    return (activated){value, sigmoid + value * (1.0f - sigmoid)};
}

/* x Phi(x), and Phi(x) + x phi(x) */
PARE_INLINE activated gelu(float x) {
    float density, below = pare_normal_below(x, &density);
    return (activated){x * below, below + x * density};
}

/* 1/2 x (1 + tanh(u)) = x sigmoid(2u), 2u = x (a + b x^2). Beyond |x| = 13 the sigmoid is 0 or 1. */
PARE_INLINE activated gelu_tanh(float x) {
    const float a = 1.59576912f, b = 0.0713548163f;
    float inner = x < -13.0f ? -13.0f : x;
    inner = inner > 13.0f ? 13.0f : inner;
    float square = inner * inner, sigmoid = pare_sigmoid(inner * (a + b * square)), value = x * sigmoid;
    return (activated){value, sigmoid + inner * sigmoid * (1.0f - sigmoid) * (a + 3.0f * b * square)};
}

PARE_INLINE activated relu(float x) {
    return (activated){x < 0.0f ? 0.0f : x, x > 0.0f ? 1.0f : 0.0f};
}

PARE_INLINE activated relu2(float x) {
    float positive = x < 0.0f ? 0.0f : x;
    return (activated){positive * positive, 2.0f * positive};
}

PARE_INLINE activated steep_silu(float x) {
    const float steep = 1.702f;
    float sigmoid = pare_sigmoid(steep * x), value = x * sigmoid;
    return (activated){value, sigmoid + steep * value * (1.0f - sigmoid)};
}

/* The loops over a piece of at most PARE_PIECE elements. Alone, `gate` is what is activated and up is NULL. */
typedef struct loops {
    void (*forward)(float *restrict out, const float *restrict gate, const float *restrict up, int64_t n);
    /* dgate: the gradient of what is activated; dup: of up */
    void (*backward)(float *restrict dgate, float *restrict dup, const float *restrict gate, const float *restrict up,
                     const float *restrict dout, int64_t n);
} loops;

#define DEFINE_LOOPS(function)                                                                                         \
    PARE_VECTORIZE_RANGES static void function##_forward(float *restrict out, const float *restrict gate,              \
                                                         const float *restrict up, int64_t n) {                        \
        PARE_RANGE(out, (size_t)n * sizeof *out);                                                                      \
        PARE_RANGE(gate, (size_t)n * sizeof *gate);                                                                    \
        PARE_RANGE(up, up ? (size_t)n * sizeof *up : 0);                                                               \
        if (!up) {                                                                                                     \
            for (int64_t i = 0; i < n; i++)                                                                            \
                out[i] = function(gate[i]).value;                                                                      \
            return;                                                                                                    \
        }                                                                                                              \
        for (int64_t i = 0; i < n; i++)                                                                                \
            out[i] = function(gate[i]).value * up[i];                                                                  \
    }                                                                                                                  \
    PARE_VECTORIZE_RANGES static void function##_backward(float *restrict dgate, float *restrict dup,                  \
                                                          const float *restrict gate, const float *restrict up,        \
                                                          const float *restrict dout, int64_t n) {                     \
        PARE_RANGE(dgate, (size_t)n * sizeof *dgate);                                                                  \
        PARE_RANGE(gate, (size_t)n * sizeof *gate);                                                                    \
        PARE_RANGE(dout, (size_t)n * sizeof *dout);                                                                    \
        PARE_RANGE(up, up ? (size_t)n * sizeof *up : 0);                                                               \
        PARE_RANGE(dup, up ? (size_t)n * sizeof *dup : 0);                                                             \
        if (!up) {                                                                                                     \
            for (int64_t i = 0; i < n; i++)                                                                            \
                dgate[i] = dout[i] * function(gate[i]).slope;                                                          \
            return;                                                                                                    \
        }                                                                                                              \
        for (int64_t i = 0; i < n; i++) {                                                                              \
            activated y = function(gate[i]);                                                                           \
            dgate[i] = dout[i] * up[i] * y.slope;                                                                      \
            dup[i] = dout[i] * y.value;                                                                                \
        }                                                                                                              \
    }

DEFINE_LOOPS(silu)
DEFINE_LOOPS(gelu)
DEFINE_LOOPS(gelu_tanh)
DEFINE_LOOPS(relu)
DEFINE_LOOPS(relu2)
DEFINE_LOOPS(steep_silu)

static const loops all_loops[PARE_ACTIVATIONS] = {
    [PARE_ACTIVATION_SILU] = {silu_forward, silu_backward},
    [PARE_ACTIVATION_GELU] = {gelu_forward, gelu_backward},
    [PARE_ACTIVATION_GELU_TANH] = {gelu_tanh_forward, gelu_tanh_backward},
    [PARE_ACTIVATION_RELU] = {relu_forward, relu_backward},
    [PARE_ACTIVATION_RELU2] = {relu2_forward, relu2_backward},
    [PARE_ACTIVATION_CLAMPED] = {steep_silu_forward, steep_silu_backward},
};

/* NaN stays. */
PARE_VECTORIZE static void bound(const float *restrict x, float least, float most, float add, int64_t n,
                                 float *restrict out) {
    for (int64_t i = 0; i < n; i++) {
        float above = x[i] < least ? least : x[i];
        out[i] = (above > most ? most : above) + add;
    }
}

/* Beyond the bounds nothing flows back. */
PARE_VECTORIZE static void clear_beyond(const float *restrict x, float least, float most, int64_t n,
                                        float *restrict dx) {
    for (int64_t i = 0; i < n; i++)
        dx[i] = x[i] < least || x[i] > most ? 0.0f : dx[i];
}

/* A piece of what is activated and of what multiplies it, as the loops read them. */
typedef struct piece {
    const float *gate, *up; /* up: NULL where it is alone */
    float bounded[2][PARE_PIECE];
} piece;

static void enter_piece(pare_gating gating, const float *gate, const float *up, int64_t n, piece *out) {
    out->gate = gate ? gate : up;
    out->up = gate ? up : NULL;
    if (gating.activation != PARE_ACTIVATION_CLAMPED) return;
    bound(out->gate, -INFINITY, gating.limit, 0.0f, n, out->bounded[0]);
    out->gate = out->bounded[0];
    if (!gate) return;
    bound(up, -gating.limit, gating.limit, 1.0f, n, out->bounded[1]);
    out->up = out->bounded[1];
}

void pare_cpu_gated_forward(const pare_backend *backend, pare_gating gating, const float *gate, const float *up,
                            int64_t n, void *out) {
    const loops *run = &all_loops[gating.activation];
#pragma omp parallel for schedule(static) if (n > PARE_PARALLEL_MINIMUM)
    for (int64_t i = 0; i < n; i += PARE_PIECE) {
        int64_t count = n - i < PARE_PIECE ? n - i : PARE_PIECE;
        float result[PARE_PIECE];
        piece from;
        enter_piece(gating, gate ? gate + i : NULL, up + i, count, &from);
        run->forward(result, from.gate, from.up, count);
        pare_from_float(pare_operand_at(backend, out, i), backend->operand, result, (size_t)count);
    }
}

void pare_cpu_gated_backward(const pare_backend *backend, pare_gating gating, const float *gate, const float *up,
                             const float *dout, int64_t n, void *dgate, void *dup) {
    const loops *run = &all_loops[gating.activation];
    bool clamped = gating.activation == PARE_ACTIVATION_CLAMPED;
#pragma omp parallel for schedule(static) if (n > PARE_PARALLEL_MINIMUM)
    for (int64_t i = 0; i < n; i += PARE_PIECE) {
        int64_t count = n - i < PARE_PIECE ? n - i : PARE_PIECE;
        float activated_piece[PARE_PIECE], up_piece[PARE_PIECE];
        piece from;
        enter_piece(gating, gate ? gate + i : NULL, up + i, count, &from);
        run->backward(activated_piece, up_piece, from.gate, from.up, dout + i, count);
        if (clamped) clear_beyond((gate ? gate : up) + i, -INFINITY, gating.limit, count, activated_piece);
        if (clamped && gate) clear_beyond(up + i, -gating.limit, gating.limit, count, up_piece);
        void *to = pare_operand_at(backend, gate ? dgate : dup, i);
        pare_from_float(to, backend->operand, activated_piece, (size_t)count);
        if (gate) pare_from_float(pare_operand_at(backend, dup, i), backend->operand, up_piece, (size_t)count);
    }
}
