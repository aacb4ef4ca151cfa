/* Attention over latents (multi-head latent attention of DeepSeek-V2, arXiv 2405.04434, section 2.1):
 *
 *   q = Wq norm(Wdown n1), or Wq n1          per head [plain | turned]
 *   c, t = Wk n1                             the latent [rank] and a turned part [rotated] of one key for all heads
 *   keys, values = Wv norm(c)                per head [plain | value]
 *
 * so that the roles Q, K and V are the matrices q_b_proj (q_proj), kv_a_proj_with_mqa and kv_b_proj, the norms of
 * queries and keys those of the latents, and Wdown, q_a_proj, is no role: its id comes behind all others. Attention
 * reads heads as everywhere: [turned | plain] for queries and keys, values filled up with zeros. */
#ifndef PARE_MODEL_BLOCK_LATENT_H
#define PARE_MODEL_BLOCK_LATENT_H

#include "model/block.h"

static inline bool pare_block_has_latents(const pare_block *block) {
    return block->config->latent.keys > 0;
}

/* Queries, keys and values of normed1 into the activations, or behind the cached ones. */
pare_status pare_latent_project(const pare_block *block);

/* activations.merged, [tokens, H head], without the zeros that filled values up: [tokens, H value]; and back, float, of
 * activations.wide. */
void pare_latent_narrow(const pare_block *block);
void pare_latent_widen(const pare_block *block);

/* From dQ, dK and dV as pare_heads_attend_backward leaves them: gradients of the matrices and norms to the sink, and
 * dnormed of the activations, which is overwritten. */
pare_status pare_latent_backward(const pare_block *block, const pare_block_gradients *gradients);
/* The sums of all micro-batches of the matrix of the queries' latent, after the last one: to the sink. */
pare_status pare_latent_hand_over(const pare_block *block, const pare_block_gradients *gradients);

#endif
