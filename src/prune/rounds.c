/* The rounds of a run: score the model as it is, select, repair, and go on with what is left. */
#include "prune/prune_job.h"
#include "score/trace.h"
#include "support/memory.h"

pare_score_request pare_prune_score_request(const pare_prune_job *job) {
    return (pare_score_request){.model = job->current,
                                .backend = job->backend,
                                .recipe = &job->recipe,
                                .plan = &job->plan,
                                .runtime = job->runtime,
                                .seed = job->options->seed,
                                .ids = job->windows.ids,
                                .batches = pare_prune_batches(job),
                                .digest = job->calibration_digest,
                                .state = job->progress ? job->progress->state : NULL,
                                .key = job->progress ? job->progress->round_key : NULL};
}

static pare_status score(void *context) {
    pare_prune_job *job = context;
    pare_score_request request = pare_prune_score_request(job);
    bool known = job->round == 0 && !job->options->salience; /* what a caller's function gives may change */
    pare_cache *cache = request.cache = known ? job->options->cache : NULL;
    if (pare_cache_scores_take(cache, &request, &job->result)) return PARE_OK;
    PARE_TRY(pare_score_units(&request, &job->result));
    return pare_cache_scores_give(cache, &request, &job->result);
}

/* In layer mode the range shrinks with the model. */
static pare_target target_of_round(const pare_prune_job *job) {
    pare_target target = job->target;
    if (target.mode != PARE_MODE_LAYER) return target;
    uint32_t gone = job->model->config.layers - job->current->config.layers;
    target.attention.end -= gone;
    target.ffn.end -= gone;
    return target;
}

/* Scores of all layers are worth having where they are written out. */
pare_status pare_prune_plan(pare_prune_job *job, uint32_t sequences, uint32_t length, bool announced) {
    pare_target target = target_of_round(job);
    pare_plan_request request = {.recipe = &job->recipe,
                                 .target = &target,
                                 .only = job->sparse.pruned,
                                 .displace = job->options->displace,
                                 .score_all = job->options->scores != NULL,
                                 .sequences = sequences,
                                 .length = length};
    pare_plan_free(&job->plan);
    PARE_TRY(pare_plan_new(job->current, job->backend, job->runtime, &request, &job->plan));
    job->plan.sizes.chat = job->windows.chat;
    if (job->procedure->plan) PARE_TRY(job->procedure->plan(job));
    if (announced && job->runtime && job->runtime->plan)
        job->runtime->plan(job->runtime->progress_user, &job->plan.sizes);
    return PARE_OK;
}

static pare_status select_units(void *context) {
    pare_prune_job *job = context;
    pare_goal goal;
    pare_target target = target_of_round(job);
    double share = (double)(job->round + 1) / (double)job->rounds;
    PARE_TRY(pare_goal_new(job->model, &job->target, share, &goal));
    pare_status status = pare_select(job->current, &job->result.scores, &target, &goal, &job->selection);
    pare_goal_free(&goal);
    return status;
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

static pare_status stage_model(pare_prune_job *job) {
    const char *scratch = job->runtime ? job->runtime->scratch : NULL;
    pare_temporary_model next;
    PARE_TRY(pare_temporary_model_new(job->current, &job->selection, &job->repaired, scratch, job->runtime, &next));
    pare_temporary_model_free(&job->temporary);
    job->temporary = next;
    job->current = next.model;
    return PARE_OK;
}

/* The next round starts from what this one left. */
static pare_status shrink(void *context) {
    pare_prune_job *job = context;
    PARE_TRY(job->progress ? pare_prune_progress_round(job) : stage_model(job));
    pare_prune_round_free(job);
    uint32_t sequences = job->windows.count / pare_prune_batches(job);
    return pare_prune_plan(job, sequences, job->windows.length, false);
}

void pare_prune_round_free(pare_prune_job *job) {
    pare_selection_free(&job->selection);
    pare_repaired_free(&job->repaired);
    pare_score_free(&job->result);
    pare_plan_free(&job->plan);
}

static pare_status run_round(pare_prune_job *job) {
    PARE_TRY(pare_run_stage(&job->run, "scoring", score, job));
    PARE_TRY(pare_run_stage(&job->run, "selecting", select_units, job));
    if (pare_recipe_repairs(&job->recipe)) PARE_TRY(pare_run_stage(&job->run, "repairing", pare_prune_repair, job));
    if (job->result.trace) json_array_append_new(job->traces, pare_trace_json(&job->result));
    return pare_prune_compose(job);
}

pare_status pare_prune_rounds(pare_prune_job *job) {
    for (;; job->round++) {
        PARE_TRY(run_round(job));
        if (job->round + 1 == job->rounds) return PARE_OK;
        PARE_TRY(pare_run_stage(&job->run, "shrinking", shrink, job));
    }
}

static pare_status choose_target(pare_prune_job *job) {
    PARE_TRY(pare_units_choose_target(job));
    return pare_units_set_goal(job);
}

static pare_status plan(pare_prune_job *job) {
    bool repairs = job->plan.sizes.sequences && pare_recipe_repairs(&job->recipe);
    return repairs ? pare_prune_plan_repair(job) : PARE_OK;
}

static bool applies(const pare_prune_job *job) {
    (void)job;
    return true;
}

json_t *pare_prune_recipe_json(const pare_prune_job *job) {
    return pare_recipe_json(&job->recipe);
}

/* Heads, channels and layers, in one round or in several. */
const pare_procedure pare_units = {.applies = applies,
                                   .choose_target = choose_target,
                                   .choose_data = pare_windows_choose,
                                   .calibrate = pare_windows_calibrate,
                                   .plan = plan,
                                   .run = pare_prune_rounds,
                                   .recipe = pare_prune_recipe_json};
