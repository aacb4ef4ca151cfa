/* Softmax cross-entropy and entropy over a vocabulary that is never held as a whole: a streaming log-sum-exp, then
 * their gradients. */
#include "backend/cpu/cpu.h"
#include "backend/cpu/reduce.h"
#include "backend/cpu/vector_math.h"

PARE_VECTORIZE static float sum_of_exponentials(const float *restrict x, float maximum, int64_t n) {
    float lanes[PARE_LANES] = {0};
    int64_t i = 0;
    for (; i + PARE_LANES <= n; i += PARE_LANES)
        for (int j = 0; j < PARE_LANES; j++)
            lanes[j] += pare_exp(x[i + j] - maximum);
    for (; i < n; i++)
        lanes[0] += pare_exp(x[i] - maximum);
    return pare_lanes_sum(lanes);
}

PARE_VECTORIZE static void scaled_softmax(float *restrict out, const float *restrict x, float logsum, float scale,
                                          int64_t n) {
    for (int64_t i = 0; i < n; i++)
        out[i] = scale * pare_exp(x[i] - logsum);
}

void pare_cpu_logsum_update(const pare_backend *backend, const float *logits, int64_t n, int64_t columns, int64_t first,
                            const int32_t *targets, float *maximum, double *sum, float *target_logit) {
    (void)backend;
#pragma omp parallel for schedule(static) if (n * columns > PARE_PARALLEL_MINIMUM)
    for (int64_t t = 0; t < n; t++) {
        const float *row = logits + t * columns;
        float highest = pare_cpu_largest(row, columns), before = maximum[t];
        if (highest < before) highest = before;
        sum[t] = sum[t] * (double)pare_exp(before - highest) + (double)sum_of_exponentials(row, highest, columns);
        maximum[t] = highest;
        int64_t target = (int64_t)targets[t] - first;
        if (target >= 0 && target < columns) target_logit[t] = row[target];
    }
}

void pare_cpu_logits_gradient(const pare_backend *backend, const float *logits, int64_t n, int64_t columns,
                              int64_t first, const int32_t *targets, const float *logsum, float scale, void *out) {
#pragma omp parallel for schedule(static) if (n * columns > PARE_PARALLEL_MINIMUM)
    for (int64_t t = 0; t < n; t++) {
        for (int64_t i = 0; i < columns; i += PARE_PIECE) {
            int64_t count = columns - i < PARE_PIECE ? columns - i : PARE_PIECE;
            int64_t target = (int64_t)targets[t] - first - i;
            float piece[PARE_PIECE];
            if (targets[t] < 0)
                memset(piece, 0, (size_t)count * sizeof *piece);
            else
                scaled_softmax(piece, logits + t * columns + i, logsum[t], scale, count);
            if (target >= 0 && target < count) piece[target] -= scale;
            pare_from_float(pare_operand_at(backend, out, t * columns + i), backend->operand, piece, (size_t)count);
        }
    }
}

PARE_VECTORIZE static float sum_of_surprises(const float *restrict x, float logsum, int64_t n) {
    float lanes[PARE_LANES] = {0};
    int64_t i = 0;
    for (; i + PARE_LANES <= n; i += PARE_LANES)
        for (int j = 0; j < PARE_LANES; j++)
            lanes[j] += pare_exp(x[i + j] - logsum) * (logsum - x[i + j]);
    for (; i < n; i++)
        lanes[0] += pare_exp(x[i] - logsum) * (logsum - x[i]);
    return pare_lanes_sum(lanes);
}

void pare_cpu_entropy_update(const pare_backend *backend, const float *logits, int64_t n, int64_t columns,
                             const float *logsum, double *value) {
    (void)backend;
#pragma omp parallel for schedule(static) if (n * columns > PARE_PARALLEL_MINIMUM)
    for (int64_t t = 0; t < n; t++)
        value[t] += (double)sum_of_surprises(logits + t * columns, logsum[t], columns);
}

PARE_VECTORIZE static void scaled_surprises(float *restrict out, const float *restrict x, float logsum, float value,
                                            float scale, int64_t n) {
    for (int64_t i = 0; i < n; i++)
        out[i] = scale * pare_exp(x[i] - logsum) * (logsum - x[i] - value);
}

void pare_cpu_entropy_gradient(const pare_backend *backend, const float *logits, int64_t n, int64_t columns,
                               const float *logsum, const double *value, float scale, void *out) {
#pragma omp parallel for schedule(static) if (n * columns > PARE_PARALLEL_MINIMUM)
    for (int64_t t = 0; t < n; t++) {
        for (int64_t i = 0; i < columns; i += PARE_PIECE) {
            int64_t count = columns - i < PARE_PIECE ? columns - i : PARE_PIECE;
            float piece[PARE_PIECE];
            scaled_surprises(piece, logits + t * columns + i, logsum[t], (float)value[t], scale, count);
            pare_from_float(pare_operand_at(backend, out, t * columns + i), backend->operand, piece, (size_t)count);
        }
    }
}
