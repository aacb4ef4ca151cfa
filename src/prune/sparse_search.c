/* Shares of single weights by what the whole model feels (search/weight_shares.h): a walk that leaves every matrix at
 * several shares, and a search over their combinations on calibration sequences that it has not seen. */
#include "prune/prune_job.h"
#include "search/weight_shares.h"
#include "support/memory.h"
#include "support/runtime.h"

static pare_status new_levels(const pare_prune_job *job, pare_weight_levels *out) {
    return pare_weight_levels_new(job->current, job->sparse.pruned, job->asked->recipe.element.spread, out);
}

/* A walk over some of the sequences, and what the others are for. Where the method has Gram matrices, it begins with
 * the shares that costs give, which single matrices differ in, too. */
typedef struct share_walk {
    pare_recipe recipe;
    pare_weights_job job;
    pare_share_search search;
} share_walk;

static void set_up(const pare_prune_job *job, const pare_weights_job *all, pare_weight_levels *levels,
                   share_walk *out) {
    out->recipe = *all->recipe;
    out->recipe.element.allocation = PARE_ALLOCATE_UNIFORM;
    if (pare_element_needs_of(&out->recipe).gram) out->recipe.element.allocation = PARE_ALLOCATE_COST;
    out->job = *all;
    out->job.recipe = &out->recipe;
    out->job.sequences -= pare_prune_held_out(all->sequences);
    out->job.levels = levels;
    out->search = (pare_share_search){
        .levels = levels,
        .backend = job->backend,
        .runtime = job->runtime,
        .windows = pare_prune_search_windows(job, all->ids, all->sequences, all->length, all->limit),
        .steps = (uint32_t)job->asked->recipe.search_steps,
        .random = job->asked->recipe.search_random,
        .seed = job->asked->seed};
}

static pare_status fill_levels(pare_prune_job *job, const pare_weights_job *walk) {
    pare_repaired repaired;
    PARE_TRY(pare_weight_levels_open(walk->levels, walk->scratch));
    PARE_TRY(pare_sparse_walk(
        job, "walk-search.",
        &(pare_weights_walk){
            .job = *walk, .repaired = &repaired, .results = job->sparse.results, .sparsity = job->sparse.asked}));
    pare_repaired_free(&repaired);
    return PARE_OK;
}

pare_status pare_sparse_search(void *context) {
    pare_prune_job *job = context;
    pare_source source = {.model = job->current, .backend = job->backend};
    const pare_weights_job all = pare_sparse_layerwise(job, &source);
    pare_weight_levels levels;
    pare_search_found found;
    share_walk walk;
    PARE_TRY(pare_prune_check_held_out(all.sequences));
    PARE_TRY(new_levels(job, &levels));
    set_up(job, &all, &levels, &walk);
    pare_status status = fill_levels(job, &walk.job);
    if (status == PARE_OK) status = pare_share_search_run(&walk.search, job->sparse.asked, &found);
    if (status == PARE_OK) pare_prune_found(job, &found, walk.search.windows.sequences);
    pare_weight_levels_free(&levels);
    return status;
}

pare_status pare_sparse_search_plan(pare_prune_job *job) {
    pare_source source = {.model = job->current, .backend = job->backend};
    const pare_weights_job all = pare_sparse_layerwise(job, &source);
    pare_layerwise_memory memory;
    pare_weight_levels levels;
    share_walk walk;
    uint64_t bytes;
    if (!pare_recipe_searches(&job->asked->recipe)) return PARE_OK;
    PARE_TRY(new_levels(job, &levels));
    set_up(job, &all, &levels, &walk);
    pare_status status = pare_share_search_measure(&walk.search, &bytes);
    if (status == PARE_OK) pare_prune_plan_stage(job, bytes, 0);
    if (status == PARE_OK) status = pare_weights_measure(&walk.job, &memory);
    if (status == PARE_OK) pare_prune_plan_stage(job, pare_layerwise_bytes(&memory), memory.scratch);
    pare_work work = pare_weights_work(&walk.job), candidates = {{0}};
    if (status == PARE_OK) status = pare_share_search_work(&walk.search, &candidates);
    pare_prune_plan_work(job, "searching", &work, 1.0);
    pare_prune_plan_work(job, "searching", &candidates, 1.0);
    pare_prune_plan_file(job, pare_weight_levels_bytes(&levels));
    pare_weight_levels_free(&levels);
    return status;
}
