#include "calibrate/smooth.h"
#include "score/score_internal.h"

/* SmoothGrad takes the absolute value of every draw, so each is scored as it appears and their mean is the score: the
 * sum is, for any ranking. taylor-rownorm needs the mean gradient first. */
pare_status pare_score_smooth(pare_scoring *s, pare_score_result *out) {
    const pare_score_request *r = s->request;
    pare_pass *pass = NULL;
    pare_source source = {.model = r->model, .backend = r->backend, .perturbed = r->plan->displaced, .seed = r->seed};
    pare_gradient_sink sink = pare_scoring_sink(s);
    pare_smooth smooth = {.draws = r->recipe->moreau.steps, .sigma = r->recipe->moreau.sigma};
    s->passes_total = (uint64_t)smooth.draws;
    PARE_TRY(pare_scoring_pass(s, &pass));
    pare_status status =
        r->recipe->signal == PARE_SIGNAL_SMOOTH
            ? pare_smooth_passes(pass, &source, r->ids, &smooth, &sink, &out->loss)
            : pare_smoothed_gradient_run(pass, &source, r->ids, &smooth, true, r->plan->scratch, &sink, &out->loss);
    pare_pass_free(pass);
    return status;
}
