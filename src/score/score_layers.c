#include "calibrate/layer_importance.h"
#include "score/score_internal.h"
#include "support/progress.h"

#include <float.h>
#include <math.h>

static pare_status report_block(void *context, uint64_t done, uint64_t total) {
    const pare_scoring *s = context;
    return pare_progress_report(s->request->runtime, "weighing layers", done, total);
}

static pare_status measure(pare_scoring *s, pare_pass *pass, pare_score_result *out) {
    const pare_score_request *r = s->request;
    pare_source source = {.model = r->model, .backend = r->backend};
    pare_layer_batch batch = {
        .ids = r->ids, .sequences = r->plan->shape.sequences, .step = report_block, .step_context = s};
    if (r->recipe->signal == PARE_SIGNAL_INFLUENCE)
        return pare_layer_influence(pass, &source, &batch, out->scores.layer);
    PARE_TRY(pare_layer_removal_losses(pass, &source, &batch, &out->loss, out->scores.layer));
    for (uint32_t i = 0; i < out->scores.layers; i++) /* without it there is no model: it stays, and has a score */
        out->scores.layer[i] = fmin(out->scores.layer[i], DBL_MAX);
    return PARE_OK;
}

pare_status pare_score_layers(pare_scoring *s, pare_score_result *out) {
    const pare_score_request *r = s->request;
    pare_pass *pass;
    if (r->recipe->signal == PARE_SIGNAL_DEPTH) {
        for (uint32_t i = 0; i < out->scores.layers; i++)
            out->scores.layer[i] = -(double)i;
        return PARE_OK;
    }
    PARE_TRY(pare_pass_new(r->model, r->backend, &r->plan->shape, &pass));
    pare_status status = measure(s, pass, out);
    pare_pass_free(pass);
    return status;
}
