/* What config.json says, as the metadata of a GGUF file: the reverse of gguf_config.c and gguf_rope.c, over the same
 * rows. */
#ifndef PARE_MODEL_GGUF_KEYS_H
#define PARE_MODEL_GGUF_KEYS_H

#include "checkpoint/gguf_metadata.h"
#include "model/gguf_target.h"

/* Sizes, norms, rotation, and what only some architectures have. Refused: rotations that llama.cpp has not. */
pare_status pare_gguf_put_config(pare_gguf_metadata *metadata, const pare_config *config,
                                 const pare_gguf_target *target, const char *path);

/* Of layers with experts (gguf_experts.h); nothing for models without. */
void pare_gguf_put_experts(pare_gguf_metadata *metadata, const pare_gguf_architecture *row, const pare_config *config);

/* A tensor that says by which factors pairs are slowed down. */
typedef struct pare_gguf_factors {
    const char *name; /* "rope_freqs.weight" */
    float *values;    /* [count] */
    uint32_t count;
} pare_gguf_factors;

enum { PARE_GGUF_FACTORS = 2 };

/* The keys of the rotation. */
pare_status pare_gguf_put_rope(pare_gguf_metadata *metadata, const pare_config *config, const pare_gguf_target *target,
                               const char *path);
/* *count of them; freed with pare_gguf_factors_free. */
pare_status pare_gguf_factors_make(const pare_config *config, pare_gguf_factors out[PARE_GGUF_FACTORS], size_t *count);
void pare_gguf_factors_free(pare_gguf_factors factors[PARE_GGUF_FACTORS], size_t count);

#endif
