/* What adapters add to the linear layers of a block (the formulas of adapter.h), over backend products.
 *
 * With x' = dropout(x), s the scale and dy the gradient of s B A x' (y's own where there are no output factors):
 *   low = s A x'^T       y += low^T B^T
 *   dlow = s B^T dy^T    dB += dy^T low^T    dA += dlow x'    dx += d x'/dx (dlow^T A)
 * low and dlow lie [rank, tokens]: long rows are what the products read fast. Dropout is made again wherever it is
 * needed; nothing of it is kept. */
#ifndef PARE_MODEL_BLOCK_ADAPTER_H
#define PARE_MODEL_BLOCK_ADAPTER_H

#include "model/block_linear.h"

/* The role's adapter, or NULL where the block has none. */
const pare_adapter *pare_block_adapter(const pare_block *block, pare_role role);

/* y += s B A x'; leaves low. */
pare_status pare_block_adapter_forward(const pare_block *block, pare_role role, const void *x, float *y);
/* Adds to the adapter's dA and dB; leaves dlow for the next function. */
pare_status pare_block_adapter_gradient(const pare_block *block, pare_role role, const void *dy, const void *x);
/* Adds to dx. */
pare_status pare_block_adapter_input_gradient(const pare_block *block, pare_role role, float *dx);

#endif
