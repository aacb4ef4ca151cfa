/* RMSNorm, the gated activation, and the cross-entropy over vocabulary chunks. */
#include "backend/reference/reference.h"

#include <math.h>

void pare_reference_rmsnorm_forward(const pare_backend *backend, const float *x, const float *weight, double eps,
                                    int64_t n, int64_t d, void *out, float *inverse) {
    (void)backend;
    for (int64_t t = 0; t < n; t++) {
        double squares = 0.0;
        for (int64_t i = 0; i < d; i++)
            squares += (double)x[t * d + i] * (double)x[t * d + i];
        double factor = 1.0 / sqrt(squares / (double)d + eps);
        for (int64_t i = 0; i < d; i++)
            ((float *)out)[t * d + i] = (float)((double)x[t * d + i] * factor * (double)weight[i]);
        inverse[t] = (float)factor;
    }
}

/* y_i = r x_i w_i with r = (mean(x^2) + eps)^(-1/2), so dr/dx_j = -r^3 x_j / d and
 * dx_j = r (w_j dy_j - x_j r^2 mean_i(dy_i w_i x_i)). */
void pare_reference_rmsnorm_backward(const pare_backend *backend, const float *x, const float *weight,
                                     const float *inverse, const float *dy, int64_t n, int64_t d, float *dx,
                                     double *dweight) {
    (void)backend;
    for (int64_t t = 0; t < n; t++) {
        double r = (double)inverse[t], mean = 0.0;
        for (int64_t i = 0; i < d; i++)
            mean += (double)dy[t * d + i] * (double)weight[i] * (double)x[t * d + i] / (double)d;
        for (int64_t i = 0; i < d; i++) {
            double value = (double)x[t * d + i], gradient = (double)dy[t * d + i];
            double change = r * (gradient * (double)weight[i] - value * r * r * mean);
            dx[t * d + i] = (float)((double)dx[t * d + i] + change);
            if (dweight) dweight[i] += gradient * value * r;
        }
    }
}

static double sigmoid(double x) {
    return 1.0 / (1.0 + exp(-x));
}

void pare_reference_swiglu_forward(const pare_backend *backend, const float *gate, const float *up, int64_t n,
                                   void *out) {
    (void)backend;
    for (int64_t i = 0; i < n; i++)
        ((float *)out)[i] = (float)((double)gate[i] * sigmoid((double)gate[i]) * (double)up[i]);
}

/* silu'(x) = s(x) + x s(x) (1 - s(x)) */
void pare_reference_swiglu_backward(const pare_backend *backend, const float *gate, const float *up, const float *dout,
                                    int64_t n, void *dgate, void *dup) {
    (void)backend;
    for (int64_t i = 0; i < n; i++) {
        double x = (double)gate[i], s = sigmoid(x);
        ((float *)dgate)[i] = (float)((double)dout[i] * (double)up[i] * (s + x * s * (1.0 - s)));
        ((float *)dup)[i] = (float)((double)dout[i] * x * s);
    }
}

void pare_reference_logsum_update(const pare_backend *backend, const float *logits, int64_t n, int64_t columns,
                                  int64_t first, const int32_t *targets, float *maximum, double *sum,
                                  float *target_logit) {
    (void)backend;
    for (int64_t t = 0; t < n; t++) {
        const float *row = logits + t * columns;
        float highest = maximum[t];
        for (int64_t i = 0; i < columns; i++)
            highest = fmaxf(highest, row[i]);
        sum[t] = sum[t] == 0.0 ? 0.0 : sum[t] * exp((double)maximum[t] - (double)highest);
        for (int64_t i = 0; i < columns; i++)
            sum[t] += exp((double)row[i] - (double)highest);
        maximum[t] = highest;
        int64_t target = (int64_t)targets[t] - first;
        if (target >= 0 && target < columns) target_logit[t] = row[target];
    }
}

void pare_reference_logits_gradient(const pare_backend *backend, const float *logits, int64_t n, int64_t columns,
                                    int64_t first, const int32_t *targets, const float *logsum, float scale,
                                    void *out) {
    (void)backend;
    for (int64_t t = 0; t < n; t++)
        for (int64_t i = 0; i < columns; i++) {
            double probability = exp((double)logits[t * columns + i] - (double)logsum[t]);
            double onehot = first + i == targets[t] ? 1.0 : 0.0;
            ((float *)out)[t * columns + i] = targets[t] < 0 ? 0.0f : (float)((double)scale * (probability - onehot));
        }
}

void pare_reference_entropy_update(const pare_backend *backend, const float *logits, int64_t n, int64_t columns,
                                   const float *logsum, double *value) {
    (void)backend;
    for (int64_t t = 0; t < n; t++)
        for (int64_t i = 0; i < columns; i++) {
            double logarithm = (double)logits[t * columns + i] - (double)logsum[t];
            value[t] -= exp(logarithm) * logarithm;
        }
}

void pare_reference_entropy_gradient(const pare_backend *backend, const float *logits, int64_t n, int64_t columns,
                                     const float *logsum, const double *value, float scale, void *out) {
    (void)backend;
    for (int64_t t = 0; t < n; t++)
        for (int64_t i = 0; i < columns; i++) {
            double logarithm = (double)logits[t * columns + i] - (double)logsum[t];
            ((float *)out)[t * columns + i] = (float)(-(double)scale * exp(logarithm) * (logarithm + value[t]));
        }
}
