/* Changes of a half block's matrices in factors of a low rank, W = W0 + B A: what is trained in place of all weights.
 * A begins at random with numbers of size 1 / sqrt(rank), B at zero, so that a step of an optimiser whose steps are as
 * long as its rate moves a weight by about as much as if it were trained itself. Matrices that factors would not make
 * smaller, norms and biases are trained as they are. */
#ifndef PARE_RECONSTRUCT_FACTORS_H
#define PARE_RECONSTRUCT_FACTORS_H

#include "reconstruct/reconstruct.h"

typedef struct pare_factored {
    bool chosen, whole; /* trained at all; as it is */
    bool keep_zeros;
    uint64_t draw; /* names its numbers */
    int64_t rows, columns;
    size_t a, b;           /* where A^T, [columns, rank], and B, [rows, rank], begin; a: of what is trained as it is */
    const float *start;    /* [rows, columns] W0 */
    const float *gradient; /* [rows, columns] of W */
    float *value;          /* [rows, columns] W */
} pare_factored;

typedef struct pare_factors {
    uint32_t rank;
    pare_factored *slot; /* [slots] */
    size_t slots;
    size_t count;             /* of numbers that are trained */
    float *values, *gradient; /* [room] */
    float *turned;            /* [largest factor] */
} pare_factors;

/* Numbers that are trained in place of a matrix, or of a vector (one column). */
uint64_t pare_factors_numbers(int64_t rows, int64_t columns, uint32_t rank);
/* numbers: of the largest layer. factor: elements of the largest A or B. Free with pare_factors_free. */
pare_status pare_factors_new(size_t slots, uint64_t numbers, uint64_t factor, uint32_t rank, pare_factors *out);
void pare_factors_free(pare_factors *factors);

/* slot[] is filled in but for a and b: lays the numbers out and begins anew. */
void pare_factors_begin(pare_factors *factors, uint64_t seed);
/* gradient <- that of the numbers, from those of the weights. */
void pare_factors_gradient(pare_factors *factors);
/* The weights that the numbers make. */
void pare_factors_apply(pare_factors *factors);

#endif
