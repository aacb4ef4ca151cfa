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

static bool looks_at_blocks(const pare_prune_job *job) {
    return pare_signal_has(job->asked->recipe.signal, PARE_TRAIT_REGIONAL);
}

static bool keeps_residual(const pare_prune_job *job) {
    return job->asked->recipe.element.residual_rank > 0;
}

static const refusal of_weights[] = {
    {scores_globally, "one threshold for the whole model (--compare global)", "compare by row or matrix"},
    {shares_by_outliers, "--allocate owl or search", "take --allocate uniform or cost"},
    {permutes, "a permutation of channels (--permute)", "leave it out"},
    {looks_at_blocks, "the gradient of a block's own output (wanda++)",
     "take gblm, whose gradients are the loss's, or wanda, sparsegpt or best-sparse"},
    {keeps_residual, "the adapter of --residual-rank", "leave it out"},
};

static pare_status refuse_weights(const pare_prune_job *job, const refusal *r) {
    bool experts = pare_has_experts(&job->model->config);
    return pare_fail(PARE_UNSUPPORTED, "%s: %s %s, and %s does not reach inside %s; %s",
                     pare_checkpoint_directory(job->model->checkpoint), job->model->config.family->class_name,
                     experts ? "has experts" : "attends over latents", r->what, experts ? "experts" : "such attention",
                     r->instead);
}

static pare_status refuse(const pare_prune_job *job, const refusal *r) {
    return pare_fail(PARE_UNSUPPORTED, "%s: %s has experts, and %s does not reach inside experts; %s",
                     pare_checkpoint_directory(job->model->checkpoint), job->model->config.family->class_name, r->what,
                     r->instead);
}

/* What leaves experts, and attention over latents, whole, or knows how to repair them. */
static bool leaves_them_whole(const pare_recipe *recipe) {
    bool layers = recipe->mode == PARE_MODE_LAYER && !recipe->compensation && !recipe->salience;
    return layers || recipe->mode == PARE_MODE_EXPERT;
}

static bool standardises(const pare_prune_job *job) {
    return job->asked->recipe.reduction == PARE_REDUCE_STANDARD;
}

static bool trains(const pare_prune_job *job) {
    return pare_recipe_trains(&job->asked->recipe);
}

static bool learns_gates(const pare_prune_job *job) {
    return pare_recipe_gates(&job->asked->recipe);
}

static bool differs_by_layer(const pare_prune_job *job) {
    return job->target.ratios || job->target.ranking != PARE_RANK_LOCAL || pare_recipe_searches(&job->asked->recipe);
}

static bool repairs(const pare_prune_job *job) {
    return pare_recipe_repairs(&job->asked->recipe);
}

static bool fits_readers(const pare_prune_job *job) {
    return repairs(job) && (job->asked->recipe.readers > 0.0 || job->asked->recipe.dense > 0.0);
}

static const char others[] =
    "take a method such as wanda-structured, taylor or magnitude-l2, or remove attention heads "
    "alone (--ffn-layers none)";

/* Of what removes channels inside experts. */
static const refusal of_channels[] = {
    {standardises, "a score by a layer's mean and deviation", others},
    {learns_gates, "a gate of every unit", others},
    {differs_by_layer, "a width for each layer (--select, --allocate search, lists of ratios)",
     "their class has one: take --select local and one ratio"},
};

/* Heads and channels go as they do elsewhere, channels of experts each by its own scores. */
static pare_status check_units(const pare_prune_job *job) {
    if (job->asked->recipe.mode == PARE_MODE_CHANNEL)
        return repairs(job)
                   ? pare_experts_refuse(job->model, "a fit of what reads the hidden state's channels (--compensate)")
                   : PARE_OK;
    if (job->asked->recipe.mode != PARE_MODE_BLOCK || trains(job))
        return pare_experts_refuse(job->model, "this way of pruning");
    bool ffn = job->target.ffn.begin < job->target.ffn.end;
    for (size_t i = 0; ffn && i < sizeof of_channels / sizeof *of_channels; i++)
        if (of_channels[i].holds(job)) return refuse(job, &of_channels[i]);
    return PARE_OK;
}

/* Experts are alike if they make the same of the same tokens, which they read with different shares. */
static pare_status check_shared_inputs(const pare_prune_job *job) {
    const pare_recipe *recipe = &job->asked->recipe;
    bool merges = recipe->mode == PARE_MODE_EXPERT && recipe->experts == PARE_EXPERTS_MERGE;
    if (!merges || !job->model->config.experts.shares_inputs) return PARE_OK;
    return pare_fail(
        PARE_UNSUPPORTED,
        "%s: shares multiply what experts of a %s read, and --experts merge takes them for factors of what "
        "experts make; drop experts (--experts drop)",
        pare_checkpoint_directory(job->model->checkpoint), job->model->config.family->class_name);
}

static pare_status check_weights(const pare_prune_job *job) {
    const pare_config *config = &job->model->config;
    if (!pare_has_experts(config) && !config->latent.keys) return PARE_OK;
    for (size_t i = 0; i < sizeof of_weights / sizeof *of_weights; i++)
        if (of_weights[i].holds(job)) return refuse_weights(job, &of_weights[i]);
    return PARE_OK;
}

/* Channels of experts alone. */
static bool spares_attention(const pare_prune_job *job) {
    return job->asked->recipe.mode == PARE_MODE_BLOCK && job->target.attention.begin >= job->target.attention.end;
}

pare_status pare_prune_check_inside(const pare_prune_job *job) {
    const pare_recipe *recipe = &job->asked->recipe;
    if (recipe->mode == PARE_MODE_CHANNEL && repairs(job))
        PARE_TRY(pare_latents_refuse(job->model, "a fit of what reads the hidden state's channels (--compensate)"));
    PARE_TRY(check_shared_inputs(job));
    if (leaves_them_whole(recipe)) return PARE_OK;
    if (pare_recipe_is_element(recipe)) return check_weights(job);
    if (!spares_attention(job) && recipe->mode != PARE_MODE_CHANNEL)
        PARE_TRY(pare_latents_refuse(job->model, "this way of pruning"));
    if (fits_readers(job))
        PARE_TRY(pare_latents_refuse(job->model, "a share of the dense model in targets (--dense, --readers)"));
    if (!pare_has_experts(&job->model->config)) return PARE_OK;
    return check_units(job);
}
