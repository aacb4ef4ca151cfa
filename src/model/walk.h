/* Block after block by hand, for whoever must look at a block, or change it, before hidden states go through it. One
 * block's weights and activations exist at a time; the hidden states belong to the caller. */
#ifndef PARE_MODEL_WALK_H
#define PARE_MODEL_WALK_H

#include "model/block.h"

typedef struct pare_walk {
    const pare_source *source;
    int64_t length, micro_batch;
    pare_position_tables positions;
    float *vectors;                    /* norms and biases of the block in hand */
    void *matrices[PARE_MATRIX_ROLES]; /* where the file's own bytes cannot be used */
    pare_activations activations;
} pare_walk;

/* Bytes that a walk with micro-batches of this many sequences holds, attention's workspace included. */
uint64_t pare_walk_bytes(const pare_source *source, int64_t length, int64_t micro_batch);
/* `source` must outlive the walk. Free with pare_walk_free. */
pare_status pare_walk_new(const pare_source *source, int64_t length, int64_t micro_batch, pare_walk *out);
void pare_walk_free(pare_walk *walk);

/* x: float [tokens, d] = what the first block reads; whole sequences. */
pare_status pare_walk_embed(const pare_walk *walk, const uint32_t *ids, int64_t tokens, float *x);

/* The block of `layer`, its weights valid until the next call; the caller sets `batch`, at most micro_batch. */
pare_block pare_walk_block(pare_walk *walk, uint32_t layer);

#endif
