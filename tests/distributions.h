/* Softmax distributions by their definitions, in double. */
#ifndef PARE_TESTS_DISTRIBUTIONS_H
#define PARE_TESTS_DISTRIBUTIONS_H

#include <math.h>
#include <stdint.h>

/* The place of the largest logit, the first one of equals. */
static inline int64_t logits_best(const float *logits, int64_t count) {
    int64_t best = 0;
    for (int64_t i = 1; i < count; i++)
        if (logits[i] > logits[best]) best = i;
    return best;
}

/* log sum exp. The largest logit is taken off the others, so that none overflows. */
static inline double logits_log_sum(const float *logits, int64_t count) {
    double largest = (double)logits[logits_best(logits, count)], sum = 0.0;
    for (int64_t i = 0; i < count; i++)
        sum += exp((double)logits[i] - largest);
    return largest + log(sum);
}

/* The divergence KL(p, q) of the distributions of two rows of logits. */
static inline double logits_divergence(const float *p, const float *q, int64_t count) {
    double p_sum = logits_log_sum(p, count), q_sum = logits_log_sum(q, count), kl = 0.0;
    for (int64_t i = 0; i < count; i++) {
        double a = (double)p[i] - p_sum, b = (double)q[i] - q_sum;
        kl += exp(a) * (a - b);
    }
    return kl;
}

#endif
