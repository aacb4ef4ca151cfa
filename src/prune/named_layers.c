/* Whole layers by name, and nothing else. */
#include "prune/prune_job.h"
#include "support/json.h"

#include <math.h>

static bool applies(const pare_job *asked) {
    return asked->target.drops_alone;
}

static pare_status choose_target(pare_prune_job *job) {
    uint32_t layers = job->model->config.layers;
    job->goal.bytes = pare_selection_bytes(job->model, job->drops);
    job->goal.ratio = (double)(layers - pare_selection_layers(job->drops)) / layers;
    job->current = job->model;
    return PARE_OK;
}

static pare_status drop(pare_prune_job *job) {
    pare_selection all;
    PARE_TRY(pare_selection_all(job->model, &all));
    pare_status status = pare_selection_compose(&all, job->drops, &job->selection);
    if (status == PARE_OK) status = pare_selection_compose(&all, job->drops, &job->composed);
    pare_selection_free(&all);
    job->result.loss = NAN;
    return status;
}

static json_t *recipe(const pare_prune_job *job) {
    (void)job;
    return pare_json_of({"mode", pare_json_string("layer")});
}

const pare_procedure pare_named_layers = {
    .applies = applies, .choose_target = choose_target, .run = drop, .recipe = recipe};
