/* Logits of two models at one place. */
#ifndef PARE_EVALUATE_LOGITS_COMPARE_H
#define PARE_EVALUATE_LOGITS_COMPARE_H

#include <stdint.h>

/* The lowest index of the largest one. */
int64_t pare_logits_likeliest(const float *logits, int64_t n);

/* KL(p || q) of two softmaxes: sum p (x - y) - log Zp + log Zq, logits taken relative to their maxima. */
double pare_logits_divergence(const float *p, const float *q, double p_highest, double q_highest, int64_t n);

#endif
