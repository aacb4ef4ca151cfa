/* The seven linear layers of a block and their gradients.
 *
 * Activations between gate, up and down are stored by feature, [F, tokens], all others by token, [tokens, width]:
 * oneDNN's products are faster with the longer side in front (bench/bench_matmul.c), and what lies between them works
 * element by element in any order. Where there are few tokens, as in generation, everything is stored by token. */
#ifndef PARE_MODEL_BLOCK_LINEAR_H
#define PARE_MODEL_BLOCK_LINEAR_H

#include "model/block_beside.h"

/* True where activations between gate, up and down are stored by feature. */
bool pare_linear_ffn_by_feature(int64_t tokens);

pare_linear pare_linear_of(const pare_block *block, pare_role role);

/* Rows and columns of the role's weight. */
void pare_linear_shape(const pare_block *block, pare_role role, int64_t *rows, int64_t *columns);

/* All of these take adapters and output factors into account (adapter.h) where the block has them. Of a role's two
 * gradients the weight's comes first. */

/* y = x W^T */
pare_status pare_linear_forward(const pare_block *block, pare_role role, const void *x, float *y);
/* out = in + x W^T, for the roles whose outputs lie by token; out may be in, but not with output factors. */
pare_status pare_linear_add(const pare_block *block, pare_role role, const void *x, const float *in, float *out);
/* dx (+)= dy W */
pare_status pare_linear_input_gradient(const pare_block *block, pare_role role, const void *dy, bool accumulate,
                                       float *dx);
/* With output factors, multiplies dy by them first: from then on it is the gradient of what they multiply. Shows dy to
 * the sink, adds to the adapter's gradients, then makes dW [out, in] = dy^T x where it is wanted: handed to the sink
 * some rows at a time, or added up over micro-batches first. Where the sink wants samples, sequence by sequence: dy_j^T
 * x_j is c_j = g_j / N, so (1/N) sum g_j^2 = N sum c_j^2 and (1/N) sum |g_j| = sum |c_j|. */
pare_status pare_linear_weight_gradient(const pare_block *block, const pare_block_gradients *gradients, pare_role role,
                                        void *dy, const void *x);

/* The tokens of a product: all of the micro-batch, or some. */
typedef struct pare_linear_tokens {
    const int32_t *places; /* ascending; the token is a place by `chosen`. NULL: all of them */
    int64_t chosen;
} pare_linear_tokens;

/* Where dW of a tensor goes, whatever matrix it is. */
typedef struct pare_linear_target {
    size_t id;
    float *sums, *samples; /* of the micro-batches; samples as the sink wants them. NULL: to the sink, rows by rows */
    bool begun;            /* something is in them */
    pare_linear_tokens tokens;
} pare_linear_target;

/* dW = dy^T x: added to the sums, or handed to the sink some rows at a time. */
pare_status pare_linear_rows_gradient(const pare_block *block, const pare_block_gradients *gradients,
                                      const pare_linear *linear, const void *dy, const void *x,
                                      const pare_linear_target *target);

enum { PARE_LINEAR_OUTPUTS = 256 };

/* sums[count] += dy of outputs [first, first + count) over the tokens, count up to PARE_LINEAR_OUTPUTS; samples[count]
 * += what the sink wants of the sums over single sequences, NULL: nothing. */
void pare_linear_output_sums(const pare_block *block, const pare_block_gradients *gradients, const pare_linear *linear,
                             const pare_linear_tokens *tokens, const void *dy, int64_t first, int64_t count,
                             double *sums, double *samples);

#endif
