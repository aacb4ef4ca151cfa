/* A model, or two, over windows of text or of pictures, group by group. */
#ifndef PARE_EVALUATE_EVALUATION_H
#define PARE_EVALUATE_EVALUATION_H

#include "model/adapter.h"
#include "model/pass.h"
#include "model/source.h"
#include "text/corpus.h"

/* What is measured. Ids lie below the model's vocabulary size and windows are 2 tokens or longer
 * (pare_calibration_check), or windows are pictures (calibrate/pictures.h). */
typedef struct pare_evaluation {
    const pare_model *model;
    const pare_source *source; /* weights of the model as it is to be measured, e.g. masked; NULL: as they are stored */
    const pare_adapters *adapters; /* beside the weights; NULL: none */
    const pare_observer *observer; /* of the inputs of the model's linear layers; NULL: none */
    const pare_backend *backend;
    const pare_runtime *runtime; /* may be NULL */
    const pare_windows *windows;
    const char *name;       /* of the text, for messages */
    const char *stage;      /* for progress reports; NULL: "evaluating", or "comparing" */
    uint32_t continuations; /* texts to be written besides, by whoever asks for more than perplexity; 0: none */
    uint64_t seed;          /* of these */
} pare_evaluation;

/* A model that a group of windows went forward through. */
typedef struct pare_evaluated {
    pare_source source;
    pare_pass *pass;
} pare_evaluated;

/* Windows [first, first + count). */
typedef struct pare_evaluation_group {
    const pare_evaluated *model, *dense; /* dense: or NULL */
    int64_t first, count;
} pare_evaluation_group;

/* Who looks at the groups. What it finds out about one is a record of numbers: `see` makes it, on one of the ranks that
 * share the groups (support/peer.h), and `take` reads all of them on every rank, in the order of groups, so that sums
 * are the same for any number of ranks. */
typedef struct pare_evaluation_view {
    pare_status (*see)(void *context, const pare_evaluation_group *group, double *record);
    void (*take)(void *context, const pare_evaluation_group *group, const double *record); /* or NULL, see below */
    void *context;
    size_t numbers, of_window; /* of a record: for the group, and for each of its windows */
    uint64_t beside;           /* bytes that `see` works in; what they leave of the limit is the passes' */
} pare_evaluation_view;

/* Shows all groups. dense: goes through every group before the model does; or NULL. Without `take` there are no
 * records, and every rank sees all groups, in their order. Fails with PARE_OUT_OF_MEMORY if not even one window fits.
 */
pare_status pare_evaluation_groups(const pare_evaluation *evaluation, const pare_model *dense,
                                   const pare_evaluation_view *view);

/* PARE_NUMERIC_ERROR, naming text and model, for a value that is not finite; PARE_OK for others. what: "loss". */
pare_status pare_evaluation_check(const pare_evaluation *evaluation, const char *what, double value);

#endif
