/* Shares of single weights by what the whole model feels (search/weight_shares.h): a walk that leaves every matrix at
 * several shares, and a search over their combinations on calibration sequences that it has not seen. */
#include "prune/prune_job.h"
#include "search/weight_shares.h"
#include "support/memory.h"
#include "support/runtime.h"

static pare_status new_levels(const pare_prune_job *job, pare_weight_levels *out) {
    return pare_weight_levels_new(job->current, job->sparse.pruned, job->asked->target.sparsity.share,
                                  job->asked->recipe.element.spread, out);
}

/* walk: all sequences; out, those that the levels are made of. */
static pare_share_search search_of(const pare_prune_job *job, pare_weights_job *walk, pare_weight_levels *levels) {
    int64_t held = pare_prune_held_out(walk->sequences);
    walk->sequences -= held;
    walk->levels = levels;
    const uint32_t *ids = walk->ids ? walk->ids + walk->sequences * walk->length : NULL;
    return (pare_share_search){.levels = levels,
                               .backend = job->backend,
                               .runtime = job->runtime,
                               .windows = pare_prune_search_windows(job, ids, held, walk->length, walk->limit),
                               .share = job->asked->target.sparsity.share,
                               .steps = (uint32_t)job->asked->recipe.search_steps,
                               .seed = job->asked->seed};
}

static pare_status fill_levels(const pare_weights_job *walk, pare_matrix_result *results, double *sparsity) {
    pare_repaired repaired;
    PARE_TRY(pare_weight_levels_open(walk->levels, walk->scratch));
    PARE_TRY(pare_weights_run(walk, &repaired, results, sparsity));
    pare_repaired_free(&repaired);
    return PARE_OK;
}

pare_status pare_sparse_search(void *context) {
    pare_prune_job *job = context;
    pare_source source = {.model = job->current, .backend = job->backend};
    pare_weights_job walk = pare_sparse_layerwise(job, &source);
    pare_weight_levels levels;
    pare_search_found found;
    PARE_TRY(pare_prune_check_held_out(walk.sequences));
    PARE_TRY(new_levels(job, &levels));
    pare_share_search search = search_of(job, &walk, &levels);
    pare_status status = fill_levels(&walk, job->sparse.results, job->sparse.used);
    if (status == PARE_OK) status = pare_share_search_run(&search, job->sparse.asked, &found);
    if (status == PARE_OK) pare_prune_found(job, &found, search.windows.sequences);
    pare_weight_levels_free(&levels);
    return status;
}

pare_status pare_sparse_search_plan(pare_prune_job *job) {
    pare_plan *plan = &job->plan.sizes;
    pare_source source = {.model = job->current, .backend = job->backend};
    pare_weights_job walk = pare_sparse_layerwise(job, &source);
    pare_weight_levels levels;
    uint64_t bytes;
    if (!pare_recipe_searches(&job->asked->recipe)) return PARE_OK;
    PARE_TRY(new_levels(job, &levels));
    const pare_share_search search = search_of(job, &walk, &levels);
    plan->scratch += pare_weight_levels_bytes(&levels);
    pare_status status = pare_share_search_measure(&search, &bytes);
    if (status == PARE_OK && bytes > plan->repair) plan->repair = bytes;
    pare_weight_levels_free(&levels);
    return status;
}
