/* Tensors of a GGUF file that are several of the model's, or halves of one: those of experts (gguf_experts.h), and what
 * makes keys and values of a latent (gguf_latent.h). */
#ifndef PARE_MODEL_GGUF_HALVES_H
#define PARE_MODEL_GGUF_HALVES_H

#include "checkpoint/gguf_tensors.h"
#include "model/names.h"

typedef struct pare_gguf_stored {
    const pare_checkpoint *checkpoint;
    const pare_config *config;
    const pare_gguf_tensor *tensor;
} pare_gguf_stored;

/* *known: the tensor is one of these; then its meaning is in *out, with `name` for its name, or *spoken_for: that of
 * its other half covers it. Refused: other shapes than the model's, and a half without the other. */
pare_status pare_gguf_mean_expert(const pare_gguf_stored *stored, uint32_t layer, uint64_t piece,
                                  pare_gguf_meaning *out, char name[PARE_NAME_BYTES], bool *known, bool *spoken_for);
pare_status pare_gguf_mean_latent(const pare_gguf_stored *stored, uint32_t layer, pare_gguf_meaning *out,
                                  char name[PARE_NAME_BYTES], bool *known, bool *spoken_for);

#endif
