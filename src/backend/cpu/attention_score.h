/* From products of queries and keys to scores: the scale, the cap and the slope over distances. */
#ifndef PARE_BACKEND_CPU_ATTENTION_SCORE_H
#define PARE_BACKEND_CPU_ATTENTION_SCORE_H

#include "backend/backend.h"

float pare_attention_scale(const pare_attention *shape);
/* Scores are more than scaled products. */
bool pare_attention_bends(const pare_attention *shape);
/* A query head and keys in a row: how far the first one is from the query, and where that is. */
typedef struct pare_bend {
    const pare_attention *shape;
    float slope;
    int64_t position, distance;
} pare_bend;

/* x = cap tanh(scale x / cap) + slope (distance + i), for n keys in a row; cap 0: scale x + .. . slopes (if not NULL):
 * [n] receive the derivative of the cap; untouched where there is none. */
void pare_cpu_bend_scores(const pare_bend *bend, float *x, int64_t n, float *slopes);

#endif
