/* Texts and tasks to numbers. */
#ifndef PARE_EVALUATE_EVALUATE_H
#define PARE_EVALUATE_EVALUATE_H

#include "evaluate/tasks.h"

/* What an evaluation is to do: options read once (options/evaluate.c). Something is to be evaluated on; all of it is
 * the caller's. */
typedef struct pare_evaluate_job {
    const char *const *texts; /* [text_count] */
    size_t text_count;
    uint32_t window, max_windows; /* max_windows 0: all; of "self": as many as are usual */
    const pare_model *against;    /* the dense model to compare with, or NULL */
    uint64_t seed;
    const char *adapter;     /* folder, or NULL */
    const pare_tasks *tasks; /* or NULL */
    const char *items;       /* file, or NULL */
    uint32_t continuations;  /* texts to be written on; 0: none */
    const char *harness;     /* file for the results as lm-evaluation-harness has them, or NULL */
} pare_evaluate_job;

/* All of it; *report as pare_evaluate has it. */
pare_status pare_evaluate_job_run(const pare_model *model, const pare_evaluate_job *job, const pare_runtime *runtime,
                                  char **report);

#endif
