/* What a target comes to on a model, for units and for what has ranges as they have. */
#include "prune/prune_job.h"

static pare_status choose_range(const pare_prune_job *job, pare_layers span, const char *option,
                                pare_layer_range *out) {
    pare_layers others = job->asked->target.layers;
    uint32_t layers = job->model->config.layers;
    bool all = !span.given && !others.given;
    int32_t begin = span.given ? span.begin : others.begin, end = span.given ? span.end : others.end;
    if (begin < 0 || end < begin || end > (int64_t)layers)
        return pare_fail(PARE_BAD_ARGUMENT, "%s %d:%d: the model has layers 0:%u (the end is not included)",
                         span.given ? option : "--layers", begin, end, layers);
    *out = (pare_layer_range){(uint32_t)begin, all ? layers : (uint32_t)end};
    return PARE_OK;
}

static pare_status check_shares(const pare_prune_job *job) {
    const pare_job_target *t = &job->asked->target;
    uint32_t layers = job->model->config.layers;
    if (!t->ratios || t->ratio_count == layers) return PARE_OK;
    return pare_fail(PARE_BAD_ARGUMENT, "--ratio lists %zu shares, but the model has %u layers: give one for each",
                     t->ratio_count, layers);
}

/* A part that is not pruned has an empty range. */
static pare_status check_ranges(const pare_prune_job *job) {
    const pare_target *t = &job->target;
    uint32_t layers = job->model->config.layers;
    bool whole = t->attention.begin == 0 && t->ffn.begin == 0 && t->attention.end == layers && t->ffn.end == layers;
    if (t->mode == PARE_MODE_CHANNEL && !whole)
        return pare_fail(PARE_BAD_ARGUMENT, "--mode channel cuts the hidden size of every layer: leave out --layers");
    if (t->mode == PARE_MODE_BLOCK && t->ranking == PARE_RANK_UNIFORM && !whole)
        return pare_fail(PARE_BAD_ARGUMENT,
                         "--select uniform makes all layers alike: leave out --layers, --attention-layers and "
                         "--ffn-layers");
    return PARE_OK;
}

pare_status pare_prune_choose_target(pare_prune_job *job) {
    const pare_job_target *o = &job->asked->target;
    const pare_recipe *r = &job->asked->recipe;
    job->target = (pare_target){.mode = r->mode,
                                .ranking = r->ranking,
                                .query_heads = r->query_heads,
                                .ratio = o->ratio,
                                .ratios = o->ratios,
                                .parameters = o->parameters,
                                .bytes = o->bytes,
                                .round_to = o->round_to,
                                .keep_min = r->keep_min,
                                .before = job->model->config.widths,
                                .halves_go = r->drop_halves,
                                .rise = r->rise};
    job->current = job->model;
    PARE_TRY(choose_range(job, o->attention, "--attention-layers", &job->target.attention));
    return choose_range(job, o->ffn, "--ffn-layers", &job->target.ffn);
}

pare_status pare_units_choose_target(pare_prune_job *job) {
    PARE_TRY(check_shares(job));
    return pare_prune_choose_target(job);
}

pare_status pare_units_set_goal(pare_prune_job *job) {
    PARE_TRY(check_ranges(job));
    PARE_TRY(pare_prune_check_family(job));
    PARE_TRY(pare_prune_find_latency(job));
    return pare_goal_new(job->model, &job->target, 1.0, &job->goal);
}
