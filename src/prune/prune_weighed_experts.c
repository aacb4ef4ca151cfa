/* Whole experts that are scored by what their weights add up to: which tensors that are, and what it takes. */
#include "model/expert_tensors.h"
#include "prune/prune_job.h"
#include "support/memory.h"

enum { SUMS = 3 }; /* scores of channels: the result's, and those of two steps of an iteration */

bool pare_prune_weighs_experts(const pare_prune_job *job) {
    return job->asked->recipe.mode == PARE_MODE_EXPERT && job->asked->recipe.salience;
}

pare_status pare_prune_scored_experts(const pare_prune_job *job, const pare_target *target, bool **scored) {
    const pare_model *model = job->current;
    *scored = NULL;
    if (!pare_prune_weighs_experts(job)) return PARE_OK;
    PARE_TRY(pare_alloc(scored, model->tensor_count, sizeof **scored, "plan"));
    for (uint32_t layer = target->ffn.begin; layer < target->ffn.end; layer++)
        for (uint32_t expert = 0; expert < model->config.widths[layer].experts; expert++)
            for (pare_expert_part part = 0; part < PARE_EXPERT_PARTS; part++)
                (*scored)[pare_tensor_id_expert(&model->config, layer, expert, part)] = true;
    return PARE_OK;
}

void pare_prune_plan_scored_experts(pare_prune_job *job) {
    const pare_config *config = &job->current->config;
    uint64_t channels = (uint64_t)config->layers * config->experts.count * config->experts.width;
    if (pare_prune_weighs_experts(job))
        job->plan.sizes.weights += (PARE_EXPERT_PARTS + SUMS) * channels * sizeof(double);
}
