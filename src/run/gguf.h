/* A run's model as a GGUF file: where the target's name ends with .gguf, the folder that the run has written and
 * checked is put into one file, which takes its place. */
#ifndef PARE_RUN_GGUF_H
#define PARE_RUN_GGUF_H

#include "model/model.h"
#include "run/run.h"

/* Before pare_run_open. type: of the numbers (gguf_form.h); NULL: the usual one. Nothing happens for a target, which
 * may be NULL, that is a folder. Refused, before any work: a model that no GGUF file can hold, an unknown type, and a
 * type where no GGUF file is written. */
pare_status pare_run_gguf_choose(pare_run *run, const pare_model *model, const char *target, const char *type,
                                 const pare_runtime *runtime);

/* From the folder, to the file; then the folder has nothing else. Nothing happens where a folder is wanted. */
pare_status pare_run_gguf_pack(pare_run *run);

/* Writes the model itself, whole, to the run's GGUF file. */
pare_status pare_run_gguf_write(pare_run *run, const pare_model *model);

#endif
