/* For methods that remove single weights: the signal itself is kept, weight by weight, instead of scores of units. */
#include "score/score_internal.h"

#include <math.h>

/* Gradients of the samples go where the gradient would. */
static pare_status store_samples(void *context, size_t id, int64_t first, int64_t rows, int64_t columns,
                                 const float *gradient, const float *samples) {
    pare_row_signals signals = {.gradient = samples};
    (void)gradient, (void)columns;
    return samples ? pare_scoring_store(context, id, first, rows, &signals) : PARE_OK;
}

static pare_gradient_sink sink_of(pare_scoring *s) {
    const pare_recipe *recipe = s->request->recipe;
    pare_gradient_sink sink = pare_scoring_sink(s);
    if (!pare_signal_has(recipe->signal, PARE_TRAIT_SAMPLES)) return sink;
    sink.rows = store_samples;
    sink.samples = recipe->element.absolutes ? PARE_SAMPLES_ABSOLUTES : PARE_SAMPLES_SQUARES;
    return sink;
}

/* From means over the samples to GBLM's norms: sum |g_j|, or sqrt(sum g_j^2). */
static void join_samples(const pare_score_request *r, double samples) {
    for (size_t id = 0; id < r->model->tensor_count; id++) {
        int64_t rows, columns;
        float *g = r->gradient[id];
        if (!g) continue;
        pare_tensor_matrix(r->model->tensors[id], &rows, &columns);
#pragma omp parallel for schedule(static) if (rows * columns > 65536)
        for (int64_t i = 0; i < rows * columns; i++)
            g[i] = r->recipe->element.absolutes ? (float)samples * g[i] : sqrtf((float)samples * g[i]);
    }
}

/* A group of sequences after the other, so that block inputs of one group at a time are kept. */
pare_status pare_score_groups(pare_scoring *s, pare_score_result *out) {
    const pare_score_request *r = s->request;
    const pare_calibration_plan *plan = r->plan;
    int64_t sequences = plan->shape.sequences, groups = sequences / plan->group;
    pare_source source = {.model = r->model, .backend = r->backend};
    pare_gradient_sink sink = sink_of(s);
    pare_pass *pass = NULL;
    pare_status status = PARE_OK;
    s->passes_total = (uint64_t)groups;
    s->share = 1.0f / (float)groups;
    PARE_TRY(pare_scoring_take_up(s, &out->loss));
    int64_t first = (int64_t)s->passes_done;
    if (first < groups) PARE_TRY(pare_scoring_pass(s, &pass));
    for (int64_t i = first; i < groups && status == PARE_OK; i++) {
        double loss = 0.0;
        status = pare_pass_gradient(pass, &source, r->ids + i * plan->group * plan->shape.length, &sink, &loss);
        out->loss += loss / (double)groups;
        if (status == PARE_OK) status = pare_scoring_keep(s, (uint64_t)i + 1, out->loss);
    }
    pare_pass_free(pass);
    if (status == PARE_OK && pare_signal_has(r->recipe->signal, PARE_TRAIT_SAMPLES)) join_samples(r, (double)sequences);
    return status;
}
