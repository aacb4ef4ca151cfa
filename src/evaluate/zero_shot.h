/* Scoring a task's requests with a model. */
#ifndef PARE_EVALUATE_ZERO_SHOT_H
#define PARE_EVALUATE_ZERO_SHOT_H

#include "evaluate/task_request.h"
#include "model/adapter.h"
#include "model/source.h"

typedef struct pare_zero_shot {
    const pare_model *model;
    const pare_backend *backend;
    const pare_runtime *runtime; /* may be NULL */
    pare_task_protocol protocol;
    const pare_adapters *adapters; /* beside the weights; NULL: none */
} pare_zero_shot;

typedef struct pare_zero_shot_scores {
    pare_task_requests requests;
    double *likelihoods;      /* [requests.count]: log-probability of each continuation, in nats */
    uint64_t request_tokens;  /* of all inputs, one by one: what a program that shares nothing computes */
    uint64_t computed_tokens; /* of the sequences that stood for them */
    uint64_t padded_tokens;   /* the same with what fills up the shorter sequences of a batch */
    uint64_t batches;         /* times that the weights were read */
    double seconds;
} pare_zero_shot_scores;

/* Inputs of at most the model's max_positions. Sequences are sorted by length; a batch takes those of like length, or,
 * where the weights must be read from the disk for each, as many as the memory allows. Sequences that do not fit have
 * fewer answers each. Fails with PARE_NUMERIC_ERROR if a likelihood is not finite. Free with
 * pare_zero_shot_scores_free. */
pare_status pare_zero_shot_score(const pare_zero_shot *zero_shot, const pare_task_file *file,
                                 pare_zero_shot_scores *out);
void pare_zero_shot_scores_free(pare_zero_shot_scores *scores);

/* What the model answers: the first choice of the highest likelihood, and of the highest per character. */
typedef struct pare_zero_shot_answer {
    uint32_t plain, normalised;
} pare_zero_shot_answer;

pare_zero_shot_answer pare_zero_shot_answer_of(const pare_task_document *document, const double *likelihoods);

#endif
