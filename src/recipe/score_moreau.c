#include "importance/rank.h"
#include "recipe/score_internal.h"
#include "support/memory.h"

#include <math.h>
#include <string.h>

/* The run of an iteration, and the units as its last step ranked them. */
typedef struct run {
    pare_scoring *scoring;
    pare_unit_scores before, now;
    bool ranked;
} run;

static float scale_of(const pare_moreau *moreau) {
    return moreau->prox == PARE_PROX_RELEASED ? 1.0f : (float)(1.0 / moreau->rho);
}

/* Mean rank correlation over the groups that are ranked by themselves: the heads, and the channels, of each layer. */
static pare_status correlate(const run *r, double *mean) {
    const pare_score_request *request = r->scoring->request;
    const pare_config *c = &request->model->config;
    double total = 0.0;
    uint32_t groups = 0;
    if (pare_scoring_axis(request->recipe) == PARE_AXIS_HIDDEN)
        return pare_rank_correlation(r->before.hidden, r->now.hidden, c->hidden, mean);
    for (uint32_t i = 0; i < c->layers; i++)
        for (int part = 0; part < 2; part++) {
            double one, *a = part ? r->before.ffn[i] : r->before.heads[i], *b = part ? r->now.ffn[i] : r->now.heads[i];
            PARE_TRY(pare_rank_correlation(a, b, part ? c->widths[i].ffn : c->widths[i].kv_heads, &one));
            if (!isfinite(one)) continue;
            total += one;
            groups++;
        }
    *mean = groups ? total / groups : NAN;
    return PARE_OK;
}

static pare_status rank_step(run *r, const pare_moreau_state *state) {
    const pare_score_request *request = r->scoring->request;
    pare_index_scores indices;
    pare_score_axis axis = pare_scoring_axis(request->recipe);
    PARE_TRY(pare_index_scores_new(request->model, request->recipe->salience, axis, &indices));
    pare_status status = pare_scoring_stored(r->scoring, &indices, state->delta, scale_of(&request->recipe->moreau));
    if (status == PARE_OK)
        pare_unit_scores_reduce(&indices, request->recipe->reduction, request->recipe->alignment, &r->now);
    pare_index_scores_free(&indices);
    return status;
}

static pare_status after_step(void *context, int32_t step, pare_moreau_state *state) {
    run *r = context;
    PARE_TRY(rank_step(r, state));
    if (r->ranked) PARE_TRY(correlate(r, &state->trace[step].rank_correlation));
    pare_unit_scores swap = r->before;
    r->before = r->now;
    r->now = swap;
    r->ranked = true;
    return PARE_OK;
}

static pare_status ids_of_step(void *context, int32_t step, const uint32_t **ids) {
    const pare_score_request *request = ((const run *)context)->scoring->request;
    const pare_pass_shape *shape = &request->plan->shape;
    uint32_t batch = request->batches > 1 ? (uint32_t)step : 0;
    *ids = request->ids + (size_t)batch * (size_t)(shape->sequences * shape->length);
    return PARE_OK;
}

static pare_status iterate(run *r, pare_moreau_state *state) {
    const pare_score_request *request = r->scoring->request;
    const pare_moreau *moreau = &request->recipe->moreau;
    pare_pass *pass = NULL;
    pare_source source = {.model = request->model,
                          .backend = request->backend,
                          .perturbed = request->plan->displaced,
                          .seed = request->seed};
    pare_moreau_schedule schedule = {.ids_of_step = ids_of_step, .after_step = after_step, .context = r};
    r->scoring->passes_total = (uint64_t)moreau->steps * (uint64_t)moreau->draws;
    PARE_TRY(pare_scoring_pass(r->scoring, &pass));
    pare_status status = pare_moreau_run(pass, &source, NULL, moreau, &schedule, state);
    pare_pass_free(pass);
    return status;
}

static pare_status run_iteration(run *r, pare_score_result *out) {
    pare_scoring *s = r->scoring;
    const pare_score_request *request = s->request;
    const pare_moreau *moreau = &request->recipe->moreau;
    pare_moreau_state state;
    PARE_TRY(pare_moreau_state_new(request->model, request->plan->displaced, moreau, request->plan->scratch, &state));
    pare_status status = iterate(r, &state);
    if (status == PARE_OK) status = pare_scoring_stored(s, &s->indices, pare_moreau_signal(&state), scale_of(moreau));
    if (status == PARE_OK) {
        out->trace = state.trace;
        out->steps = moreau->steps;
        out->loss = state.trace[0].loss;
        state.trace = NULL;
    }
    pare_moreau_state_free(&state);
    return status;
}

pare_status pare_score_moreau(pare_scoring *scoring, pare_score_result *out) {
    run r = {.scoring = scoring};
    pare_status status = pare_unit_scores_new(scoring->request->model, &r.before);
    if (status == PARE_OK) status = pare_unit_scores_new(scoring->request->model, &r.now);
    if (status == PARE_OK) status = run_iteration(&r, out);
    pare_unit_scores_free(&r.before);
    pare_unit_scores_free(&r.now);
    return status;
}
