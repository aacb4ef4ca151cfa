/* How many floating-point operations the matrix products of a pass execute: what its speed is measured by. Recomputed
 * products count as often as they run; element-wise work does not count. */
#ifndef PARE_EVALUATE_FLOPS_H
#define PARE_EVALUATE_FLOPS_H

#include "model/pass.h"

double pare_flops_forward(const pare_model *model, int64_t sequences, int64_t length);
/* Forward, loss and backward with every gradient wanted; micro_batched: no block's activations survive to its backward.
 */
double pare_flops_gradient(const pare_model *model, int64_t sequences, int64_t length, bool micro_batched);

#endif
