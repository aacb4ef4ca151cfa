#include "recipe/score.h"
#include "support/memory.h"
#include "support/progress.h"

#include <math.h>
#include <string.h>

typedef struct scoring {
    const pare_model *model;
    const pare_backend *backend;
    const pare_recipe *recipe;
    const pare_calibration_plan *plan;
    const pare_runtime *runtime;
    uint64_t seed;
    const uint32_t *ids;
    pare_index_scores indices;
    uint64_t passes_done, passes_total; /* for progress */
} scoring;

static pare_status report_step(void *context, uint64_t done, uint64_t total) {
    scoring *s = context;
    pare_status status =
        pare_progress_report(s->runtime, "calibrating", s->passes_done * total + done, s->passes_total * total);
    if (done == total) s->passes_done++;
    return status;
}

static bool wants_scored(void *context, size_t id) {
    return ((const scoring *)context)->plan->scored[id];
}

static pare_status score_rows(void *context, size_t id, int64_t first, int64_t rows, int64_t columns,
                              const float *gradient, const float *squares) {
    (void)squares;
    scoring *s = context;
    (void)columns;
    return pare_index_scores_add(&s->indices, s->model, s->recipe->salience, id, first, rows, gradient, 1.0f);
}

/* One plain backward; every dW is scored as it appears. */
static pare_status score_gradient(scoring *s, pare_score_result *out) {
    pare_pass *pass;
    pare_source source = {.model = s->model, .backend = s->backend};
    pare_gradient_sink sink = {.wants = wants_scored, .rows = score_rows, .context = s};
    PARE_TRY(pare_pass_new(s->model, s->backend, &s->plan->shape, &pass));
    s->passes_total = 1;
    pare_pass_on_step(pass, report_step, s);
    pare_status status = pare_pass_gradient(pass, &source, s->ids, &sink, &out->loss);
    pare_pass_free(pass);
    return status;
}

/* Scores stored matrices, with `signal[id]` beside them if there is one. */
static pare_status score_stored(scoring *s, float *const *signal, float signal_scale) {
    uint64_t done = 0, total = 0;
    for (size_t id = 0; id < s->model->tensor_count; id++)
        total += s->plan->scored[id];
    for (size_t id = 0; id < s->model->tensor_count; id++) {
        if (!s->plan->scored[id]) continue;
        int64_t rows, columns;
        pare_tensor_matrix(s->model->tensors[id], &rows, &columns);
        PARE_TRY(pare_index_scores_add(&s->indices, s->model, s->recipe->salience, id, 0, rows,
                                       signal ? signal[id] : NULL, signal_scale));
        PARE_TRY(pare_progress_report(s->runtime, "scoring", ++done, total));
    }
    return PARE_OK;
}

static pare_status score_moreau(scoring *s, pare_score_result *out) {
    const pare_moreau *moreau = &s->recipe->moreau;
    pare_pass *pass = NULL;
    pare_moreau_state state;
    pare_source source = {.model = s->model, .backend = s->backend, .perturbed = s->plan->displaced, .seed = s->seed};
    PARE_TRY(pare_moreau_state_new(s->model, s->plan->displaced, moreau, s->plan->scratch, &state));
    pare_status status = pare_pass_new(s->model, s->backend, &s->plan->shape, &pass);
    if (status == PARE_OK) {
        s->passes_total = (uint64_t)moreau->steps * (uint64_t)moreau->draws;
        pare_pass_on_step(pass, report_step, s);
        status = pare_moreau_run(pass, &source, s->ids, moreau, NULL, &state);
    }
    pare_pass_free(pass);
    if (status == PARE_OK) status = score_stored(s, pare_moreau_signal(&state), (float)(1.0 / moreau->rho));
    if (status == PARE_OK) {
        out->trace = state.trace;
        out->steps = moreau->steps;
        out->loss = state.trace[0].loss;
        state.trace = NULL;
    }
    pare_moreau_state_free(&state);
    return status;
}

static pare_status score_signal(scoring *s, pare_score_result *out) {
    switch (s->recipe->signal) {
    case PARE_SIGNAL_GRADIENT:
        return score_gradient(s, out);
    case PARE_SIGNAL_MOREAU:
        return score_moreau(s, out);
    case PARE_SIGNAL_NONE:
        break;
    }
    return score_stored(s, NULL, 1.0f);
}

pare_status pare_score_units(const pare_model *model, const pare_backend *backend, const pare_recipe *recipe,
                             const pare_calibration_plan *plan, const pare_runtime *runtime, uint64_t seed,
                             const uint32_t *ids, pare_score_result *out) {
    *out = (pare_score_result){.loss = NAN};
    PARE_TRY(pare_unit_scores_new(model, &out->scores));
    if (!recipe->salience) {
        pare_unit_scores_random(model, seed, &out->scores);
        return PARE_OK;
    }
    scoring s = {.model = model,
                 .backend = backend,
                 .recipe = recipe,
                 .plan = plan,
                 .runtime = runtime,
                 .seed = seed,
                 .ids = ids};
    pare_status status = pare_index_scores_new(model, &s.indices);
    if (status == PARE_OK) status = score_signal(&s, out);
    if (status == PARE_OK) {
        pare_unit_scores_reduce(&s.indices, model, recipe->reduction, &out->scores);
        status = pare_unit_scores_check(&out->scores, model);
    }
    pare_index_scores_free(&s.indices);
    if (status != PARE_OK) pare_score_free(out);
    return status;
}

void pare_score_free(pare_score_result *result) {
    pare_unit_scores_free(&result->scores);
    pare_free(result->trace);
    *result = (pare_score_result){0};
}
