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

typedef pare_status (*pare_evaluation_see)(void *context, const pare_evaluation_group *group);

/* Shows `see` all groups, in their order. dense: goes through every group before the model does; or NULL. beside: bytes
 * that `see` works in; what they leave of the runtime's limit is the passes'. Fails with PARE_OUT_OF_MEMORY if not even
 * one window fits. */
pare_status pare_evaluation_groups(const pare_evaluation *evaluation, const pare_model *dense, uint64_t beside,
                                   pare_evaluation_see see, void *context);

/* PARE_NUMERIC_ERROR, naming text and model, for a value that is not finite; PARE_OK for others. what: "loss". */
pare_status pare_evaluation_check(const pare_evaluation *evaluation, const char *what, double value);

#endif
