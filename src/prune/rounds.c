/* The rounds of a run: score the model as it is, select, repair, and go on with what is left. */
#include "prune/prune_job.h"
#include "report/trace.h"
#include "support/json.h"
#include "support/memory.h"
#include "support/peer.h"

static pare_status score(void *context) {
    pare_prune_job *job = context;
    pare_score_request request = pare_prune_score_request(job);
    bool known = job->round == 0 && !job->asked->own_salience; /* what a caller's function gives may change */
    pare_cache *cache = request.cache = known ? job->asked->cache : NULL;
    request.projections = job->given.projections;
    if (!request.projections && pare_cache_scores_take(cache, &request, &job->result)) return PARE_OK;
    PARE_TRY(pare_score_units(&request, &job->result));
    PARE_TRY(pare_prune_count_tokens(job));
    return pare_cache_scores_give(cache, &request, &job->result);
}

static pare_status goal_of_round(const pare_prune_job *job, pare_goal *goal) {
    double share = (double)(job->round + 1) / (double)job->asked->target.rounds;
    return pare_goal_new(job->model, &job->target, share, goal);
}

/* Gates are learnt for the target, so they are no other target's. */
static pare_status learn_gates(void *context) {
    pare_prune_job *job = context;
    pare_score_request request = pare_prune_score_request(job);
    pare_target target = pare_prune_round_target(job);
    pare_goal goal;
    PARE_TRY(goal_of_round(job, &goal));
    request.target = &target;
    request.goal = &goal;
    pare_status status = pare_score_units(&request, &job->result);
    pare_goal_free(&goal);
    return status;
}

static pare_status select_units(void *context) {
    pare_prune_job *job = context;
    pare_goal goal;
    pare_target target = pare_prune_round_target(job);
    PARE_TRY(goal_of_round(job, &goal));
    pare_status status = pare_select(job->current, &job->result.scores, &target, &goal, &job->selection);
    if (status == PARE_OK) status = pare_prune_group_experts(job, &goal);
    pare_goal_free(&goal);
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
    if (!job->progress || pare_peer_rank()) PARE_TRY(stage_model(job));
    if (job->progress) PARE_TRY(pare_prune_progress_round(job));
    pare_prune_round_free(job);
    uint32_t sequences = job->windows.count / job->asked->calibration.batches;
    return pare_prune_plan(job, sequences, job->windows.length, false);
}

static pare_status run_round(pare_prune_job *job) {
    const pare_recipe *recipe = &job->asked->recipe;
    bool gates = pare_recipe_gates(recipe), repairs = pare_recipe_repairs(recipe);
    PARE_TRY(gates ? pare_run_stage(&job->run, "learning gates", learn_gates, job)
                   : pare_run_stage(&job->run, "scoring", score, job));
    PARE_TRY(pare_prune_keep_load(job));
    PARE_TRY(pare_run_stage(&job->run, "selecting", select_units, job));
    if (gates && !repairs) PARE_TRY(pare_run_stage(&job->run, "folding", pare_prune_fold, job));
    bool experts = recipe->mode == PARE_MODE_EXPERT;
    if (repairs) PARE_TRY(experts ? pare_prune_repair_experts(job) : pare_prune_repair(job));
    if (job->result.trace) pare_json_append(job->traces, pare_report_trace(job->result.trace, job->result.steps));
    if (gates) pare_json_append(job->traces, pare_report_gate_trace(&job->result.gates));
    return pare_prune_compose(job);
}

pare_status pare_prune_rounds(pare_prune_job *job) {
    for (;; job->round++) {
        PARE_TRY(run_round(job));
        if (job->round + 1 == job->asked->target.rounds) return pare_prune_follow_tokens(job);
        PARE_TRY(pare_run_stage(&job->run, "shrinking", shrink, job));
    }
}

static pare_status choose_target(pare_prune_job *job) {
    PARE_TRY(pare_units_choose_target(job));
    return pare_units_set_goal(job);
}

static pare_status plan(pare_prune_job *job) {
    const char *stage = pare_recipe_gates(&job->asked->recipe) ? "learning gates" : "scoring";
    pare_prune_plan_work(job, stage, &job->plan.work, job->asked->target.rounds);
    PARE_TRY(pare_prune_plan_experts(job));
    bool repairs = job->plan.sizes.sequences && pare_recipe_repairs(&job->asked->recipe);
    bool folds = job->plan.sizes.sequences && pare_recipe_gates(&job->asked->recipe);
    bool experts = job->asked->recipe.mode == PARE_MODE_EXPERT;
    if (repairs) return experts ? pare_prune_plan_repair_experts(job) : pare_prune_plan_repair(job);
    return folds ? pare_prune_plan_fold(job) : PARE_OK;
}

static bool applies(const pare_job *asked) {
    (void)asked;
    return true;
}

/* Heads, channels and layers, in one round or in several. */
const pare_procedure pare_units = {.applies = applies,
                                   .choose_target = choose_target,
                                   .choose_data = pare_windows_choose,
                                   .calibrate = pare_windows_calibrate,
                                   .write_text = pare_windows_write,
                                   .plan = plan,
                                   .run = pare_prune_rounds,
                                   .recipe = pare_prune_recipe_json};
