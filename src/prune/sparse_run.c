/* From signals to pruned matrices. */
#include "prune/prune_job.h"
#include "support/memory.h"
#include "support/runtime.h"

#include <math.h>

static bool has_gradient(const pare_recipe *recipe) {
    return pare_signal_has(recipe->signal, PARE_TRAIT_GRADIENT) &&
           !pare_signal_has(recipe->signal, PARE_TRAIT_REGIONAL);
}

/* Bytes of what the signal has to say about every pruned weight. */
static uint64_t gradient_bytes(const pare_prune_job *job) {
    uint64_t count = 0;
    for (size_t id = 0; id < job->current->tensor_count; id++)
        if (job->sparse.pruned[id]) count += job->current->tensors[id]->count;
    if (!has_gradient(&job->asked->recipe)) return 0;
    return count * sizeof(float) * (pare_recipe_needs_squares(&job->asked->recipe) ? 2 : 1);
}

static bool gradients_in_file(const pare_prune_job *job) {
    return pare_limit_wants_file(pare_runtime_limit(job->runtime), gradient_bytes(job));
}

pare_weights_job pare_sparse_layerwise(pare_prune_job *job, const pare_source *source) {
    uint64_t limit = pare_runtime_limit(job->runtime), kept = gradients_in_file(job) ? 0 : gradient_bytes(job);
    kept += pare_sparse_metric_kept(job) + pare_sparse_residual_bytes(job);
    const pare_sparsity *asked = &job->asked->target.sparsity;
    return (pare_weights_job){.source = source,
                              .runtime = job->runtime,
                              .recipe = &job->asked->recipe,
                              .ids = job->windows.ids,
                              .norms = job->norms.layers ? &job->norms : NULL,
                              .sequences = job->plan.shape.sequences,
                              .length = job->plan.shape.length,
                              .limit = pare_limit_beside(limit, kept),
                              .scratch = pare_runtime_scratch(job->runtime),
                              .seed = job->asked->seed,
                              .pruned = job->sparse.pruned,
                              .sparsity = job->sparse.asked,
                              .fixed = asked->shares != NULL,
                              .keep = asked->keep,
                              .of = asked->of,
                              .gradient = job->sparse.gradient,
                              .squares = job->sparse.squares,
                              .felt = pare_sparse_metric_choice(job),
                              .fisher = job->sparse.fisher.diagonal ? &job->sparse.fisher : NULL,
                              .residual = job->sparse.residual};
}

/* The walk that prunes and the one before it that permutes hold their memory one after the other. */
static pare_status plan_walks(pare_prune_job *job, const pare_layerwise_memory *pruning) {
    uint64_t bytes, in_file;
    pare_prune_plan_walk(job, pruning);
    if (job->asked->recipe.element.permutation == PARE_PERMUTE_NONE) return PARE_OK;
    PARE_TRY(pare_sparse_permute_plan(job, &bytes, &in_file));
    pare_prune_plan_stage(job, bytes, in_file);
    return PARE_OK;
}

pare_status pare_sparse_plan(pare_prune_job *job) {
    pare_source source = {.model = job->current, .backend = job->backend};
    pare_weights_job layerwise = pare_sparse_layerwise(job, &source);
    pare_layerwise_memory memory;
    PARE_TRY(pare_weights_measure(&layerwise, &memory));
    pare_plan *plan = &job->plan.sizes;
    PARE_TRY(pare_sparse_metric_plan(job));
    if (has_gradient(&job->asked->recipe)) pare_prune_plan_work(job, "gradients", &job->plan.work, 1.0);
    plan->state += gradient_bytes(job) + pare_sparse_residual_bytes(job);
    if (gradients_in_file(job)) plan->scratch += gradient_bytes(job);
    PARE_TRY(plan_walks(job, &memory));
    if (!plan->micro_batch) plan->micro_batch = (uint64_t)memory.micro_batch;
    PARE_TRY(pare_sparse_search_plan(job));
    pare_work work = pare_weights_work(&layerwise);
    pare_prune_plan_work(job, "pruning", &work, 1.0);
    return PARE_OK;
}

static pare_status allocate_gradients(pare_prune_job *job) {
    pare_sparse *s = &job->sparse;
    const pare_model *model = job->current;
    const char *scratch = gradients_in_file(job) ? pare_runtime_scratch(job->runtime) : NULL;
    PARE_TRY(pare_scratch_open(&s->memory, gradient_bytes(job), scratch, "gradients"));
    PARE_TRY(pare_alloc(&s->gradient, model->tensor_count, sizeof *s->gradient, "gradients"));
    if (pare_recipe_needs_squares(&job->asked->recipe))
        PARE_TRY(pare_alloc(&s->squares, model->tensor_count, sizeof *s->squares, "gradients"));
    float *next = s->memory.data;
    for (size_t id = 0; id < model->tensor_count; id++) {
        if (!s->pruned[id]) continue;
        s->gradient[id] = next;
        next += model->tensors[id]->count;
        if (s->squares) s->squares[id] = next;
        if (s->squares) next += model->tensors[id]->count;
    }
    return PARE_OK;
}

static pare_status gather_gradients(void *context) {
    pare_prune_job *job = context;
    PARE_TRY(allocate_gradients(job));
    pare_score_request request = pare_prune_score_request(job);
    request.gradient = job->sparse.gradient;
    request.squares = job->sparse.squares;
    return pare_score_units(&request, &job->result);
}

static pare_status run_kept(void *context, const char *state, const char *key) {
    const pare_weights_walk *walk = context;
    pare_weights_job job = walk->job;
    job.state = state;
    job.key = key;
    return pare_weights_run(&job, walk->repaired, walk->results, walk->sparsity);
}

pare_status pare_sparse_walk(const pare_prune_job *job, const char *name, pare_weights_walk *walk) {
    return pare_prune_kept(job, name, run_kept, walk);
}

static pare_status prune_layers(void *context) {
    pare_prune_job *job = context;
    pare_source source = {.model = job->current, .backend = job->backend};
    PARE_TRY(pare_sparse_residual_new(job));
    pare_weights_job layerwise = pare_sparse_layerwise(job, &source);
    PARE_TRY(pare_selection_all(job->current, &job->selection));
    PARE_TRY(pare_sparse_walk(job, "walk-prune.",
                              &(pare_weights_walk){.job = layerwise,
                                                   .repaired = &job->repaired,
                                                   .results = job->sparse.results,
                                                   .sparsity = job->sparse.used}));
    return job->sparse.residual ? job->sparse.residual->refresh(job->sparse.residual) : PARE_OK;
}

pare_status pare_sparse_run(pare_prune_job *job) {
    job->result.loss = NAN;
    if (has_gradient(&job->asked->recipe)) PARE_TRY(pare_run_stage(&job->run, "gradients", gather_gradients, job));
    if (job->asked->recipe.element.permutation != PARE_PERMUTE_NONE)
        PARE_TRY(pare_run_stage(&job->run, "permuting", pare_sparse_permute, job));
    if (pare_recipe_feels_outputs(&job->asked->recipe))
        PARE_TRY(pare_run_stage(&job->run, "feeling outputs", pare_sparse_metric, job));
    if (pare_recipe_searches(&job->asked->recipe))
        PARE_TRY(pare_run_stage(&job->run, "searching", pare_sparse_search, job));
    PARE_TRY(pare_run_stage(&job->run, "pruning", prune_layers, job));
    pare_sparse_signals_free(&job->sparse);
    return pare_selection_all(job->model, &job->composed);
}

static pare_status choose_target(pare_prune_job *job) {
    PARE_TRY(pare_prune_choose_target(job));
    return pare_sparse_prepare(job);
}

static void release(pare_prune_job *job) {
    pare_sparse_free(&job->sparse);
}

const pare_procedure pare_weights = {.zeroes = true,
                                     .member = "sparsity",
                                     .applies = pare_job_zeroes,
                                     .choose_target = choose_target,
                                     .choose_data = pare_windows_choose,
                                     .calibrate = pare_windows_calibrate,
                                     .write_text = pare_windows_write,
                                     .plan = pare_sparse_plan,
                                     .run = pare_sparse_run,
                                     .recipe = pare_prune_recipe_json,
                                     .report = pare_sparse_json,
                                     .release = release};
