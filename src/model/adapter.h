/* Low-rank adapters beside frozen weights (LoRA, Hu et al. 2021): y = keep * (W x + scale B A dropout(x)).
 *
 * A: [rank, in], B: [out, rank]. Dropout zeroes each element of x with probability p and divides the rest by 1 - p; it
 * is a pure function of (seed, draw, tensor, sequence, token, feature), so a block that runs again for its backward
 * sees the same, and so does a batch that is cut into other micro-batches. */
#ifndef PARE_MODEL_ADAPTER_H
#define PARE_MODEL_ADAPTER_H

#include "support/status.h"

#include <stdint.h>

/* Of one weight; rank 0: none (keep may still be there). With da or db NULL the gradients of the others still flow
 * through it. */
typedef struct pare_adapter {
    int64_t rank;
    const void *a, *b; /* operands [rank, in], [out, rank] */
    float *da, *db;    /* float, as a and b: a backward adds the gradients to them; NULL where none are wanted */
    const float *keep; /* [out] factors of the outputs; NULL: ones */
} pare_adapter;

typedef struct pare_adapters {
    const pare_adapter *list; /* [tensor_count]; only matrices of layers are looked at (layer_matrices.h); those of
                                 experts have neither dropout nor keep */
    int64_t rank;             /* the largest */
    float scale, dropout;     /* dropout 0: none */
    uint64_t seed, draw;
    uint64_t first_sequence; /* number of the batch's first sequence, for the dropout */
} pare_adapters;

#endif
