/* From signals to pruned matrices. */
#include "recipe/prune_job.h"
#include "support/memory.h"
#include "support/runtime.h"

static bool has_gradient(const pare_recipe *recipe) {
    return recipe->signal >= PARE_SIGNAL_GRADIENT && recipe->signal <= PARE_SIGNAL_SAMPLES;
}

static bool has_squares(const pare_recipe *recipe) {
    return recipe->salience && (recipe->salience->needs & PARE_NEEDS_SQUARES);
}

/* Bytes of what the signal has to say about every pruned weight. */
static uint64_t gradient_bytes(const pare_prune_job *job) {
    uint64_t count = 0;
    for (size_t id = 0; id < job->current->tensor_count; id++)
        if (job->sparse.pruned[id]) count += job->current->tensors[id]->count;
    if (!has_gradient(&job->recipe)) return 0;
    return count * sizeof(float) * (has_squares(&job->recipe) ? 2 : 1);
}

static bool gradients_in_file(const pare_prune_job *job) {
    uint64_t limit = pare_runtime_limit(job->runtime);
    return limit && gradient_bytes(job) > limit / 2;
}

static bool feels(const pare_recipe *recipe) {
    return recipe->metric == PARE_METRIC_FISHER && recipe->compensation != PARE_COMPENSATE_NONE;
}

/* Gate and up, wider than the hidden state, get diagonals: full matrices would be as large as Down's Gram matrix. */
static pare_fisher_choice fisher_choice(const pare_prune_job *job) {
    return (pare_fisher_choice){.wanted = job->sparse.pruned, .widest = job->current->config.hidden};
}

/* Full matrices, which may lie in a scratch file; and what is always in memory while they are gathered. */
static uint64_t fisher_bytes(const pare_prune_job *job) {
    pare_fisher_choice choice = fisher_choice(job);
    return feels(&job->recipe) ? pare_linear_fisher_bytes(job->current, &choice) : 0;
}

static uint64_t fisher_room(const pare_prune_job *job) {
    pare_fisher_choice choice = fisher_choice(job);
    return feels(&job->recipe) ? pare_linear_fisher_room_bytes(job->current, job->backend, &choice) : 0;
}

static bool fisher_in_file(const pare_prune_job *job) {
    uint64_t limit = pare_runtime_limit(job->runtime);
    return limit && fisher_bytes(job) > limit / 2;
}

static pare_layerwise_job layerwise_job(pare_prune_job *job, const pare_source *source) {
    uint64_t limit = pare_runtime_limit(job->runtime), kept = gradients_in_file(job) ? 0 : gradient_bytes(job);
    if (!fisher_in_file(job)) kept += fisher_bytes(job);
    const pare_sparsity *asked = &job->options->sparsity;
    return (pare_layerwise_job){.source = source,
                                .runtime = job->runtime,
                                .recipe = &job->recipe,
                                .ids = job->windows.ids,
                                .sequences = job->plan.shape.sequences,
                                .length = job->plan.shape.length,
                                .limit = limit > kept ? limit - kept : (limit ? 1 : 0),
                                .scratch = pare_runtime_scratch(job->runtime),
                                .seed = job->options->seed,
                                .pruned = job->sparse.pruned,
                                .sparsity = job->sparse.asked,
                                .fixed = asked->shares != NULL,
                                .keep = asked->keep,
                                .of = asked->of,
                                .gradient = job->sparse.gradient,
                                .squares = job->sparse.squares,
                                .fisher = job->sparse.fisher.diagonal ? &job->sparse.fisher : NULL};
}

static pare_fisher_request fisher_request(const pare_prune_job *job, const pare_source *source) {
    uint64_t limit = pare_runtime_limit(job->runtime), room = fisher_room(job);
    uint64_t kept = room + (fisher_in_file(job) ? 0 : fisher_bytes(job));
    return (pare_fisher_request){.source = source,
                                 .runtime = job->runtime,
                                 .ids = job->windows.ids,
                                 .sequences = job->plan.shape.sequences,
                                 .length = job->plan.shape.length,
                                 .limit = limit > kept ? limit - kept : (limit ? 1 : 0),
                                 .scratch = fisher_in_file(job) ? pare_runtime_scratch(job->runtime) : NULL};
}

static pare_status plan_fisher(pare_prune_job *job) {
    pare_source source = {.model = job->current, .backend = job->backend};
    pare_fisher_request request = fisher_request(job, &source);
    pare_plan *plan = &job->plan.sizes;
    pare_pass_memory pass = {0};
    int64_t group;
    if (!feels(&job->recipe) || !request.sequences) return PARE_OK;
    PARE_TRY(pare_linear_fisher_group(&request, &group, &pass));
    plan->metrics = fisher_bytes(job) + fisher_room(job);
    if (fisher_in_file(job)) plan->scratch += fisher_bytes(job);
    plan->weights = pass.weights;
    plan->activations = pass.activations;
    plan->gradients = pass.gradients;
    plan->micro_batch = (uint64_t)pass.micro_batch;
    return PARE_OK;
}

pare_status pare_sparse_plan(pare_prune_job *job) {
    pare_source source = {.model = job->current, .backend = job->backend};
    pare_layerwise_job layerwise = layerwise_job(job, &source);
    pare_layerwise_memory memory;
    PARE_TRY(pare_layerwise_measure(&layerwise, &memory));
    pare_plan *plan = &job->plan.sizes;
    PARE_TRY(plan_fisher(job));
    plan->state += gradient_bytes(job);
    if (gradients_in_file(job)) plan->scratch += gradient_bytes(job);
    plan->repair = memory.hidden + memory.statistics + memory.weights + memory.activations + memory.repaired;
    plan->scratch += memory.scratch;
    if (!plan->micro_batch) plan->micro_batch = (uint64_t)memory.micro_batch;
    return PARE_OK;
}

static pare_status allocate_gradients(pare_prune_job *job) {
    pare_sparse *s = &job->sparse;
    const pare_model *model = job->current;
    const char *scratch = gradients_in_file(job) ? pare_runtime_scratch(job->runtime) : NULL;
    PARE_TRY(pare_scratch_open(&s->memory, gradient_bytes(job), scratch, "gradients"));
    PARE_TRY(pare_alloc(&s->gradient, model->tensor_count, sizeof *s->gradient, "gradients"));
    if (has_squares(&job->recipe))
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

static pare_status gather_gradients(pare_prune_job *job) {
    if (!has_gradient(&job->recipe)) return PARE_OK;
    PARE_TRY(allocate_gradients(job));
    pare_score_request request = {.model = job->current,
                                  .backend = job->backend,
                                  .recipe = &job->recipe,
                                  .plan = &job->plan,
                                  .runtime = job->runtime,
                                  .seed = job->options->seed,
                                  .ids = job->windows.ids,
                                  .batches = pare_prune_batches(job),
                                  .digest = job->calibration_digest,
                                  .gradient = job->sparse.gradient,
                                  .squares = job->sparse.squares};
    return pare_score_units(&request, &job->result);
}

static pare_status feel_outputs(pare_prune_job *job) {
    pare_source source = {.model = job->current, .backend = job->backend};
    pare_fisher_request request = fisher_request(job, &source);
    pare_fisher_choice choice = fisher_choice(job);
    if (!feels(&job->recipe)) return PARE_OK;
    PARE_TRY(pare_linear_fisher_run(&request, &choice, &job->sparse.fisher));
    job->result.loss = job->sparse.fisher.loss;
    return PARE_OK;
}

static pare_status prune_layers(pare_prune_job *job) {
    pare_source source = {.model = job->current, .backend = job->backend};
    pare_layerwise_job layerwise = layerwise_job(job, &source);
    PARE_TRY(pare_selection_all(job->current, &job->selection));
    return pare_layerwise_run(&layerwise, &job->repaired, job->sparse.results, job->sparse.used);
}

pare_status pare_sparse_run(pare_prune_job *job) {
    PARE_TRY(pare_prune_timed(job, "gradients", gather_gradients));
    PARE_TRY(pare_prune_timed(job, "feeling outputs", feel_outputs));
    PARE_TRY(pare_prune_timed(job, "pruning", prune_layers));
    return pare_selection_all(job->model, &job->composed);
}
