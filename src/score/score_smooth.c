#include "calibrate/smooth.h"
#include "score/score_internal.h"

typedef pare_status passes(pare_scoring *s, pare_pass *pass, pare_source *source, double *loss);

static pare_smooth smooth_of(const pare_scoring *s) {
    const pare_moreau *constants = &s->request->recipe->moreau;
    return (pare_smooth){.draws = constants->steps, .sigma = constants->sigma};
}

static pare_status score(pare_scoring *s, passes *run, pare_score_result *out) {
    const pare_score_request *r = s->request;
    pare_pass *pass = NULL;
    pare_source source = {.model = r->model, .backend = r->backend, .perturbed = r->plan->displaced, .seed = r->seed};
    s->passes_total = (uint64_t)r->recipe->moreau.steps;
    PARE_TRY(pare_scoring_pass(s, &pass));
    pare_status status = run(s, pass, &source, &out->loss);
    pare_pass_free(pass);
    return status;
}

/* Between two draws. */
typedef struct drawing {
    pare_scoring *s;
    double losses;
} drawing;

static pare_status keep_draw(void *context, int32_t draw, double loss) {
    drawing *d = context;
    d->losses += loss;
    return pare_scoring_keep(d->s, (uint64_t)draw + 1, d->losses);
}

static pare_status each_draw(pare_scoring *s, pare_pass *pass, pare_source *source, double *loss) {
    pare_gradient_sink sink = pare_scoring_sink(s);
    pare_smooth smooth = smooth_of(s);
    drawing d = {.s = s};
    PARE_TRY(pare_scoring_take_up(s, &d.losses));
    smooth.first = (int32_t)s->passes_done;
    smooth.after_draw = keep_draw;
    smooth.context = &d;
    PARE_TRY(pare_smooth_passes(pass, source, s->request->ids, &smooth, &sink, loss));
    *loss = d.losses / (double)smooth.draws;
    return PARE_OK;
}

static pare_status mean_of_draws(pare_scoring *s, pare_pass *pass, pare_source *source, double *loss) {
    pare_gradient_sink sink = pare_scoring_sink(s);
    pare_smooth smooth = smooth_of(s);
    smooth.kept = pare_scoring_place(s);
    smooth.taken_up = &s->passes_done;
    return pare_smoothed_gradient_run(pass, source, s->request->ids, &smooth, true, s->request->plan->scratch, &sink,
                                      loss);
}

/* SmoothGrad takes the absolute value of every draw, so each is scored as it appears and their mean is the score: the
 * sum is, for any ranking. */
pare_status pare_score_smooth(pare_scoring *s, pare_score_result *out) {
    return score(s, each_draw, out);
}

/* taylor-rownorm needs the mean gradient first. */
pare_status pare_score_smooth_rows(pare_scoring *s, pare_score_result *out) {
    return score(s, mean_of_draws, out);
}
