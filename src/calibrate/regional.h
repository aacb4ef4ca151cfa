/* Gradients of one block by itself (Wanda++, arXiv 2503.04992; spec 8.1). */
#ifndef PARE_CALIBRATE_REGIONAL_H
#define PARE_CALIBRATE_REGIONAL_H

#include "model/block.h"

/* Shown one micro-batch of block inputs at a time: x float [batch * length, d]. */
typedef struct pare_regional_inputs {
    int64_t sequences, length, micro_batch;
    pare_status (*load)(void *context, int64_t sequence, int64_t count, float *x);
    void *context;
} pare_regional_inputs;

/* gradient[role]: float [out, in], or NULL where not wanted: sqrt((1/N) sum_n (d ||f(x_n)||_2 / dW)^2), f(x_n) the
 * block's output of sequence n, [length, d], its norm over everything. The block's activations must have room for a
 * backward of one sequence. */
pare_status pare_regional_gradient(const pare_block *block, const pare_regional_inputs *inputs,
                                   float *gradient[PARE_MATRIX_ROLES]);

#endif
