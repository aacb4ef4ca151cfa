#include "layerwise/expert_repair_internal.h"
#include "support/memory.h"

/* True if some experts of the layer go. */
static bool loses(const pare_expert_walk *w, uint32_t layer) {
    const pare_kept *kept = &w->job->selection->layer[layer];
    return kept->experts < w->l.model->config.widths[layer].experts;
}

static pare_status put_down(void *context, size_t id, float *values) {
    pare_expert_walk *w = context;
    return pare_expert_walk_put(w, id, w->l.hidden, w->l.model->config.experts.width, NULL, values);
}

static pare_status fit_down(pare_expert_walk *w) {
    pare_stage_fit fit = {.fitted = true};
    w->down.dense = w->job->dense;
    w->down.damping = w->job->damping;
    w->down.put = put_down;
    w->down.context = w;
    PARE_TRY(pare_expert_fit_layer(&w->down, w->layer, &w->job->selection->layer[w->layer], &fit.output));
    if (w->fits) w->fits[w->layer][PARE_STAGE_FFN] = fit;
    return PARE_OK;
}

/* The dense stream leaves its FFN with the targets of the down projections, or here. */
static pare_status change_layer(pare_expert_walk *w) {
    w->l.block.source = &w->pruned;
    if (w->job->groups) PARE_TRY(pare_expert_merge(w));
    if (w->l.asked.idle) return PARE_OK;
    if (w->job->router) PARE_TRY(pare_expert_fit_router(w));
    if (w->job->down) return fit_down(w);
    return pare_layerwise_pass_dense(&w->l, PARE_STAGE_FFN);
}

static pare_status walk_layer(pare_expert_walk *w, uint32_t layer) {
    bool changes = loses(w, layer);
    w->layer = layer;
    if (w->l.asked.idle) return changes ? change_layer(w) : PARE_OK;
    pare_layerwise_enter(&w->l, layer);
    PARE_TRY(pare_layerwise_pass(&w->l, PARE_STAGE_ATTENTION));
    PARE_TRY(pare_layerwise_pass_dense(&w->l, PARE_STAGE_ATTENTION));
    PARE_TRY(changes ? change_layer(w) : pare_layerwise_pass_dense(&w->l, PARE_STAGE_FFN));
    w->l.apart |= changes;
    return pare_layerwise_pass(&w->l, PARE_STAGE_FFN);
}

/* Both streams through both halves, one look for the router, and what down projections take. */
static void count_steps(pare_expert_walk *w) {
    uint64_t batches = pare_layerwise_batch_count(&w->l), steps = 4 + (w->job->router ? 1 : 0);
    if (w->job->down) steps += pare_expert_fit_runs(w->l.model->config.experts.count);
    w->l.layer_steps = steps * batches;
    w->l.total = 2 * batches + w->l.model->config.layers * w->l.layer_steps + 2 * batches;
}

static pare_status walk(pare_expert_walk *w) {
    count_steps(w);
    if (!w->l.asked.idle) PARE_TRY(pare_layerwise_embed(&w->l));
    for (uint32_t layer = 0; layer < w->l.model->config.layers; layer++) {
        uint64_t end = w->l.done + w->l.layer_steps;
        PARE_TRY(walk_layer(w, layer));
        w->l.done = end;
        PARE_TRY(pare_interrupted());
    }
    if (!w->l.asked.idle) PARE_TRY(pare_layerwise_finish(&w->l, w->job->final_norm, false));
    w->l.done = w->l.total - 1;
    return pare_layerwise_step(&w->l);
}

static pare_status widths_of(const pare_expert_repair *job, pare_widths **out) {
    PARE_TRY(pare_alloc(out, job->selection->layers, sizeof **out, "widths"));
    pare_selection_widths(job->selection, *out);
    return PARE_OK;
}

pare_status pare_expert_repair_run(const pare_expert_repair *job, pare_repaired *repaired,
                                   pare_stage_fit (*fits)[PARE_STAGES]) {
    pare_expert_walk w = {.job = job, .fits = fits};
    const pare_layerwise_request request = pare_expert_request(job);
    pare_layerwise_memory plan;
    pare_widths *kept;
    *repaired = (pare_repaired){0};
    PARE_TRY(widths_of(job, &kept));
    pare_status status = pare_expert_repair_measure(job, kept, &plan);
    pare_free(kept);
    PARE_TRY(status);
    PARE_TRY(pare_layerwise_new(&request, &plan, repaired, &w.l));
    status = pare_expert_walk_new(&w);
    if (status == PARE_OK) status = walk(&w);
    pare_expert_walk_free(&w);
    pare_layerwise_free(&w.l);
    if (status != PARE_OK) pare_repaired_free(repaired);
    return status;
}
