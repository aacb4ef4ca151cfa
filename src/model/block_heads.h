/* Attention of a block between its projections: queries, keys and values by head, rotated, and back. */
#ifndef PARE_MODEL_BLOCK_HEADS_H
#define PARE_MODEL_BLOCK_HEADS_H

#include "model/block.h"

/* Queries (role Q), keys (K) or values (V) of the block from float [tokens, width], which is overwritten, into the
 * activations or behind the cached ones. */
void pare_heads_split(const pare_block *block, pare_role role, float *projected);

/* activations.attended and merged, from q, k and v. */
pare_status pare_heads_attend(const pare_block *block);

/* From activations.wide, the float gradient [tokens, H h] at the input of O: dQ, dK and dV as token-major operands in
 * activations.dgate, dup and dout, and the gradients of norms of queries and keys to the sink. */
pare_status pare_heads_attend_backward(const pare_block *block, const pare_block_gradients *gradients);

#endif
