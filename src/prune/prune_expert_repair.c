/* What becomes of experts that go and those that stay, in mode expert: groups to be merged, before units are selected,
 * and the repair behind it. */
#include "calibrate/expert_outputs.h"
#include "layerwise/expert_repair.h"
#include "model/config_experts.h"
#include "prune/prune_job.h"
#include "report/pruning.h"
#include "select/cluster.h"
#include "support/memory.h"
#include "support/progress.h"
#include "support/runtime.h"

#include <math.h>
#include <string.h>

static bool merges(const pare_prune_job *job) {
    return job->asked->recipe.experts == PARE_EXPERTS_MERGE;
}

static int64_t sequences_of(const pare_prune_job *job) {
    return (int64_t)job->windows.count / job->asked->calibration.batches;
}

static pare_expert_repair repair_of(const pare_prune_job *job, const pare_source *source, int64_t sequences,
                                    int64_t length) {
    const pare_recipe *recipe = &job->asked->recipe;
    bool down = pare_compensation_has(recipe->compensation, PARE_TRAIT_SOLVES);
    return (pare_expert_repair){.source = source,
                                .runtime = job->runtime,
                                .ids = job->windows.ids,
                                .sequences = sequences,
                                .length = length,
                                .limit = pare_runtime_limit(job->runtime),
                                .scratch = pare_runtime_scratch(job->runtime),
                                .selection = &job->selection,
                                .groups = merges(job) ? &job->groups : NULL,
                                .load = &job->groups_load,
                                .down = down,
                                .router = recipe->router,
                                .dense = recipe->dense,
                                .damping = recipe->damping,
                                .final_norm = recipe->final_norm && down};
}

/* Sums over the tokens of a layer. */
typedef struct comparing {
    pare_prune_job *job;
    double
        *distance; /* [experts, experts] of the layer that was seen: root of the mean squared difference of outputs */
    const pare_goal *goal;
} comparing;

static void set_distances(const comparing *c, const pare_expert_outputs *o) {
    int64_t n = o->experts, pairs = pare_expert_pairs(n);
    for (int64_t e = 0; e < n; e++)
        for (int64_t f = 0; f <= e; f++) {
            double sum = 0.0;
            for (int64_t t = 0; t < o->tokens; t++) {
                const float *gram = o->gram + t * pairs;
                sum += (double)gram[pare_expert_pair(e, e)] + (double)gram[pare_expert_pair(f, f)] -
                       2.0 * (double)gram[pare_expert_pair(e, f)];
            }
            double mean = sum / (double)(o->tokens ? o->tokens : 1);
            c->distance[e * n + f] = c->distance[f * n + e] = sqrt(mean > 0.0 ? mean : 0.0);
        }
}

/* Of each group the member with the highest score stays; of equals the lowest. */
static void name_groups(const comparing *c, uint32_t layer, uint32_t experts, uint32_t *into) {
    const double *scores = c->job->result.scores.expert[layer];
    for (uint32_t first = 0; first < experts; first++) {
        uint32_t best = experts;
        for (uint32_t e = first; e < experts; e++)
            if (into[e] == first && (best == experts || scores[e] > scores[best])) best = e;
        c->distance[first] = best;
    }
    for (uint32_t e = 0; e < experts; e++)
        into[e] = (uint32_t)c->distance[into[e]];
}

/* Where tokens choose in some of several groups, as many are left of each, and none is merged across them. */
static pare_status cluster(const comparing *c, const pare_expert_outputs *o, uint32_t *into) {
    uint32_t groups = pare_experts_ranked_apart(o->rule), all = o->experts, each = all / groups;
    uint32_t keep = c->goal->widths[o->layer].experts / groups;
    double *distance;
    PARE_TRY(pare_alloc(&distance, (size_t)each * each, sizeof *distance, "distances of experts"));
    pare_status status = PARE_OK;
    for (uint32_t first = 0; first < all && status == PARE_OK; first += each) {
        for (uint32_t e = 0; e < each; e++)
            memcpy(distance + (size_t)e * each, c->distance + (size_t)(first + e) * all + first,
                   each * sizeof *distance);
        status = pare_cluster_average(distance, each, keep, into + first);
        for (uint32_t e = 0; e < each; e++)
            into[first + e] += first;
    }
    pare_free(distance);
    return status;
}

static pare_status group_layer(void *context, const pare_expert_outputs *o) {
    const comparing *c = context;
    pare_prune_job *job = c->job;
    uint32_t *into = job->groups.into + (size_t)o->layer * job->groups.experts, *kept;
    uint32_t count = 0;
    set_distances(c, o);
    PARE_TRY(cluster(c, o, into));
    name_groups(c, o->layer, o->experts, into);
    PARE_TRY(pare_alloc(&kept, o->experts, sizeof *kept, "experts"));
    for (uint32_t e = 0; e < o->experts; e++)
        if (into[e] == e) kept[count++] = e;
    pare_status status = pare_kept_set_experts(kept, count, &job->selection.layer[o->layer]);
    pare_free(kept);
    return status;
}

static pare_status report_block(void *context, uint64_t done, uint64_t total) {
    const pare_prune_job *job = context;
    return pare_progress_report(job->runtime, "comparing experts", done, total);
}

static pare_pass_shape shape_of(const pare_prune_job *job, int64_t sequences, int64_t length) {
    return (pare_pass_shape){.sequences = sequences,
                             .length = length,
                             .shards = true,
                             .limit = pare_limit_beside(pare_runtime_limit(job->runtime),
                                                        pare_expert_outputs_bytes(job->current, sequences * length))};
}

static pare_status compare(const comparing *c) {
    pare_prune_job *job = c->job;
    pare_source source = {.model = job->current, .backend = job->backend};
    pare_pass_shape shape = shape_of(job, sequences_of(job), job->windows.length);
    pare_layer_batch batch = {
        .ids = job->windows.ids, .sequences = shape.sequences, .step = report_block, .step_context = job};
    pare_pass *pass;
    PARE_TRY(pare_pass_new(job->current, job->backend, &shape, &pass));
    pare_status status =
        pare_expert_outputs_see(pass, &source, &batch, NULL, &job->groups_load, group_layer, (void *)c);
    pare_pass_free(pass);
    return status;
}

pare_status pare_prune_group_experts(pare_prune_job *job, const pare_goal *goal) {
    uint32_t experts = job->current->config.experts.count;
    size_t count = (size_t)job->current->config.layers * experts;
    comparing c = {.job = job, .goal = goal};
    if (job->asked->recipe.mode != PARE_MODE_EXPERT || !merges(job)) return PARE_OK;
    job->groups = (pare_expert_groups){.layers = job->current->config.layers, .experts = experts};
    PARE_TRY(pare_alloc(&job->groups.into, count, sizeof *job->groups.into, "groups of experts"));
    PARE_TRY(pare_expert_load_new(job->current, &job->groups_load));
    PARE_TRY(pare_alloc(&c.distance, (size_t)experts * experts, sizeof *c.distance, "groups of experts"));
    pare_status status = compare(&c);
    pare_free(c.distance);
    return status;
}

void pare_prune_groups_free(pare_prune_job *job) {
    pare_free(job->groups.into);
    pare_expert_load_free(&job->groups_load);
    job->groups = (pare_expert_groups){0};
}

static pare_status run(void *context) {
    pare_prune_job *job = context;
    uint32_t layers = job->current->config.layers;
    pare_source source = {.model = job->current, .backend = job->backend};
    pare_expert_repair repair = repair_of(job, &source, sequences_of(job), job->windows.length);
    pare_stage_fit(*fits)[PARE_STAGES] = NULL;
    pare_stage_curve(*curves)[PARE_STAGES] = NULL;
    PARE_TRY(pare_alloc(&fits, layers, sizeof *fits, "repair"));
    pare_status status = pare_alloc(&curves, layers, sizeof *curves, "repair");
    if (status == PARE_OK) status = pare_expert_repair_run(&repair, &job->repaired, fits);
    if (status == PARE_OK && repair.down) {
        json_decref(job->repairs);
        job->repairs = pare_report_fits(fits, curves, layers);
    }
    pare_free(curves);
    pare_free(fits);
    return status;
}

pare_status pare_prune_repair_experts(pare_prune_job *job) {
    return pare_run_stage(&job->run, "repairing", run, job);
}

static pare_status plan_groups(pare_prune_job *job, int64_t sequences, int64_t length) {
    pare_pass_shape shape = shape_of(job, sequences, length);
    pare_pass_memory memory;
    uint64_t held = pare_expert_outputs_bytes(job->current, sequences * length);
    PARE_TRY(pare_pass_measure(job->current, job->backend, &shape, &memory));
    pare_prune_plan_stage(
        job, memory.weights + memory.activations + held + (1 + PARE_SHARDS) * pare_expert_load_bytes(job->current), 0);
    pare_work work = pare_work_blocks(job->current, sequences, length);
    pare_work outputs = pare_expert_outputs_work(job->current, sequences * length);
    pare_work_add(&work, &outputs, 1.0);
    pare_prune_plan_work(job, "selecting", &work, job->asked->target.rounds);
    return PARE_OK;
}

pare_status pare_prune_plan_repair_experts(pare_prune_job *job) {
    const pare_plan *plan = &job->plan.sizes;
    int64_t sequences = (int64_t)plan->sequences, length = (int64_t)plan->length;
    pare_source source = {.model = job->current, .backend = job->backend};
    pare_expert_repair repair = repair_of(job, &source, sequences, length);
    pare_layerwise_memory memory;
    if (merges(job)) PARE_TRY(plan_groups(job, sequences, length));
    PARE_TRY(pare_expert_repair_measure(&repair, job->goal.widths, &memory));
    pare_prune_plan_walk(job, &memory);
    pare_work work = pare_expert_repair_work(&repair, job->goal.widths);
    pare_prune_plan_work(job, "repairing", &work, job->asked->target.rounds);
    return PARE_OK;
}
