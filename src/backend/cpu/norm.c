/* RMSNorm: y = x / sqrt(mean(x^2) + eps) * w, and its backward. */
#include "backend/cpu/cpu.h"
#include "backend/cpu/reduce.h"
#include "backend/cpu/vector_math.h"

#include <math.h>

PARE_VECTORIZE static float sum_of_triple_products(const float *restrict a, const float *restrict b,
                                                   const float *restrict c, int64_t n) {
    float lanes[PARE_LANES] = {0};
    int64_t i = 0;
    for (; i + PARE_LANES <= n; i += PARE_LANES)
        for (int j = 0; j < PARE_LANES; j++)
            lanes[j] += a[i + j] * b[i + j] * c[i + j];
    for (; i < n; i++)
        lanes[0] += a[i] * b[i] * c[i];
    return pare_lanes_sum(lanes);
}

PARE_VECTORIZE static void scale_by_weight(float *restrict out, const float *restrict x, const float *restrict weight,
                                           float factor, int64_t n) {
    for (int64_t i = 0; i < n; i++)
        out[i] = x[i] * factor * weight[i];
}

void pare_cpu_rmsnorm_forward(const pare_backend *backend, const float *x, const float *weight, double eps, int64_t n,
                              int64_t d, void *out, float *inverse) {
#pragma omp parallel for schedule(static) if (n * d > PARE_PARALLEL_MINIMUM)
    for (int64_t t = 0; t < n; t++) {
        const float *row = x + t * d;
        double mean = (double)pare_cpu_dot(row, row, d) / (double)d;
        inverse[t] = (float)(1.0 / sqrt(mean + eps));
        float piece[PARE_PIECE];
        for (int64_t i = 0; i < d; i += PARE_PIECE) {
            int64_t count = d - i < PARE_PIECE ? d - i : PARE_PIECE;
            scale_by_weight(piece, row + i, weight + i, inverse[t], count);
            pare_from_float(pare_operand_at(backend, out, t * d + i), backend->operand, piece, (size_t)count);
        }
    }
}

/* dx += inverse * (dy * w - x * inverse^2 * mean(dy * w * x)) */
PARE_VECTORIZE static void input_gradient(float *restrict dx, const float *restrict x, const float *restrict weight,
                                          const float *restrict dy, float inverse, float projection, int64_t d) {
    for (int64_t i = 0; i < d; i++)
        dx[i] += inverse * (dy[i] * weight[i] - x[i] * projection);
}

PARE_VECTORIZE static void add_weight_gradient(double *restrict dweight, const float *restrict x,
                                               const float *restrict dy, float inverse, int64_t n) {
    for (int64_t i = 0; i < n; i++)
        dweight[i] += (double)(dy[i] * x[i] * inverse);
}

void pare_cpu_rmsnorm_backward(const pare_backend *backend, const float *x, const float *weight, const float *inverse,
                               const float *dy, int64_t n, int64_t d, float *dx, double *dweight) {
    (void)backend;
    enum { COLUMNS = 512 };
#pragma omp parallel for schedule(static) if (n * d > PARE_PARALLEL_MINIMUM)
    for (int64_t t = 0; t < n; t++) {
        const float *row = x + t * d, *gradient = dy + t * d;
        double dot = (double)sum_of_triple_products(gradient, weight, row, d);
        float projection = (float)(dot / (double)d * (double)inverse[t] * (double)inverse[t]);
        input_gradient(dx + t * d, row, weight, gradient, inverse[t], projection, d);
    }
    if (!dweight) return;
        /* By column blocks, so that each sum runs over the tokens in order whatever the number of threads. */
#pragma omp parallel for schedule(static) if (n * d > PARE_PARALLEL_MINIMUM)
    for (int64_t i = 0; i < d; i += COLUMNS) {
        int64_t count = d - i < COLUMNS ? d - i : COLUMNS;
        for (int64_t t = 0; t < n; t++)
            add_weight_gradient(dweight + i, x + t * d + i, dy + t * d + i, inverse[t], count);
    }
}
