/* What every round of a run needs: its memory plan, what scoring asks for, and what all rounds come to. */
#include "prune/prune_job.h"
#include "support/memory.h"

static const char *state_of(const pare_prune_job *job) {
    const pare_recipe *recipe = &job->asked->recipe;
    if (!job->progress) return NULL;
    if (pare_recipe_gates(recipe)) return job->progress->training;
    return pare_signal_has(recipe->signal, PARE_TRAIT_STEPS) ? job->progress->state : job->progress->passes;
}

pare_score_request pare_prune_score_request(const pare_prune_job *job) {
    return (pare_score_request){.model = job->current,
                                .backend = job->backend,
                                .recipe = &job->asked->recipe,
                                .plan = &job->plan,
                                .runtime = job->runtime,
                                .seed = job->asked->seed,
                                .ids = job->windows.ids,
                                .norms = job->norms.layers ? &job->norms : NULL,
                                .batches = job->asked->calibration.batches,
                                .digest = job->calibration_digest,
                                .state = state_of(job),
                                .key = job->progress ? job->progress->round_key : NULL};
}

pare_target pare_prune_round_target(const pare_prune_job *job) {
    pare_target target = job->target;
    if (target.mode != PARE_MODE_LAYER) return target;
    uint32_t gone = job->model->config.layers - job->current->config.layers;
    target.attention.end -= gone;
    target.ffn.end -= gone;
    return target;
}

void pare_prune_plan_stage(pare_prune_job *job, uint64_t bytes, uint64_t in_file) {
    pare_plan *plan = &job->plan.sizes;
    if (plan->repair && bytes - in_file <= plan->repair - job->planned.in_file) return;
    plan->scratch = plan->scratch - job->planned.in_file + in_file;
    plan->repair = bytes;
    job->planned.in_file = in_file;
}

void pare_prune_plan_file(pare_prune_job *job, uint64_t bytes) {
    job->plan.sizes.repair += bytes;
    job->plan.sizes.scratch += bytes;
    job->planned.in_file += bytes;
}

void pare_prune_plan_walk(pare_prune_job *job, const pare_layerwise_memory *walk) {
    pare_prune_plan_stage(job, pare_layerwise_bytes(walk), walk->scratch);
    job->planned.repaired = walk->scratch ? 0 : walk->repaired;
}

/* Scores of all layers are worth having where they are written out. */
static pare_status plan_scoring(pare_prune_job *job, uint32_t sequences, uint32_t length) {
    bool *experts;
    pare_target target = pare_prune_round_target(job);
    PARE_TRY(pare_prune_scored_experts(job, &target, &experts));
    pare_plan_request request = {.recipe = &job->asked->recipe,
                                 .target = &target,
                                 .only = experts ? experts : job->sparse.pruned,
                                 .displace = job->asked->displace,
                                 .score_all = job->asked->outputs.scores != NULL,
                                 .sequences = sequences,
                                 .length = length};
    pare_plan_free(&job->plan);
    job->planned = (pare_prune_planned){0};
    pare_status status = pare_plan_new(job->current, job->backend, job->runtime, &request, &job->plan);
    pare_free(experts);
    if (status == PARE_OK) pare_prune_plan_scored_experts(job);
    return status;
}

pare_status pare_prune_plan(pare_prune_job *job, uint32_t sequences, uint32_t length, bool announced) {
    PARE_TRY(plan_scoring(job, sequences, length));
    job->plan.sizes.chat = job->windows.chat;
    job->plan.sizes.pictures = pare_reads_pictures(&job->model->config);
    if (job->procedure->plan) PARE_TRY(job->procedure->plan(job));
    PARE_TRY(pare_prune_plan_reconstruct(job));
    PARE_TRY(pare_prune_plan_imatrix(job));
    if (job->norms.layers) job->plan.sizes.state += pare_input_norms_bytes(job->model);
    if (announced) PARE_TRY(pare_prune_plan_times(job));
    pare_expected_plan(&job->expected, &job->plan.sizes);
    if (announced && job->runtime && job->runtime->plan)
        job->runtime->plan(job->runtime->progress_user, &job->plan.sizes);
    return PARE_OK;
}

pare_status pare_prune_compose(pare_prune_job *job) {
    pare_selection all = {0}, before = job->composed;
    if (job->round == 0) {
        PARE_TRY(pare_selection_all(job->model, &all));
        before = all;
    }
    pare_selection composed;
    pare_status status = pare_selection_compose(&before, &job->selection, &composed);
    pare_selection_free(&before);
    job->composed = status == PARE_OK ? composed : (pare_selection){0};
    return status;
}

void pare_prune_round_free(pare_prune_job *job) {
    pare_prune_groups_free(job);
    pare_selection_free(&job->selection);
    pare_repaired_free(&job->repaired);
    pare_score_free(&job->result);
    pare_plan_free(&job->plan);
}
