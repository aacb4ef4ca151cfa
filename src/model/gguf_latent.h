/* Attention over latents in GGUF files (architecture deepseek2). llama.cpp attends to the latent itself, so that the
 * matrix that makes keys and values of it is stored as two: attn_k_b, [heads, rank, dimensions of a key that are not
 * turned], what the queries are multiplied with, and attn_v_b, [heads, dimensions of a value, rank]. */
#ifndef PARE_MODEL_GGUF_LATENT_H
#define PARE_MODEL_GGUF_LATENT_H

#include "checkpoint/gguf_metadata.h"
#include "model/gguf_architecture.h"

static inline bool pare_gguf_has_latents(const pare_gguf_architecture *row) {
    return row->family->latent.usual.keys > 0;
}

/* "blk.3.attn_q_a.weight", the matrix that makes the latent of the queries, and the two of keys and values. */
typedef enum pare_gguf_latent_part {
    PARE_GGUF_QUERY_DOWN,
    PARE_GGUF_KEYS_UP,
    PARE_GGUF_VALUES_UP,
    PARE_GGUF_LATENT_PARTS
} pare_gguf_latent_part;
void pare_gguf_latent_name(uint32_t layer, pare_gguf_latent_part part, char name[PARE_GGUF_NAME_BYTES]);

/* As pare_gguf_experts_misfit. */
const char *pare_gguf_latent_misfit(const pare_config *config);

/* What mscale_all_dim was, by the scale of attention; 0: there was none. */
double pare_gguf_latent_mscale(const pare_config *config);

void pare_gguf_put_latent(pare_gguf_metadata *metadata, const pare_gguf_architecture *row, const pare_config *config);

#endif
