/* Before an N:M pattern: the same model with its channels in a better order, which the run goes on with. */
#include "layerwise/permutation.h"
#include "prune/prune_job.h"
#include "support/json.h"
#include "support/memory.h"
#include "support/runtime.h"

#include <string.h>

/* The recipe's scores on the dense model. Gram matrices and regional gradients exist only in the walk that prunes:
 * saliences that read them are stood in for by Wanda's. */
static pare_recipe scoring_recipe(const pare_recipe *recipe) {
    pare_recipe scoring = *recipe;
    if (pare_signal_has(recipe->signal, PARE_TRAIT_REGIONAL) || (recipe->salience->needs & PARE_NEEDS_INVERSE)) {
        scoring.salience = &pare_salience_activation;
        scoring.signal = pare_signal_with(0);
    }
    scoring.compensation = (pare_compensation)0;
    scoring.dense = 0.0;
    scoring.final_norm = false;
    scoring.element.refinement = (pare_refinement)0;
    scoring.element.allocation = (pare_allocation)0;
    scoring.element.measured = false;
    scoring.element.residual_rank = 0;
    scoring.element.region_rounds = 0;
    return scoring;
}

static pare_permutation_goal goal_of(const pare_prune_job *job) {
    enum { ROOM = 1 << 30 };
    uint64_t limit = pare_runtime_limit(job->runtime), room = ROOM;
    return (pare_permutation_goal){.model = job->current,
                                   .pruned = job->sparse.pruned,
                                   .kind = job->asked->recipe.element.permutation,
                                   .keep = job->asked->target.sparsity.keep,
                                   .of = job->asked->target.sparsity.of,
                                   .room = limit && limit / 4 < room ? limit / 4 : room};
}

static pare_weights_job scoring_job(pare_prune_job *job, const pare_source *source, const pare_recipe *recipe,
                                    uint64_t held) {
    pare_weights_job scoring = pare_sparse_layerwise(job, source);
    scoring.recipe = recipe;
    scoring.scores_only = true;
    scoring.limit = pare_limit_beside(scoring.limit, held);
    return scoring;
}

pare_status pare_sparse_permute_plan(pare_prune_job *job, uint64_t *bytes, uint64_t *scratch) {
    pare_source source = {.model = job->current, .backend = job->backend};
    pare_recipe recipe = scoring_recipe(&job->asked->recipe);
    pare_permutation_goal goal = goal_of(job);
    uint64_t held = pare_permutation_bytes(&goal);
    pare_weights_job scoring = scoring_job(job, &source, &recipe, held);
    pare_layerwise_memory memory;
    PARE_TRY(pare_weights_measure(&scoring, &memory));
    pare_work work = pare_weights_work(&scoring);
    pare_prune_plan_work(job, "permuting", &work, 1.0);
    *bytes = held + memory.hidden + memory.statistics + memory.weights + memory.activations;
    *scratch = memory.scratch;
    return PARE_OK;
}

static json_t *summary_json(const pare_prune_job *job, const pare_permutation *p, const pare_recipe *scoring) {
    bool assigned = job->asked->recipe.element.permutation == PARE_PERMUTE_ASSIGN;
    return pare_report_permutation(&(pare_permutation_results){.how = assigned ? "assign" : "allocate",
                                                               .scores = scoring->salience->name,
                                                               .gain = p->gain,
                                                               .rows = p->rows,
                                                               .rows_seen = p->rows_seen,
                                                               .left_alone = p->left_alone});
}

/* matrix <- its rows and columns in their new order, by way of `room`. */
static void permute_matrix(float *matrix, const pare_tensor *tensor, const pare_axes *axes, float *room) {
    int64_t rows, columns;
    pare_tensor_matrix(tensor, &rows, &columns);
    pare_matrix_cut(matrix, columns, sizeof *matrix, (pare_index_list){axes->rows.units, rows},
                    (pare_index_list){axes->columns.units, columns}, room);
    memcpy(matrix, room, (size_t)(rows * columns) * sizeof *matrix);
}

static void permute_signals(pare_prune_job *job, const pare_permuted_axes *permuted, float *room) {
    const pare_sparse *s = &job->sparse;
    for (size_t id = 0; id < permuted->count; id++) {
        if (!s->pruned[id]) continue;
        const pare_tensor *tensor = job->current->tensors[id];
        permute_matrix(s->gradient[id], tensor, &permuted->axes[id], room);
        if (s->squares) permute_matrix(s->squares[id], tensor, &permuted->axes[id], room);
    }
}

/* What was gathered on the model as it was, moved as the weights are. */
static pare_status move_signals(pare_prune_job *job, const pare_orders *orders) {
    pare_permuted_axes permuted;
    uint64_t most = 0;
    float *room = NULL;
    if (!job->sparse.gradient) return PARE_OK;
    for (size_t id = 0; id < job->current->tensor_count; id++)
        if (job->sparse.pruned[id] && job->current->tensors[id]->count > most) most = job->current->tensors[id]->count;
    PARE_TRY(pare_permuted_axes_new(job->current, orders, &permuted));
    pare_status status = pare_alloc_uninitialized(&room, most, sizeof *room, "gradients");
    if (status == PARE_OK) permute_signals(job, &permuted, room);
    pare_free(room);
    pare_permuted_axes_free(&permuted);
    return status;
}

static pare_status go_on_with(pare_prune_job *job, const pare_orders *orders) {
    const char *scratch = job->runtime ? job->runtime->scratch : NULL;
    pare_temporary_model permuted;
    if (pare_orders_empty(orders)) return PARE_OK;
    PARE_TRY(move_signals(job, orders));
    PARE_TRY(pare_permuted_model_new(job->current, orders, scratch, job->runtime, &permuted));
    pare_temporary_model_free(&job->temporary);
    job->temporary = permuted;
    job->current = permuted.model;
    return PARE_OK;
}

typedef struct finding {
    const pare_permutation_goal *goal;
    pare_weights_job scoring;
    pare_permutation found;
} finding;

static pare_status find_kept(void *context, const char *state, const char *key) {
    finding *f = context;
    f->scoring.state = state;
    f->scoring.key = key;
    return pare_permutation_find(f->goal, &f->scoring, &f->found);
}

pare_status pare_sparse_permute(void *context) {
    pare_prune_job *job = context;
    pare_source source = {.model = job->current, .backend = job->backend};
    if (job->asked->recipe.element.permutation == PARE_PERMUTE_NONE) return PARE_OK;
    pare_recipe recipe = scoring_recipe(&job->asked->recipe);
    pare_permutation_goal goal = goal_of(job);
    finding f = {.goal = &goal, .scoring = scoring_job(job, &source, &recipe, pare_permutation_bytes(&goal))};
    PARE_TRY(pare_prune_kept(job, "walk-permute.", find_kept, &f));
    job->sparse.permutation = summary_json(job, &f.found, &recipe);
    job->sparse.orders = pare_report_orders(job->current, &f.found.orders);
    pare_status status = go_on_with(job, &f.found.orders);
    pare_permutation_free(&f.found);
    return status;
}
