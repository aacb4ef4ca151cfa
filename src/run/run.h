/* What every job has: stages one after the other, each timed and each a place to stop at; files and a model that are
 * written under temporary names and appear together at the end, the model last, or not at all. */
#ifndef PARE_RUN_RUN_H
#define PARE_RUN_RUN_H

#include "checkpoint/output.h"
#include "report/parts.h"
#include "run/paths.h"
#include "run/staged.h"

/* job: the whole of what the stages hand to each other. */
typedef pare_status pare_job_stage_fn(void *job);

typedef struct pare_job_stage {
    const char *name; /* in the report's seconds; several stages may share one. NULL: it times its own parts */
    pare_job_stage_fn *run;
} pare_job_stage;

/* As what the model is written (run/gguf.h). */
typedef struct pare_run_gguf {
    bool wanted; /* as a GGUF file; else all zero */
    const struct pare_gguf_form *form;
    const struct pare_imatrix_file *importance; /* by which columns are weighed; or NULL; borrowed */
    const char *base;                           /* what the model was made of, unless that has no name; borrowed */
    const pare_runtime *runtime;
} pare_run_gguf;

typedef struct pare_run {
    pare_paths paths;
    pare_output *output; /* the model's folder; NULL: none is written, or it is in place */
    bool each;           /* every rank (support/peer.h) writes a folder of its own; else the first alone */
    pare_staged *files;  /* beside it */
    size_t file_count;
    pare_stage_cost *times; /* of the stages, in the order in which they ended first */
    size_t time_count;
    pare_file_list written; /* what lies in the model's folder, once it is complete */
    pare_run_gguf gguf;
    bool remote_wanted, remote_asked; /* run/remote_code.h */
} pare_run;

void pare_run_begin(pare_run *run);
/* What is not in place yet is removed. Keeps this thread's message. */
void pare_run_end(pare_run *run);

/* Runs the stages in order until one fails or the run is interrupted; times of stages of the same name add up. */
pare_status pare_run_stages(pare_run *run, const pare_job_stage *stages, size_t count, void *job);
pare_status pare_run_stage(pare_run *run, const char *name, pare_job_stage_fn *stage, void *job);

/* Where a model is written (checkpoint/output.h), after all that is read and written was named in run->paths and is
 * found to be apart. target NULL, or a rank that is not the first: none is written, the paths are checked all the same.
 */
pare_status pare_run_open(pare_run *run, const char *target, const char *source, bool force, uint64_t needed);

/* A file beside the model, which gets to `path` with pare_run_commit; of ranks, the first alone writes it. Frees the
 * reference, which may be NULL. */
pare_status pare_run_write(pare_run *run, json_t *json, const char *path);
pare_status pare_run_write_text(pare_run *run, const char *text, const char *path);
pare_status pare_run_write_bytes(pare_run *run, const void *bytes, size_t size, const char *path);

/* Files of `from` get to their places with those of `run`, and not with its own model. */
pare_status pare_run_adopt(pare_run *run, pare_run *from);

/* Where a run that can be taken up keeps its progress: OUTPUT.progress; freed with free(). */
char *pare_run_progress_folder(const char *output);

/* After all is written, before the report: makes a GGUF file of it, or puts a modeling file beside it, where one is
 * wanted, and fills run->written. */
pare_status pare_run_list(pare_run *run);
/* The last that a run does, when its report is made, so that nothing can fail after it: everything gets to its place,
 * the files, then the model; if one cannot, none does. so_far: of the stages and the report; with one that failed, or
 * if this fails, *report is freed and NULL. */
pare_status pare_run_commit(pare_run *run, pare_status so_far, char **report);

#endif
