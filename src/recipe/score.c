#include "recipe/score_internal.h"
#include "support/memory.h"
#include "support/progress.h"

#include <math.h>
#include <string.h>

static pare_status report_step(void *context, uint64_t done, uint64_t total) {
    pare_scoring *s = context;
    pare_status status = pare_progress_report(s->request->runtime, "calibrating", s->passes_done * total + done,
                                              s->passes_total * total);
    if (done == total) s->passes_done++;
    return status;
}

pare_status pare_scoring_pass(pare_scoring *s, pare_pass **pass) {
    const pare_score_request *r = s->request;
    PARE_TRY(pare_pass_new(r->model, r->backend, &r->plan->shape, pass));
    pare_pass_on_step(*pass, report_step, s);
    return PARE_OK;
}

pare_score_axis pare_scoring_axis(const pare_recipe *recipe) {
    return recipe->mode == PARE_MODE_CHANNEL ? PARE_AXIS_HIDDEN : PARE_AXIS_WIDTHS;
}

static bool wants_scored(void *context, size_t id) {
    return ((const pare_scoring *)context)->request->plan->scored[id];
}

static pare_status score_rows(void *context, size_t id, int64_t first, int64_t rows, int64_t columns,
                              const float *gradient, const float *squares) {
    pare_scoring *s = context;
    pare_row_signals signals = {.gradient = gradient, .squares = squares};
    (void)columns;
    return pare_index_scores_add(&s->indices, id, first, rows, &signals);
}

pare_gradient_sink pare_scoring_sink(pare_scoring *s) {
    return (pare_gradient_sink){.wants = wants_scored,
                                .rows = score_rows,
                                .squares = (s->indices.salience->needs & PARE_NEEDS_SQUARES) != 0,
                                .context = s};
}

/* One plain backward; every dW is scored as it appears. */
static pare_status score_gradient(pare_scoring *s, pare_score_result *out) {
    pare_pass *pass = NULL;
    pare_source source = {.model = s->request->model, .backend = s->request->backend};
    pare_gradient_sink sink = pare_scoring_sink(s);
    s->passes_total = 1;
    PARE_TRY(pare_scoring_pass(s, &pass));
    pare_status status = pare_pass_gradient(pass, &source, s->request->ids, &sink, &out->loss);
    pare_pass_free(pass);
    return status;
}

pare_status pare_scoring_stored(pare_scoring *s, pare_index_scores *indices, float *const *signal, float scale) {
    const pare_score_request *r = s->request;
    uint64_t done = 0, total = 0;
    for (size_t id = 0; id < r->model->tensor_count; id++)
        total += r->plan->scored[id];
    for (size_t id = 0; id < r->model->tensor_count; id++) {
        if (!r->plan->scored[id]) continue;
        int64_t rows, columns;
        pare_tensor_matrix(r->model->tensors[id], &rows, &columns);
        pare_row_signals signals = {.gradient = signal ? signal[id] : NULL, .gradient_scale = scale};
        PARE_TRY(pare_index_scores_add(indices, id, 0, rows, &signals));
        done++;
        PARE_TRY(indices == &s->indices ? pare_progress_report(r->runtime, "scoring", done, total)
                                        : pare_interrupted());
    }
    return PARE_OK;
}

static pare_status score_signal(pare_scoring *s, pare_score_result *out) {
    switch (s->request->recipe->signal) {
    case PARE_SIGNAL_GRADIENT:
        return score_gradient(s, out);
    case PARE_SIGNAL_MOREAU:
        return pare_score_moreau(s, out);
    case PARE_SIGNAL_SMOOTH:
    case PARE_SIGNAL_SMOOTH_ROWS:
        return pare_score_smooth(s, out);
    case PARE_SIGNAL_INPUTS:
        return pare_score_inputs(s);
    default:
        return pare_scoring_stored(s, &s->indices, NULL, 1.0f);
    }
}

static pare_status score_elements(pare_scoring *s, pare_score_result *out) {
    const pare_score_request *r = s->request;
    const pare_recipe *recipe = r->recipe;
    pare_status status = pare_index_scores_new(r->model, recipe->salience, pare_scoring_axis(recipe), &s->indices);
    if (status == PARE_OK) status = score_signal(s, out);
    if (status == PARE_OK) pare_unit_scores_reduce(&s->indices, recipe->reduction, recipe->alignment, &out->scores);
    pare_index_scores_free(&s->indices);
    return status;
}

pare_status pare_score_units(const pare_score_request *request, pare_score_result *out) {
    const pare_recipe *recipe = request->recipe;
    pare_scoring s = {.request = request};
    *out = (pare_score_result){.loss = NAN};
    PARE_TRY(pare_unit_scores_new(request->model, &out->scores));
    pare_status status = PARE_OK;
    if (pare_signal_scores_layers(recipe->signal))
        status = pare_score_layers(&s, out);
    else if (recipe->salience)
        status = score_elements(&s, out);
    else
        pare_unit_scores_random(request->model, request->seed, &out->scores);
    if (status == PARE_OK) status = pare_unit_scores_check(&out->scores, request->model);
    if (status != PARE_OK) pare_score_free(out);
    return status;
}

void pare_score_free(pare_score_result *result) {
    pare_unit_scores_free(&result->scores);
    pare_free(result->trace);
    *result = (pare_score_result){0};
}

static void copy_scores(const pare_model *model, const pare_unit_scores *from, pare_unit_scores *to) {
    for (uint32_t i = 0; i < from->layers; i++) {
        const pare_widths *w = &model->config.widths[i];
        memcpy(to->heads[i], from->heads[i], w->kv_heads * sizeof(double));
        memcpy(to->query[i], from->query[i], w->heads * sizeof(double));
        memcpy(to->ffn[i], from->ffn[i], w->ffn * sizeof(double));
    }
    memcpy(to->hidden, from->hidden, model->config.hidden * sizeof(double));
    memcpy(to->layer, from->layer, from->layers * sizeof(double));
}

pare_status pare_score_copy(const pare_model *model, const pare_score_result *from, pare_score_result *out) {
    *out = (pare_score_result){.loss = from->loss, .steps = from->steps};
    PARE_TRY(pare_unit_scores_new(model, &out->scores));
    copy_scores(model, &from->scores, &out->scores);
    if (!from->trace) return PARE_OK;
    pare_status status = pare_alloc(&out->trace, (size_t)from->steps, sizeof *out->trace, "trace");
    if (status == PARE_OK)
        memcpy(out->trace, from->trace, (size_t)from->steps * sizeof *out->trace);
    else
        pare_score_free(out);
    return status;
}
