#include "evaluate/logits_compare.h"

#include <math.h>

int64_t pare_logits_likeliest(const float *logits, int64_t n) {
    int64_t best = 0;
    for (int64_t i = 1; i < n; i++)
        if (logits[i] > logits[best]) best = i;
    return best;
}

double pare_logits_divergence(const float *p, const float *q, double p_highest, double q_highest, int64_t n) {
    double p_sum = 0.0, q_sum = 0.0, weighted = 0.0;
    for (int64_t i = 0; i < n; i++) {
        double x = (double)p[i] - p_highest, y = (double)q[i] - q_highest, weight = exp(x);
        p_sum += weight;
        q_sum += exp(y);
        weighted += weight > 0.0 ? weight * (x - y) : 0.0;
    }
    return weighted / p_sum - log(p_sum) + log(q_sum);
}
