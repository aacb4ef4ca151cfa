#include "backend/cpu/attention_sinks.h"
#include "backend/cpu/reduce.h"
#include "backend/cpu/vector_math.h"

#include <math.h>

static int64_t head_of(const pare_attention *s, int64_t row) {
    return row / (s->queries * s->shared) % s->groups * s->shared + row % s->shared;
}

/* exp(logsum) becomes exp(logsum) + exp(sink), and out is divided by so much more. */
void pare_attention_add_sinks(const pare_attention *s, float *out, float *logsum) {
    int64_t rows = s->batch * s->groups * s->queries * s->shared;
#pragma omp parallel for schedule(static) if (rows * s->head > PARE_PARALLEL_MINIMUM)
    for (int64_t row = 0; row < rows; row++) {
        double apart = (double)s->sinks[head_of(s, row)] - (double)logsum[row];
        float kept = (float)(1.0 / (1.0 + exp(apart)));
        for (int64_t i = 0; i < s->head; i++)
            out[row * s->head + i] *= kept;
        logsum[row] = (float)((double)logsum[row] + (apart > 0.0 ? apart + log1p(exp(-apart)) : log1p(exp(apart))));
    }
}

void pare_attention_row_dots(const pare_backend *backend, const pare_attention *s, const float *out, const void *dout,
                             int64_t first, int64_t rows, float *dots) {
#pragma omp parallel for schedule(static) if (rows * s->head > PARE_PARALLEL_MINIMUM)
    for (int64_t row = first; row < first + rows; row++) {
        float gradient[PARE_PIECE], dot = 0.0f;
        for (int64_t i = 0; i < s->head; i += PARE_PIECE) {
            int64_t count = s->head - i < PARE_PIECE ? s->head - i : PARE_PIECE;
            pare_to_float(gradient, pare_operand_at(backend, dout, row * s->head + i), backend->operand, (size_t)count);
            dot += pare_cpu_dot(gradient, out + row * s->head + i, count);
        }
        dots[row - first] = dot;
    }
}

/* As nothing is put out for a sink's share p of the softmax, dL/dsink is -p dout.out. */
void pare_cpu_sinks_backward(const pare_backend *backend, const pare_attention *s, const float *out,
                             const float *logsum, const void *dout, double *dsinks) {
    int64_t rows = s->batch * s->groups * s->queries * s->shared;
    float dots[PARE_PIECE];
    for (int64_t first = 0; first < rows; first += PARE_PIECE) {
        int64_t count = rows - first < PARE_PIECE ? rows - first : PARE_PIECE;
        pare_attention_row_dots(backend, s, out, dout, first, count, dots);
        for (int64_t i = 0; i < count; i++) {
            int64_t head = head_of(s, first + i);
            dsinks[head] -= exp((double)s->sinks[head] - (double)logsum[first + i]) * (double)dots[i];
        }
    }
}
