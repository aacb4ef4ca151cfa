/* What does not reach models with experts or latents, or the inside of experts: refused in one sentence each. */
#include "model/expert_tensors.h"
#include "model/latent_tensors.h"
#include "prune/prune_job.h"

typedef struct refusal {
    bool (*holds)(const pare_prune_job *job);
    const char *what, *instead;
} refusal;

static bool scores_globally(const pare_prune_job *job) {
    return job->asked->recipe.element.compare == PARE_COMPARE_GLOBAL && !job->asked->target.sparsity.of;
}

static bool shares_by_outliers(const pare_prune_job *job) {
    return pare_allocation_has(job->asked->recipe.element.allocation, PARE_TRAIT_OUTLIERS | PARE_TRAIT_SEARCHES);
}

static bool permutes(const pare_prune_job *job) {
    return job->asked->recipe.element.permutation != PARE_PERMUTE_NONE;
}

static bool reads_gradients(const pare_prune_job *job) {
    return pare_signal_has(job->asked->recipe.signal, PARE_TRAIT_GRADIENT);
}

static bool keeps_residual(const pare_prune_job *job) {
    return job->asked->recipe.element.residual_rank > 0;
}

static const refusal of_weights[] = {
    {scores_globally, "one threshold for the whole model (--compare global)", "compare by row or matrix"},
    {shares_by_outliers, "--allocate owl or search", "take --allocate uniform or cost"},
    {permutes, "a permutation of channels (--permute)", "leave it out"},
    {reads_gradients, "a score of single weights by their gradients",
     "take a method without gradients, such as wanda, sparsegpt or best-sparse"},
    {keeps_residual, "the adapter of --residual-rank", "leave it out"},
};

static pare_status refuse(const pare_prune_job *job, const refusal *r) {
    return pare_fail(PARE_UNSUPPORTED, "%s: %s has experts, and %s does not reach inside experts; %s",
                     pare_checkpoint_directory(job->model->checkpoint), job->model->config.family->class_name, r->what,
                     r->instead);
}

/* What leaves experts, and attention over latents, whole, or knows how to repair them. */
static bool leaves_them_whole(const pare_recipe *recipe) {
    bool whole = recipe->mode == PARE_MODE_LAYER || recipe->mode == PARE_MODE_EXPERT;
    bool repaired = recipe->compensation && recipe->mode != PARE_MODE_EXPERT;
    return whole && !recipe->reconstruct && !repaired && !recipe->salience;
}

static bool reads_samples(const pare_recipe *recipe) {
    return pare_recipe_needs_squares(recipe);
}

/* Heads go as they do elsewhere: nothing of it asks what stands in the FFN's place. */
static pare_status check_units(const pare_prune_job *job) {
    const pare_recipe *recipe = &job->asked->recipe;
    bool ffn = job->target.ffn.begin < job->target.ffn.end;
    if (recipe->mode != PARE_MODE_BLOCK || recipe->reconstruct || pare_recipe_trains(recipe))
        return pare_experts_refuse(job->model, "this way of pruning");
    if (ffn)
        return pare_fail(PARE_UNSUPPORTED,
                         "%s: %s has experts, whose channels are no units; remove attention heads alone (--ffn-layers "
                         "none), whole experts (--mode expert) or single weights (--sparsity 0.5)",
                         pare_checkpoint_directory(job->model->checkpoint), job->model->config.family->class_name);
    if (reads_samples(recipe)) return pare_experts_refuse(job->model, "a score by gradients of single samples");
    return PARE_OK;
}

pare_status pare_prune_check_inside(const pare_prune_job *job) {
    const pare_recipe *recipe = &job->asked->recipe;
    if (leaves_them_whole(recipe)) return PARE_OK;
    PARE_TRY(pare_latents_refuse(job->model, "this way of pruning"));
    if (!pare_has_experts(&job->model->config)) return PARE_OK;
    if (!pare_recipe_is_element(recipe)) return check_units(job);
    if (recipe->reconstruct) return pare_experts_refuse(job->model, "--reconstruct");
    for (size_t i = 0; i < sizeof of_weights / sizeof *of_weights; i++)
        if (of_weights[i].holds(job)) return refuse(job, &of_weights[i]);
    return PARE_OK;
}
