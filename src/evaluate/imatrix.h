/* The importance matrix of a model, measured over text: what llama.cpp's llama-imatrix computes of its GGUF file. */
#ifndef PARE_EVALUATE_IMATRIX_H
#define PARE_EVALUATE_IMATRIX_H

#include "checkpoint/gguf_metadata.h"
#include "evaluate/evaluation.h"
#include "run/run.h"

/* Runs the model over the windows of `evaluation`, whose name is that of the text, and makes the file of it: for every
 * matrix of the layers, and for a head that is not the embedding, the sums of squares of its inputs over all tokens of
 * all windows, by the names and with the columns of the model's GGUF file. image: the file's bytes; free with
 * pare_gguf_metadata_free. PARE_UNSUPPORTED for a model that no GGUF file can hold. */
pare_status pare_imatrix_measure(const pare_evaluation *evaluation, pare_gguf_metadata *image);

/* The same as a file beside the run's model, which gets to `path` with pare_run_commit. */
/* Of several ranks (support/peer.h) one alone: its own work. */
pare_status pare_imatrix_write(const pare_evaluation *evaluation, pare_run *run, const char *path);

/* What it will hold, as plan->imatrix, and how it goes over the windows, of which count and length matter: of a model
 * that loses units later, the most. */
pare_status pare_imatrix_plan(const pare_model *model, const pare_backend *backend, const pare_runtime *runtime,
                              const pare_windows *windows, pare_plan *plan);

#endif
