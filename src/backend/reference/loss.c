/* The cross-entropy and the entropy over vocabulary chunks. */
#include "backend/reference/reference.h"

#include <math.h>

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
