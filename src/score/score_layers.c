#include "calibrate/layer_importance.h"
#include "score/score_internal.h"
#include "support/progress.h"

#include <float.h>
#include <math.h>

static pare_status report_block(void *context, uint64_t done, uint64_t total) {
    const pare_scoring *s = context;
    return pare_progress_report(s->request->runtime, "weighing layers", done, total);
}

typedef pare_status measure_fn(pare_pass *pass, const pare_source *source, const pare_layer_batch *batch,
                               pare_score_result *out);

static pare_status score(pare_scoring *s, measure_fn *measure, pare_score_result *out) {
    const pare_score_request *r = s->request;
    pare_pass *pass;
    pare_source source = {.model = r->model, .backend = r->backend};
    pare_layer_batch batch = {
        .ids = r->ids, .sequences = r->plan->shape.sequences, .step = report_block, .step_context = s};
    PARE_TRY(pare_pass_new(r->model, r->backend, &r->plan->shape, &pass));
    pare_status status = measure(pass, &source, &batch, out);
    pare_pass_free(pass);
    return status;
}

static pare_status influence(pare_pass *pass, const pare_source *source, const pare_layer_batch *batch,
                             pare_score_result *out) {
    return pare_layer_influence(pass, source, batch, out->scores.layer);
}

static pare_status removal(pare_pass *pass, const pare_source *source, const pare_layer_batch *batch,
                           pare_score_result *out) {
    PARE_TRY(pare_layer_removal_losses(pass, source, batch, &out->loss, out->scores.layer));
    for (uint32_t i = 0; i < out->scores.layers; i++) /* without it there is no model: it stays, and has a score */
        out->scores.layer[i] = fmin(out->scores.layer[i], DBL_MAX);
    return PARE_OK;
}

pare_status pare_score_depth(pare_scoring *s, pare_score_result *out) {
    (void)s;
    for (uint32_t i = 0; i < out->scores.layers; i++)
        out->scores.layer[i] = -(double)i;
    return PARE_OK;
}

pare_status pare_score_influence(pare_scoring *s, pare_score_result *out) {
    return score(s, influence, out);
}

pare_status pare_score_removal(pare_scoring *s, pare_score_result *out) {
    return score(s, removal, out);
}
