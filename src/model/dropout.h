/* Dropout of the inputs of adapters. An element is dropped when its 16 random bits, a pure function of (seed, draw,
 * sequence, tensor, token, feature), are below the threshold: however the elements lie, whatever else is in the batch,
 * and whichever thread comes by. What stays is divided by the share that stays. */
#ifndef PARE_MODEL_DROPOUT_H
#define PARE_MODEL_DROPOUT_H

#include "backend/backend.h"

/* The probability in units of 2^-16, to the nearest. */
uint32_t pare_dropout_threshold(float probability);

typedef struct pare_dropout {
    uint32_t threshold; /* 1 .. 65535 */
    uint64_t seed, draw;
    uint64_t first_sequence; /* number of the first sequence below */
    uint32_t tensor;
} pare_dropout;

/* [sequences * length, width], or [width, sequences * length] if by_feature. */
typedef struct pare_dropout_shape {
    int64_t sequences, length, width;
    bool by_feature;
} pare_dropout_shape;

/* out = dropout(x), operands; out may be x */
void pare_dropout_apply(const pare_backend *backend, const pare_dropout *dropout, const pare_dropout_shape *shape,
                        const void *x, void *out);

/* dx += d dropout(x)/dx dy for rows [first, first + rows) as they are stored: dy holds these only, dx: all. */
void pare_dropout_add(const pare_dropout *dropout, const pare_dropout_shape *shape, int64_t first, int64_t rows,
                      const float *dy, float *dx);

#endif
