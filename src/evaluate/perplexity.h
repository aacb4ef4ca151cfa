/* Perplexity of token windows (structured pruning protocol of LLM-Pruner and MoreauPruner): the exponential of the mean
 * negative log-likelihood over all windows and all of their length - 1 next tokens. */
#ifndef PARE_EVALUATE_PERPLEXITY_H
#define PARE_EVALUATE_PERPLEXITY_H

#include "model/adapter.h"
#include "model/source.h"
#include "text/corpus.h"

/* What is measured, for pare_perplexity and pare_divergence. Ids lie below the model's vocabulary size and windows are
 * 2 tokens or longer (pare_calibration_check). */
typedef struct pare_evaluation {
    const pare_model *model;
    const pare_source *source; /* weights of the model as it is to be measured, e.g. masked; NULL: as they are stored */
    const pare_adapters *adapters; /* beside the weights; NULL: none */
    const pare_backend *backend;
    const pare_runtime *runtime; /* may be NULL */
    const pare_windows *windows;
    const char *name;  /* of the text, for messages */
    const char *stage; /* for progress reports; NULL: "evaluating" */
} pare_evaluation;

/* *nll: mean negative log-likelihood in nats, summed in fp64. Fails with PARE_NUMERIC_ERROR, naming text and model, if
 * it is not finite. */
pare_status pare_perplexity(const pare_evaluation *evaluation, double *nll);

/* The failure of pare_perplexity for a value that is not finite; PARE_OK for others. what: "loss". */
pare_status pare_evaluation_check(const pare_evaluation *evaluation, const char *what, double value);

#endif
