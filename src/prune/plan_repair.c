/* What the layer-by-layer stage will hold, for the memory plan: it follows the scores, when their buffers are gone. */
#include "calibrate/output_fisher.h"
#include "prune/prune_job.h"
#include "support/memory.h"
#include "support/runtime.h"
#include "train/gates.h"

/* Which channels of experts stay is not known: their number is. */
static pare_status sizes_of(const pare_prune_job *job, pare_selection *out) {
    const pare_goal *goal = &job->goal;
    PARE_TRY(pare_selection_all(job->current, out));
    out->hidden = goal->hidden;
    for (uint32_t i = 0; i < out->layers; i++)
        out->layer[i].expert_ffn = goal->widths[i].expert_ffn;
    return PARE_OK;
}

/* Factors where there will be gates, so that what must be composed for them is counted. */
static pare_status gates_of(const pare_model *model, float ***out) {
    PARE_TRY(pare_alloc(out, model->tensor_count, sizeof **out, "gates"));
    for (size_t id = 0; id < model->tensor_count; id++) {
        uint32_t layer;
        pare_role role;
        bool gated = pare_tensor_id_split(model, id, &layer, &role) && pare_role_writes(role);
        if (gated) PARE_TRY(pare_alloc(&(*out)[id], 1, sizeof ***out, "gates"));
    }
    return PARE_OK;
}

static pare_status plan_fisher(pare_prune_job *job, pare_plan *plan) {
    uint64_t bytes = pare_output_fisher_bytes(job->current);
    bool file = pare_limit_wants_file(plan->limit, bytes);
    pare_pass_memory pass = {0};
    PARE_TRY(pare_prune_plan_feeling(job, plan->limit && !file ? plan->limit - bytes : plan->limit,
                                     job->asked->target.rounds, &pass));
    plan->metrics = bytes;
    if (file) plan->scratch += bytes;
    pare_prune_plan_pass(job, &pass);
    return PARE_OK;
}

/* The walk that repairs, and the one before it that only measures, where widths go by what units cost. */
static void plan_walks(pare_prune_job *job, const pare_repair_job *repair, const pare_selection *sizes, bool felt) {
    pare_repair_job probe = *repair;
    probe.options.probe = true;
    pare_work work = pare_repair_work(repair, sizes, felt), probing = pare_repair_work(&probe, sizes, felt);
    if (pare_prune_widths_cost(job)) pare_work_add(&work, &probing, 1.0);
    pare_prune_plan_work(job, "repairing", &work, job->asked->target.rounds);
}

pare_status pare_prune_plan_repair(pare_prune_job *job) {
    pare_plan *plan = &job->plan.sizes;
    pare_source source = {.model = job->current, .backend = job->backend};
    float **gates = NULL;
    pare_selection sizes;
    pare_layerwise_memory memory;
    bool felt = pare_recipe_feels_outputs(&job->asked->recipe);
    if (felt) PARE_TRY(plan_fisher(job, plan));
    uint64_t kept = pare_limit_wants_file(plan->limit, plan->metrics) ? 0 : plan->metrics;
    pare_repair_job repair = {.source = &source,
                              .sequences = (int64_t)plan->sequences,
                              .length = (int64_t)plan->length,
                              .limit = plan->limit ? plan->limit - kept : 0,
                              .scratch = pare_runtime_scratch(job->runtime),
                              .options = pare_prune_repair_options(&job->asked->recipe)};
    repair.options.widths = job->goal.widths;
    PARE_TRY(sizes_of(job, &sizes));
    pare_status status = pare_recipe_gates(&job->asked->recipe) ? gates_of(job->current, &gates) : PARE_OK;
    source.column_scale = gates;
    if (status == PARE_OK) status = pare_repair_measure(&repair, &sizes, felt, &memory);
    pare_gate_factors_free(gates, job->current->tensor_count);
    if (status == PARE_OK) pare_prune_plan_walk(job, &memory);
    if (status == PARE_OK && pare_recipe_searches(&job->asked->recipe))
        status = pare_prune_search_plan(job, &repair, &sizes);
    if (status == PARE_OK) plan_walks(job, &repair, &sizes, felt);
    pare_selection_free(&sizes);
    return status;
}
