/* Llama 4 in GGUF files: llama.cpp knows by itself, and is told by no file, how wide chunks are, which layers see all
 * positions, how queries grow with theirs, and by the number of experts whether queries and keys are normed. */
#ifndef PARE_MODEL_GGUF_LLAMA4_H
#define PARE_MODEL_GGUF_LLAMA4_H

#include "checkpoint/gguf_metadata.h"
#include "model/gguf_architecture.h"

/* As pare_gguf_experts_misfit. */
const char *pare_gguf_llama4_misfit(const pare_config *config);

/* What follows for config.json; a file without chunks is refused. */
pare_status pare_gguf_config_llama4(const pare_gguf *file, const pare_gguf_architecture *row, json_t *json);

void pare_gguf_put_llama4(pare_gguf_metadata *metadata, const pare_gguf_architecture *row, const pare_config *config);

#endif
