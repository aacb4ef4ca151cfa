#include "layerwise/units_internal.h"

#include <math.h>

static pare_status check(const pare_repair_job *job) {
    const pare_repair_options *o = &job->options;
    if (job->sequences < 1 || job->length < 1)
        return pare_fail(PARE_BAD_ARGUMENT, "repair needs calibration sequences: got %lld of %lld tokens",
                         (long long)job->sequences, (long long)job->length);
    if (!(o->alpha >= 0.0 && o->alpha <= 1.0 && o->beta >= 0.0 && o->beta <= 1.0))
        return pare_fail(PARE_BAD_ARGUMENT, "alpha %g and beta %g must lie between 0 and 1", o->alpha, o->beta);
    if (!(o->damping >= 0.0 && o->reader_damping >= 0.0 && isfinite(o->damping) && isfinite(o->reader_damping)))
        return pare_fail(PARE_BAD_ARGUMENT, "damping %g and %g must not be negative", o->damping, o->reader_damping);
    return PARE_OK;
}

static pare_layer_fate fate(void *context, uint32_t layer) {
    const pare_unit_walk *u = context;
    const bool *absent = u->job->source->skip_layer;
    if (absent && absent[layer]) return PARE_LAYER_ABSENT;
    return u->selection->layer[layer].dropped ? PARE_LAYER_GOES : PARE_LAYER_STAYS;
}

/* A stage runs over its micro-batches three times at most: for readers, for the output, and on; of experts, once for
 * their tokens and once for each group of them. */
static void count_steps(pare_unit_walk *u) {
    uint64_t batches = pare_layerwise_batch_count(&u->l), streams = u->l.asked.two ? 2 : 1;
    u->l.layer_steps = (PARE_STAGES * 3 + pare_units_expert_runs(u)) * batches;
    u->l.total = streams * batches + u->l.model->config.layers * u->l.layer_steps + 2 * batches;
}

static pare_status run(pare_unit_walk *u) {
    const pare_repair_options *o = &u->job->options;
    uint32_t layers = u->l.model->config.layers;
    pare_layer_visitor visitor = {.stages = pare_layerwise_one_by_one,
                                  .fate = fate,
                                  .visit = pare_units_visit,
                                  .last = layers - 1,
                                  .beyond = true,
                                  .context = u,
                                  .keeper = {"", pare_units_describe, u, layers + 1}};
    for (uint32_t layer = 0; layer < layers && u->fits; layer++)
        for (int stage = 0; stage < PARE_STAGES; stage++)
            u->fits[layer][stage] = (pare_stage_fit){0};
    count_steps(u);
    PARE_TRY(pare_layerwise_walk(&u->l, &visitor));
    if (!o->probe) PARE_TRY(pare_layerwise_finish(&u->l, o->final_norm, o->head));
    u->l.done = u->l.total - 1;
    return pare_layerwise_step(&u->l);
}

pare_status pare_repair_run(const pare_repair_job *job, pare_selection *selection, pare_repaired *repaired,
                            pare_stage_fit (*fits)[PARE_STAGES]) {
    pare_unit_walk u;
    *repaired = (pare_repaired){0};
    PARE_TRY(check(job));
    PARE_TRY(pare_units_set_up(job, selection, repaired, &u));
    u.fits = fits;
    pare_status status = run(&u);
    pare_units_clear(&u);
    if (status != PARE_OK) pare_repaired_free(repaired);
    return status;
}
