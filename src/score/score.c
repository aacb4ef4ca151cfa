#include "score/cache.h"
#include "score/signals.h"
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
    pare_pass_shape shape = r->plan->shape;
    shape.sequences = r->plan->group;
    PARE_TRY(pare_pass_new(r->model, r->backend, &shape, pass));
    pare_pass_on_step(*pass, report_step, s);
    return PARE_OK;
}

pare_score_axis pare_scoring_axis(const pare_recipe *recipe) {
    return recipe->mode == PARE_MODE_CHANNEL ? PARE_AXIS_HIDDEN : PARE_AXIS_WIDTHS;
}

static bool wants_scored(void *context, size_t id) {
    return ((const pare_scoring *)context)->request->plan->scored[id];
}

pare_status pare_scoring_add(pare_scoring *s, size_t id, int64_t first, int64_t rows, const pare_row_signals *signals) {
    if (s->request->gradient) return pare_scoring_store(s, id, first, rows, signals);
    for (int i = 0; i < s->count; i++)
        PARE_TRY(pare_index_scores_add(&s->sets[i], id, first, rows, signals));
    return PARE_OK;
}

static pare_status score_rows(void *context, size_t id, int64_t first, int64_t rows, int64_t columns,
                              const float *gradient, const float *squares) {
    pare_scoring *s = context;
    pare_row_signals signals = {.gradient = gradient, .squares = squares};
    (void)columns;
    return pare_scoring_add(s, id, first, rows, &signals);
}

pare_gradient_sink pare_scoring_sink(pare_scoring *s) {
    return (pare_gradient_sink){
        .wants = wants_scored,
        .rows = score_rows,
        .samples = s->request->recipe->salience->needs & PARE_NEEDS_SQUARES ? PARE_SAMPLES_SQUARES : PARE_SAMPLES_NONE,
        .context = s};
}

/* One plain backward; every dW is scored as it appears. */
pare_status pare_score_gradient(pare_scoring *s, pare_score_result *out) {
    if (s->request->gradient) return pare_score_groups(s, out);
    pare_pass *pass = NULL;
    pare_source source = {.model = s->request->model, .backend = s->request->backend};
    pare_gradient_sink sink = pare_scoring_sink(s);
    s->passes_total = 1;
    PARE_TRY(pare_scoring_pass(s, &pass));
    pare_status status = pare_pass_gradient(pass, &source, s->request->ids, &sink, &out->loss);
    pare_pass_free(pass);
    return status;
}

pare_status pare_scoring_stored(pare_scoring *s, pare_index_scores *sets, int count, float *const *signal,
                                float scale) {
    const pare_score_request *r = s->request;
    uint64_t done = 0, total = 0;
    for (size_t id = 0; id < r->model->tensor_count; id++)
        total += r->plan->scored[id];
    for (size_t id = 0; id < r->model->tensor_count; id++) {
        if (!r->plan->scored[id]) continue;
        int64_t rows, columns;
        pare_tensor_matrix(r->model->tensors[id], &rows, &columns);
        pare_row_signals signals = {.gradient = signal ? signal[id] : NULL, .gradient_scale = scale};
        if (r->gradient) PARE_TRY(pare_scoring_store(s, id, 0, rows, &signals));
        for (int i = 0; i < count; i++)
            PARE_TRY(pare_index_scores_add(&sets[i], id, 0, rows, &signals));
        done++;
        PARE_TRY(sets == s->sets ? pare_progress_report(r->runtime, "scoring", done, total) : pare_interrupted());
    }
    return PARE_OK;
}

static pare_status score_signal(pare_scoring *s, pare_score_result *out) {
    const pare_signal_row *signal = pare_signal_row_of(s->request->recipe->signal);
    return signal->run ? signal->run(s, out) : pare_scoring_stored(s, s->sets, s->count, NULL, 1.0f);
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

/* One set for the recipe; with a cache, one for every other salience that the pass can serve. */
static pare_status new_sets(pare_scoring *s) {
    const pare_score_request *r = s->request;
    pare_score_axis axis = pare_scoring_axis(r->recipe);
    PARE_TRY(pare_index_scores_new(r->model, r->recipe->salience, axis, &s->sets[s->count++]));
    for (size_t i = 0; r->cache && pare_salience_name(i) && s->count < PARE_SCORE_SETS; i++) {
        const pare_salience *salience = pare_salience_find(pare_salience_name(i));
        if (serves(r->recipe, salience))
            PARE_TRY(pare_index_scores_new(r->model, salience, axis, &s->sets[s->count++]));
    }
    return PARE_OK;
}

static void reduce(const pare_recipe *recipe, const pare_index_scores *indices, pare_score_result *out) {
    pare_unit_scores_reduce(indices, recipe->reduction, recipe->alignment, &out->scores);
}

static pare_status score_sets(pare_scoring *s, pare_score_result *out) {
    PARE_TRY(new_sets(s));
    PARE_TRY(score_signal(s, out));
    reduce(s->request->recipe, &s->sets[0], out);
    for (int i = 0; i < s->count; i++)
        PARE_TRY(pare_cache_indices_give(s->request->cache, s->request, &s->sets[i], out));
    return PARE_OK;
}

static pare_status score_elements(pare_scoring *s, pare_score_result *out) {
    pare_score_result made = {0};
    if (s->request->gradient) return score_signal(s, out);
    const pare_index_scores *known = pare_cache_indices_find(s->request->cache, s->request, &made);
    if (known) {
        reduce(s->request->recipe, known, out);
        out->loss = made.loss;
        out->steps = made.steps;
        out->trace = made.trace;
        return PARE_OK;
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
    if (pare_signal_has(recipe->signal, PARE_TRAIT_LAYERS))
        status = score_signal(&s, out);
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
