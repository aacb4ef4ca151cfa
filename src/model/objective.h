/* What a backward is the gradient of, where it is not the loss: some function of each prediction's logits. */
#ifndef PARE_MODEL_OBJECTIVE_H
#define PARE_MODEL_OBJECTIVE_H

#include "backend/backend.h"

/* Logits come by chunks of the vocabulary: float [n, columns], of n predictions; logsum: [n] of the whole vocabulary;
 * value: [n]. */
typedef struct pare_objective {
    /* Adds what this chunk says to value, which begins at 0. */
    void (*observe)(const pare_backend *backend, const float *logits, int64_t n, int64_t columns, const float *logsum,
                    double *value);
    /* out: operand [n, columns] <- scale times the derivative of what observe has added up. */
    void (*gradient)(const pare_backend *backend, const float *logits, int64_t n, int64_t columns, const float *logsum,
                     const double *value, float scale, void *out);
} pare_objective;

#endif
