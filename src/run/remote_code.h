/* A run's model with a modeling file beside it, so that transformers loads layers of different widths: where such a
 * folder was written, config.json names the file's classes (model/config_remote.h), and the file is there. */
#ifndef PARE_RUN_REMOTE_CODE_H
#define PARE_RUN_REMOTE_CODE_H

#include "model/model.h"
#include "run/run.h"

/* Before pare_run_open. asked: by the caller; of a model that has such a file, what is made of it gets one in any case.
 * Refused where it is asked for: of a GGUF file, which needs none, and of models for which there are no such classes.
 */
pare_status pare_run_remote_choose(pare_run *run, const pare_model *model, const char *target, bool asked);

/* When the folder is complete: changes its config.json, adds the file, opens the model again, and says in run->written
 * what loads it. Where all layers are alike the folder stays as it is, and a note says so if the file was asked for. */
pare_status pare_run_remote_write(pare_run *run);

#endif
