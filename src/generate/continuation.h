/* A prompt continued as text. */
#ifndef PARE_GENERATE_CONTINUATION_H
#define PARE_GENERATE_CONTINUATION_H

#include "model/adapter.h"
#include "model/source.h"

typedef struct pare_continuation {
    const pare_model *model;
    const pare_backend *backend;
    const pare_adapters *adapters; /* beside the weights, without dropout; or NULL */
    const pare_generate_options *options;
    const pare_runtime *runtime; /* for its memory limit; or NULL */
} pare_continuation;

/* As pare_generate has it. */
pare_status pare_continuation_write(const pare_continuation *request, pare_piece_fn piece, void *user);

#endif
