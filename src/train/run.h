/* A training run from its first step, or from where an earlier one was stopped, to its last: steps, validation and
 * checkpoints in turn. */
#ifndef PARE_TRAIN_RUN_H
#define PARE_TRAIN_RUN_H

#include "train/trainer.h"

typedef struct pare_training_run {
    uint64_t save_every; /* steps */
    const char *state;   /* file of the checkpoints; NULL: none are kept */
    const char *key;     /* of what the run depends on */
} pare_training_run;

/* Goes on from the state file if there is one. Validates before the first step, every options->validate_every steps and
 * after the last; then the best values are put back. Reports every step to the runtime. An interrupted run leaves its
 * state, if one is kept. */
pare_status pare_training_run_steps(pare_trainer *trainer, const pare_training_run *run);

#endif
