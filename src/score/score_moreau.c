#include "calibrate/moreau_file.h"
#include "calibrate/moreau_rows.h"
#include "score/score_internal.h"
#include "support/peer.h"

/* The run of an iteration, and the units as its last step ranked them. */
typedef struct run {
    pare_scoring *scoring;
    pare_unit_scores before, now;
    bool ranked;
} run;

static float scale_of(const pare_moreau *moreau) {
    return moreau->prox == PARE_PROX_RELEASED ? 1.0f : (float)(1.0 / moreau->rho);
}

/* What ranks have some rows of each. */
typedef struct displaced {
    pare_moreau_state *state;
    float *const *own;
} displaced;

static pare_status whole_of(void *context, size_t id, const float **signal) {
    displaced *d = context;
    return pare_moreau_window_whole(&d->state->window, d->own, id, signal);
}

static void own_of(void *context, size_t id, int64_t *first, int64_t *rows, const float **signal) {
    displaced *d = context;
    const pare_moreau_window *window = &d->state->window;
    pare_moreau_rows own = pare_moreau_rows_of(window->model->tensors[id], pare_peer_rank(), window->ranks);
    *first = own.first;
    *rows = own.end - own.first;
    *signal = d->own[id];
}

static pare_status score_with(run *r, pare_index_scores *sets, int count, pare_moreau_state *state, float *const *own) {
    displaced d = {.state = state, .own = own};
    const pare_moreau *moreau = &r->scoring->request->recipe->moreau;
    const pare_beside_stored beside = {
        .of = whole_of, .own = state->window.ranks > 1 ? own_of : NULL, .context = &d, .scale = scale_of(moreau)};
    return pare_scoring_stored(r->scoring, sets, count, &beside);
}

static pare_status rank_step(run *r, pare_moreau_state *state) {
    const pare_score_request *request = r->scoring->request;
    if (request->gradient) return PARE_OK; /* there are no units */
    pare_index_scores indices;
    pare_score_axis axis = pare_scoring_axis(request->recipe);
    PARE_TRY(pare_index_scores_new(request->model, request->recipe->salience, axis, &indices));
    pare_status status = score_with(r, &indices, 1, state, state->delta);
    if (status == PARE_OK)
        pare_unit_scores_reduce(&indices, request->recipe->reduction, request->recipe->alignment, &r->now);
    pare_index_scores_free(&indices);
    return status;
}

static void remember_ranks(run *r) {
    if (r->scoring->request->gradient) return;
    pare_unit_scores swap = r->before;
    r->before = r->now;
    r->now = swap;
    r->ranked = true;
}

static pare_status after_step(void *context, int32_t step, pare_moreau_state *state) {
    run *r = context;
    const pare_score_request *request = r->scoring->request;
    PARE_TRY(rank_step(r, state));
    if (r->ranked)
        PARE_TRY(pare_score_correlation(request->model, request->recipe, &r->before, &r->now,
                                        &state->trace[step].rank_correlation));
    remember_ranks(r);
    return request->state ? pare_moreau_save(request->model, state, request->state, request->key) : PARE_OK;
}

/* What a run that was stopped has left behind. */
static pare_status take_up(run *r, pare_moreau_state *state) {
    const pare_score_request *request = r->scoring->request;
    const pare_moreau *moreau = &request->recipe->moreau;
    bool there = false;
    if (request->state) PARE_TRY(pare_state_there(request->state, &there));
    if (!there) return PARE_OK;
    PARE_TRY(pare_moreau_load(request->model, moreau, request->state, request->key, state));
    r->scoring->passes_done = (uint64_t)state->steps_done * (uint64_t)moreau->draws;
    PARE_TRY(rank_step(r, state));
    remember_ranks(r);
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
    pare_moreau_schedule schedule = {
        .first_step = state->steps_done, .ids_of_step = ids_of_step, .after_step = after_step, .context = r};
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
    pare_status status = take_up(r, &state);
    if (status == PARE_OK) status = iterate(r, &state);
    if (status == PARE_OK) status = score_with(r, s->sets, s->count, &state, pare_moreau_signal(&state));
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
