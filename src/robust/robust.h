/* The parts of pare_robust: what is changed, one run, what two runs have in common, and the Lipschitz check. */
#ifndef PARE_ROBUST_ROBUST_H
#define PARE_ROBUST_ROBUST_H

#include "prune/prune_job.h"
#include "report/robustness.h"
#include "surgery/perturb.h"

typedef enum pare_robust_kind {
    PARE_ROBUST_WEIGHTS, /* another model: `perturbation` */
    PARE_ROBUST_SEED,
    PARE_ROBUST_THREADS,
    PARE_ROBUST_SHUFFLE
} pare_robust_kind;

typedef struct pare_robust_change {
    const char *name; /* as given */
    pare_robust_kind kind;
    pare_perturbation perturbation;
} pare_robust_change;

/* What a study is to do: options read once (options/resolve_study.c). Its jobs are resolved and fit the model. */
typedef struct pare_study {
    pare_job *jobs; /* [methods][ratios] */
    size_t methods, ratios;
    pare_robust_change *changes; /* [change_count] */
    size_t change_count;
    uint64_t seed;
    uint32_t seeds;         /* repetitions */
    bool ranks;             /* also the rank of every unit before and after */
    const char *plot, *csv; /* where pictures of ranks and the table of perplexities go (prune.h); or NULL */
    /* How far gradients follow small changes of all weights: [gradient_count] methods, the plain gradient and the
     * smoothed one first; 0: not asked for. */
    pare_job *gradients;
    size_t gradient_count;
    double size;    /* of these changes, relative to each weight */
    uint32_t draws; /* of them */
} pare_study;

/* All of it; *report as pare_robust has it. */
pare_status pare_study_run(const pare_model *model, const pare_study *study, const pare_runtime *runtime,
                           char **report);

/* PARE_BAD_ARGUMENT lists what there is. */
pare_status pare_robust_change_parse(const char *name, pare_robust_change *out);

/* One pruning run of many. */
typedef struct pare_robust_request {
    const pare_model *model;
    const pare_job *job;
    const pare_runtime *runtime;
    uint64_t seed;                   /* in place of the job's */
    int threads;                     /* 0: the runtime's */
    const pare_windows *calibration; /* NULL: the run draws it */
    const pare_windows *texts;       /* [text_count] of the job */
    bool projections;                /* keep the scores of each projection by itself */
    pare_cache *cache;
} pare_robust_request;

/* What is kept of it. */
typedef struct pare_robust_outcome {
    pare_recipe recipe;
    pare_selection selection;
    pare_unit_scores scores; /* empty where the method does not choose by scores */
    bool scored;
    pare_projection_scores projections; /* empty unless asked for, and of methods that sum no elements */
    pare_windows calibration;
    uint32_t batches;
    double *dense, *nll; /* [text_count] of the model as it was, and pruned */
} pare_robust_outcome;

/* Free with pare_robust_outcome_free. */
pare_status pare_robust_run(const pare_robust_request *request, pare_robust_outcome *out);
void pare_robust_outcome_free(pare_robust_outcome *outcome);
/* The same sequences, each batch in an order of its own drawn by `seed`. */
pare_status pare_robust_shuffle(const pare_windows *from, uint32_t batches, uint64_t seed, pare_windows *out);

/* Into a seed that is all zero, with room for the model's layers. */
pare_status pare_robust_compare(const pare_model *model, const pare_robust_outcome *a, const pare_robust_outcome *b,
                                pare_robust_seed *out);
/* Into ranks that are all zero. */
pare_status pare_robust_rank(const pare_model *model, const pare_robust_outcome *a, const pare_robust_outcome *b,
                             pare_robust_ranks *out);

/* Which of the ranks (support/peer.h) runs a method, at all ratios and with all changes, with the seed of a repetition.
 */
int pare_robust_owner(const pare_study *study, uint32_t repetition, size_t method, int ranks);
/* What each has found, to all. */
pare_status pare_robust_share(const pare_study *study, pare_robust_results *results);

/* How far the gradients of methods follow small changes of the weights, and the bounds of Theorems 1 and 2. Free with
 * pare_lipschitz_results_free in any case. */
pare_status pare_robust_lipschitz(const pare_model *model, const pare_study *study, const pare_runtime *runtime,
                                  pare_lipschitz_results *out);

#endif
