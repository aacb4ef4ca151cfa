/* The part of a pruning run that removes single weights: what is asked of which matrices, and what came of it. */
#ifndef PARE_PRUNE_SPARSE_H
#define PARE_PRUNE_SPARSE_H

#include "layerwise/weights.h"
#include "support/json.h"
#include "support/scratch.h"

struct pare_prune_job;

typedef struct pare_sparse {
    bool *pruned;                /* [tensor_count] */
    double *asked, *used;        /* [tensor_count] sparsities: as asked; after allocation */
    pare_matrix_result *results; /* [tensor_count] */
    float **gradient, **squares; /* [tensor_count] what the signal has to say, or NULL */
    pare_scratch memory;         /* of both */
    pare_linear_fisher fisher;   /* what the loss feels of the matrices' outputs; or nothing */
    pare_trained *residual;      /* what is lost, as an adapter; or NULL */
    json_t *permutation;         /* of which channels, sums of scores before and after, what was left alone; or NULL */
    json_t *orders;              /* where every channel of the permuted model stood, or NULL */
} pare_sparse;

/* Refuses what makes no sense, and marks the matrices. */
pare_status pare_sparse_prepare(struct pare_prune_job *job);
void pare_sparse_free(pare_sparse *sparse);
/* What signals had to say, when the layers are pruned. */
void pare_sparse_signals_free(pare_sparse *sparse);

/* Adds to job->plan what the run will hold. */
pare_status pare_sparse_plan(struct pare_prune_job *job);
/* What a walk over job->current is handed; source must live as long. */
pare_weights_job pare_sparse_layerwise(struct pare_prune_job *job, const pare_source *source);

/* A walk that prunes, or fills levels; with --resume its layers are kept under that name. */
typedef struct pare_weights_walk {
    pare_weights_job job;
    pare_repaired *repaired;
    pare_matrix_result *results;
    double *sparsity;
} pare_weights_walk;
pare_status pare_sparse_walk(const struct pare_prune_job *job, const char *name, pare_weights_walk *walk);

/* Where the recipe permutes: finds the orders by scores of the dense model and makes the permuted model job->current.
 */
pare_status pare_sparse_permute(void *job);
/* Bytes that this takes, and those of them in a scratch file. */
pare_status pare_sparse_permute_plan(struct pare_prune_job *job, uint64_t *bytes, uint64_t *scratch);

/* The whole of it: signals, permutation, then layer by layer; fills job->selection (everything), job->repaired and the
 * results. */
pare_status pare_sparse_run(struct pare_prune_job *job);

/* Fisher matrices of the outputs, where the recipe measures errors by them: gathered on job->current; what that adds to
 * the plan; and their bytes in memory while the layers are pruned. */
pare_fisher_choice pare_sparse_metric_choice(const struct pare_prune_job *job);
pare_status pare_sparse_metric(void *job);
pare_status pare_sparse_metric_plan(struct pare_prune_job *job);
uint64_t pare_sparse_metric_kept(const struct pare_prune_job *job);

/* Where the recipe searches: the shares of all matrices, in place of what was asked of them; and what that will hold.
 */
pare_status pare_sparse_search(void *job);
pare_status pare_sparse_search_plan(struct pare_prune_job *job);
/* The adapter for what is lost, where the recipe has one (sparse_residual.c): its bytes in memory; itself, empty,
 * before the layers are pruned; its files, in a folder inside the output; and what it came to. */
uint64_t pare_sparse_residual_bytes(const struct pare_prune_job *job);
pare_status pare_sparse_residual_new(struct pare_prune_job *job);
pare_status pare_sparse_residual_write(const struct pare_prune_job *job);
pare_residual_results pare_sparse_residual_results(const struct pare_prune_job *job);

/* Target, totals, and every matrix with its figures; a new reference. */
json_t *pare_sparse_json(const struct pare_prune_job *job);
/* The binned densities of every mask; a new reference. */
json_t *pare_sparse_densities(const struct pare_prune_job *job);
/* Weights that go, and weights of all pruned matrices. */
void pare_sparse_count(const struct pare_prune_job *job, uint64_t *gone, uint64_t *all);

#endif
