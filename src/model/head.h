/* Pieces of the LM head that a teacher's pass makes, too. */
#ifndef PARE_MODEL_HEAD_H
#define PARE_MODEL_HEAD_H

#include "model/pass_internal.h"

/* Rows [first, first + rows) of the head. */
typedef struct pare_head_chunk {
    int64_t first, rows;
    const void *weights; /* operand [rows, d] */
} pare_head_chunk;

/* The chunk at `first`, its weights composed into pass->head_rows if need be. */
pare_head_chunk pare_head_chunk_at(const pare_pass *pass, const pare_source *source, int64_t first);

/* Finds the tokens with a target of the running forward, and begins their sums anew. */
void pare_head_set_targets(pare_pass *pass);

/* logits: float [count, chunk->rows] of predictions [first, first + count), at most PARE_HEAD_TOKENS. */
pare_status pare_head_logits(const pare_pass *pass, const pare_head_chunk *chunk, int64_t first, int64_t count,
                             float *logits);

#endif
