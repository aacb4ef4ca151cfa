/* Where tokens go when experts are gone: one forward of the calibration text through what is left. */
#include "prune/prune_job.h"
#include "support/json.h"
#include "support/progress.h"
#include "support/runtime.h"
#include "surgery/mask.h"

static bool looks(const pare_prune_job *job) {
    return job->asked->recipe.mode == PARE_MODE_EXPERT && job->plan.shape.sequences > 0 && job->plan.shape.length > 0;
}

static pare_pass_shape shape_of(const pare_prune_job *job) {
    return (pare_pass_shape){.sequences = job->plan.shape.sequences * job->asked->calibration.batches,
                             .length = job->plan.shape.length,
                             .composed = true,
                             .shards = true,
                             .limit = pare_runtime_limit(job->runtime)};
}

pare_status pare_prune_plan_experts(pare_prune_job *job) {
    pare_pass_shape shape = shape_of(job);
    pare_pass_memory memory;
    if (!looks(job)) return PARE_OK;
    PARE_TRY(pare_pass_measure(job->current, job->backend, &shape, &memory));
    pare_prune_plan_stage(
        job, memory.weights + memory.activations + (2 + PARE_SHARDS) * pare_expert_load_bytes(job->model), 0);
    pare_work work = pare_work_blocks(job->current, shape.sequences, shape.length);
    if (pare_prune_weighs_experts(job)) pare_prune_plan_work(job, "scoring", &work, 1.0);
    pare_prune_plan_work(job, "following tokens", &work, 1.0);
    return PARE_OK;
}

static pare_status report_block(void *context, uint64_t done, uint64_t total) {
    const pare_prune_job *job = context;
    return pare_progress_report(job->runtime, "following tokens", done, total);
}

/* mask: of what is left; NULL: all. */
static pare_status measure(pare_prune_job *job, const pare_mask *mask, pare_expert_load *load) {
    pare_source source = {.model = job->current, .backend = job->backend};
    pare_pass_shape shape = shape_of(job);
    pare_layer_batch batch = {
        .ids = job->windows.ids, .sequences = shape.sequences, .step = report_block, .step_context = job};
    pare_pass *pass = NULL;
    if (mask) pare_mask_apply(mask, &source);
    PARE_TRY(pare_pass_new(job->current, job->backend, &shape, &pass));
    pare_status status = pare_expert_load_measure(pass, &source, &batch, load);
    pare_pass_free(pass);
    return status;
}

pare_status pare_prune_count_tokens(pare_prune_job *job) {
    if (job->round || !pare_prune_weighs_experts(job) || !looks(job)) return PARE_OK;
    PARE_TRY(pare_expert_load_new(job->current, &job->result.load));
    return measure(job, NULL, &job->result.load);
}

static json_t *tokens_json(const pare_expert_load *load, uint32_t layer, uint32_t experts) {
    json_t *list = json_array();
    for (uint32_t i = 0; i < experts; i++)
        pare_json_append(list, pare_json_count((uint64_t)load->tokens[pare_expert_load_at(load, layer, i)]));
    return list;
}

/* By the numbers that experts had before all rounds, null in the place of those that are gone. The load has the numbers
 * of the last round's model. */
static json_t *left_json(const pare_prune_job *job, const pare_expert_load *load, uint32_t layer, uint32_t experts) {
    const pare_kept *all = &job->composed.layer[layer], *last = &job->selection.layer[layer];
    json_t *list = json_array();
    for (uint32_t i = 0; i < experts; i++) {
        uint32_t place = pare_kept_expert_place(all, i);
        if (place == all->experts) {
            pare_json_append(list, json_null());
            continue;
        }
        size_t at = pare_expert_load_at(load, layer, last->expert[place]);
        pare_json_append(list, pare_json_count((uint64_t)load->tokens[at]));
    }
    return list;
}

/* Experts of a layer that no token reaches. */
static json_t *unreached_json(const pare_expert_load *load, uint32_t layer, uint32_t experts) {
    json_t *list = json_array();
    for (uint32_t i = 0; i < experts; i++)
        if (load->tokens[pare_expert_load_at(load, layer, i)] <= 0.0) pare_json_append(list, json_integer(i));
    return list;
}

/* The share of all choices that were of experts which are gone. */
static double rerouted(const pare_prune_job *job, const pare_expert_load *before, uint32_t layer) {
    double all = 0.0, gone = 0.0;
    for (uint32_t i = 0; i < before->experts; i++) {
        double tokens = before->tokens[pare_expert_load_at(before, layer, i)];
        all += tokens;
        gone +=
            pare_kept_expert_place(&job->composed.layer[layer], i) == job->composed.layer[layer].experts ? tokens : 0.0;
    }
    return all > 0.0 ? gone / all : 0.0;
}

/* Where each expert went, of the first round. */
static json_t *groups_json(const pare_prune_job *job, uint32_t layer, uint32_t experts) {
    json_t *list = json_array();
    for (uint32_t i = 0; i < experts; i++)
        pare_json_append(list, json_integer(job->groups.into[(size_t)layer * job->groups.experts + i]));
    return list;
}

static json_t *report(const pare_prune_job *job, const pare_expert_load *before, const pare_expert_load *after) {
    json_t *layers = json_array();
    for (uint32_t layer = 0; layer < job->model->config.layers; layer++) {
        uint32_t experts = job->model->config.widths[layer].experts;
        json_t *json = pare_json_of({"layer", json_integer(layer)});
        if (!experts) {
            json_decref(json);
            continue;
        }
        pare_json_put(json, "tokens_before", tokens_json(before, layer, experts));
        pare_json_put(json, "tokens_after", left_json(job, after, layer, experts));
        pare_json_put(json, "unreached", unreached_json(before, layer, experts));
        pare_json_put(json, "rerouted", pare_json_real(rerouted(job, before, layer)));
        if (job->groups.into && !job->round) pare_json_put(json, "merged_into", groups_json(job, layer, experts));
        pare_json_append(layers, json);
    }
    return pare_json_of({"chosen", json_integer(job->model->config.experts.chosen)}, {"layers", layers});
}

static pare_status follow(void *context) {
    pare_prune_job *job = context;
    pare_expert_load after;
    pare_mask mask;
    PARE_TRY(pare_mask_new(job->current, &job->selection, &job->repaired, &mask));
    pare_status status = pare_expert_load_new(job->current, &after);
    if (status == PARE_OK) status = measure(job, &mask, &after);
    if (status == PARE_OK) job->experts = report(job, &job->load, &after);
    pare_expert_load_free(&after);
    pare_mask_free(&mask);
    return status;
}

pare_status pare_prune_keep_load(pare_prune_job *job) {
    if (job->round || !job->result.load.layers) return PARE_OK;
    return pare_expert_load_copy(job->model, &job->result.load, &job->load);
}

static size_t load_count(const pare_prune_job *job) {
    return (size_t)job->model->config.layers * job->model->config.experts.count;
}

json_t *pare_prune_load_json(const pare_prune_job *job) {
    json_t *tokens = json_array();
    for (size_t i = 0; job->load.layers && i < load_count(job); i++)
        pare_json_append(tokens, pare_json_real(job->load.tokens[i]));
    return tokens;
}

pare_status pare_prune_load_take(pare_prune_job *job, const json_t *tokens, bool *sound) {
    size_t count = json_array_size(tokens);
    *sound = json_is_array(tokens) && (!count || count == load_count(job));
    if (!*sound || !count) return PARE_OK;
    PARE_TRY(pare_expert_load_new(job->model, &job->load));
    for (size_t i = 0; i < count && *sound; i++) {
        job->load.tokens[i] = json_number_value(json_array_get(tokens, i));
        *sound = json_is_number(json_array_get(tokens, i)) && job->load.tokens[i] >= 0.0;
    }
    return PARE_OK;
}

pare_status pare_prune_follow_tokens(pare_prune_job *job) {
    return looks(job) && job->load.layers ? pare_run_stage(&job->run, "following tokens", follow, job) : PARE_OK;
}
