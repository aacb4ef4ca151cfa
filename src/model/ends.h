/* What stands before the first block and behind the last one: embeddings, the final norm, and what becomes of logits.
 * Used by passes, walks and generators alike. */
#ifndef PARE_MODEL_ENDS_H
#define PARE_MODEL_ENDS_H

#include "model/source.h"

/* Tokens of sequences of one length: token t is ids[t / length * stride + t % length]. */
typedef struct pare_embedded {
    const uint32_t *ids;
    int64_t count, length, stride;
    const int32_t *positions; /* [count] or NULL: first, first + 1, .. in each sequence */
    int64_t first;
} pare_embedded;

/* x: float [count, d] = what the first block reads. */
pare_status pare_embed(const pare_source *source, const pare_embedded *tokens, float *x);
/* Floats that pare_embed of sequences of `length`, or its backward, takes beside x; 0 for most families. */
uint64_t pare_embed_floats(const pare_config *config, int64_t tokens, int64_t length, bool backward);

/* Rows of the embedding, scaled; float [count, embedding_width]. */
void pare_embed_rows(const pare_source *source, const pare_embedded *tokens, float *rows);

/* The norm behind the embedding, or the final one; `room` [2, width] receives its weights and biases. */
pare_norm pare_end_norm(const pare_source *source, pare_end weight, pare_end bias, float *room);

/* What the head reads, operand [n, head_width], from the last block's output x, float [n, d]. norm: the final one;
 * inverse: [n]. */
pare_status pare_final_forward(const pare_source *source, const pare_norm *norm, const float *x, int64_t n, void *out,
                               float *inverse);

/* logits: float [n, columns] of the tokens that begin at `first`, as the head's product is; becomes what the softmax
 * reads. bias: float [vocabulary] or NULL. */
void pare_logits_finish(const pare_config *config, const float *bias, int64_t first, int64_t n, int64_t columns,
                        float *logits);
/* dlogits: operand [n, columns], as it is of what the softmax reads; becomes that of the head's product and its bias.
 * logits: as finished. */
void pare_logits_unfinish(const pare_config *config, pare_dtype operand, int64_t n, int64_t columns,
                          const float *logits, void *dlogits);

#endif
