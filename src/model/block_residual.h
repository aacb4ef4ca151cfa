/* How attention and the FFN come by their input and what becomes of their output: norms before and behind them, and the
 * residual stream between. */
#ifndef PARE_MODEL_BLOCK_RESIDUAL_H
#define PARE_MODEL_BLOCK_RESIDUAL_H

#include "model/block.h"

/* The role of the norm before attention (slot INPUT) or the FFN (POST); false if there is none. */
bool pare_block_input_norm(const pare_block *block, pare_norm_slot slot, pare_role *role);

/* out = in + what attention (from merged), or the FFN (from activated), makes; out may be in. */
pare_status pare_block_add(const pare_block *block, pare_part part, const float *in, float *out);
/* Only activations.branch and branch_inverse of it: what the norm behind the part reads, where there is one. */
pare_status pare_block_branch(const pare_block *block, pare_part part, const float *in);

/* dx: in the gradient of the stream that leaves the part, out that of the stream that passes beside it. *branch:
 * [tokens, d] the gradient of what O or Down makes; dx itself where they are the same. Hands on the gradients of the
 * norm behind the part. */
pare_status pare_block_add_backward(const pare_block *block, const pare_block_gradients *gradients, pare_part part,
                                    float *dx, const float **branch);

/* Sums of a vector's gradient over the batch, [length]; begin: from zero, if this is the first micro-batch. NULL where
 * nobody wants it. */
double *pare_block_vector_sums(const pare_block *block, const pare_block_gradients *gradients, pare_role role,
                               bool begin);
int64_t pare_block_vector_length(const pare_block *block, pare_role role);
/* After the last micro-batch the sums go to the sink. */
pare_status pare_block_vector_done(const pare_block *block, const pare_block_gradients *gradients, pare_role role);

/* The backward of a norm. */
typedef struct pare_norm_backward {
    pare_role role; /* its weight's */
    const float *x, *inverse, *dy;
    int64_t rows, length;
    bool accumulate; /* dx += */
    bool begin, end; /* of its uses in a micro-batch */
} pare_norm_backward;

/* dx (+)= ..., and the gradients of the norm's vectors. */
pare_status pare_block_norm_backward(const pare_block *block, const pare_block_gradients *gradients,
                                     const pare_norm_backward *norm, float *dx);

#endif
