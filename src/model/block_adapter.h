/* What adapters add to the linear layers of a block's roles (block_beside.h). */
#ifndef PARE_MODEL_BLOCK_ADAPTER_H
#define PARE_MODEL_BLOCK_ADAPTER_H

#include "model/block_linear.h"

/* The role's adapter, or NULL where the block has none. */
const pare_adapter *pare_block_adapter(const pare_block *block, pare_role role);

/* As the functions of block_beside.h. */
pare_status pare_block_adapter_forward(const pare_block *block, pare_role role, const void *x, float *y);
pare_status pare_block_adapter_gradient(const pare_block *block, pare_role role, const void *dy, const void *x);
pare_status pare_block_adapter_input_gradient(const pare_block *block, pare_role role, float *dx);

#endif
