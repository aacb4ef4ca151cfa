/* A model in a GGUF file: its metadata as config.json, and its tensors as the family names and orders them. */
#ifndef PARE_MODEL_GGUF_MODEL_H
#define PARE_MODEL_GGUF_MODEL_H

#include "checkpoint/checkpoint.h"
#include "checkpoint/gguf_tensors.h"
#include "model/gguf_architecture.h"

/* The row of the file's architecture. Refused: files that are no language model, and architectures without a row. */
pare_status pare_gguf_architecture_read(const pare_gguf *file, const pare_gguf_architecture **out);

/* What config.json of the same model says (a new reference), from the metadata and the tensors' shapes. */
pare_status pare_gguf_config(const pare_checkpoint *checkpoint, const pare_gguf_architecture *architecture,
                             json_t **out);

/* Whether a row of the file's architecture is that of its routers: with experts or without, sigmoids or a softmax. */
bool pare_gguf_fits_row(const pare_gguf *file, const pare_gguf_architecture *row);

/* Adds what the file says of experts (gguf_experts.h), and of latents (gguf_latent.h); nothing for others. */
pare_status pare_gguf_config_experts(const pare_gguf *file, const pare_gguf_architecture *row, json_t *json);
pare_status pare_gguf_config_latent(const pare_gguf *file, const pare_gguf_architecture *row, json_t *json);

/* A reading of 32 bits of what was a decimal number: the shortest that reads as the same. */
double pare_gguf_shortest(double value);

/* Adds rope_theta, and rope_scaling where positions are scaled. head_size: of a head; rotated: of what is turned. */
pare_status pare_gguf_config_rope(const pare_checkpoint *checkpoint, const pare_gguf_architecture *architecture,
                                  int64_t rotated, json_t *json);

/* Gives the checkpoint's tensors the names, the order of rows and the norms of the family. config: as read. */
pare_status pare_gguf_interpret(pare_checkpoint *checkpoint, const pare_gguf_architecture *architecture,
                                const pare_config *config);

#endif
