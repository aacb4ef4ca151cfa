#include "score/cache.h"
#include "score/signals.h"

#include <math.h>

static pare_status score_signal(pare_scoring *s, pare_score_result *out) {
    const pare_signal_row *signal = pare_signal_row_of(s->request->recipe->signal);
    return signal->run ? signal->run(s, out) : pare_scoring_stored(s, s->sets, s->count, NULL);
}

/* True if the recipe's signal can feed this salience without more work. The draws of SmoothGrad cannot: the sign of a
 * sum over all of them is another score. */
static bool serves(const pare_recipe *recipe, const pare_salience *salience) {
    bool squares = (recipe->salience->needs & PARE_NEEDS_SQUARES) != 0;
    bool shared = pare_signal_has(recipe->signal, PARE_TRAIT_SHARED);
    unsigned given = PARE_NEEDS_GRADIENT | (squares ? PARE_NEEDS_SQUARES : 0);
    return shared && salience != recipe->salience && (salience->needs & PARE_NEEDS_GRADIENT) &&
           !(salience->needs & ~given);
}

/* One set for the recipe; with a cache, one for every other salience that the pass can serve. Where heads go with
 * hidden channels, one for either, and neither is kept. */
static pare_status new_sets(pare_scoring *s) {
    const pare_score_request *r = s->request;
    pare_score_axis axis = pare_scoring_axis(r->recipe);
    PARE_TRY(pare_index_scores_new(r->model, r->recipe->salience, axis, &s->sets[s->count++]));
    if (pare_scoring_ties(r))
        return pare_index_scores_new(r->model, r->recipe->salience, PARE_AXIS_WIDTHS, &s->sets[s->count++]);
    for (size_t i = 0; r->cache && pare_salience_name(i) && s->count < PARE_SCORE_SETS; i++) {
        const pare_salience *salience = pare_salience_find(pare_salience_name(i));
        if (serves(r->recipe, salience))
            PARE_TRY(pare_index_scores_new(r->model, salience, axis, &s->sets[s->count++]));
    }
    return PARE_OK;
}

static pare_status reduce(const pare_score_request *request, const pare_index_scores *indices, pare_score_result *out) {
    const pare_recipe *recipe = request->recipe;
    pare_unit_scores_reduce(indices, recipe->reduction, recipe->alignment, &out->scores);
    if (!request->projections) return PARE_OK;
    return pare_projection_scores_of(indices, request->plan->scored, &out->projections);
}

static pare_status score_sets(pare_scoring *s, pare_score_result *out) {
    PARE_TRY(new_sets(s));
    PARE_TRY(score_signal(s, out));
    PARE_TRY(reduce(s->request, &s->sets[0], out));
    if (pare_scoring_ties(s->request)) {
        const pare_recipe *recipe = s->request->recipe;
        pare_unit_scores_reduce(&s->sets[1], recipe->reduction, recipe->alignment, &out->scores);
        return PARE_OK;
    }
    for (int i = 0; i < s->count; i++)
        PARE_TRY(pare_cache_indices_give(s->request->cache, s->request, &s->sets[i], out));
    return PARE_OK;
}

static pare_status score_elements(pare_scoring *s, pare_score_result *out) {
    pare_score_result made = {0};
    if (s->request->gradient) return score_signal(s, out);
    const pare_index_scores *known =
        pare_scoring_ties(s->request) ? NULL : pare_cache_indices_find(s->request->cache, s->request, &made);
    if (known) {
        out->loss = made.loss;
        out->steps = made.steps;
        out->trace = made.trace;
        return reduce(s->request, known, out);
    }
    pare_status status = score_sets(s, out);
    for (int i = 0; i < s->count; i++)
        pare_index_scores_free(&s->sets[i]);
    return status;
}

pare_status pare_score_units(const pare_score_request *request, pare_score_result *out) {
    const pare_recipe *recipe = request->recipe;
    pare_scoring s = {.request = request, .share = 1.0f};
    *out = (pare_score_result){.loss = NAN};
    PARE_TRY(pare_unit_scores_new(request->model, &out->scores));
    pare_status status = PARE_OK;
    if (pare_signal_has(recipe->signal, PARE_TRAIT_LAYERS | PARE_TRAIT_EXPERTS | PARE_TRAIT_GATES))
        status = score_signal(&s, out);
    else if (recipe->salience)
        status = score_elements(&s, out);
    else
        pare_unit_scores_random(request->model, request->seed, &out->scores);
    if (status == PARE_OK) status = pare_unit_scores_check(&out->scores, request->model);
    if (status != PARE_OK) pare_score_free(out);
    return status;
}
