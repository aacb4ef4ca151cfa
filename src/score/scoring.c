/* What signals are scored with, whatever they are: passes, and where their rows go. */
#include "model/config_write.h"
#include "score/score_internal.h"
#include "support/peer.h"
#include "support/progress.h"

#include <math.h>

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

bool pare_scoring_ties(const pare_score_request *request) {
    return request->recipe->mode == PARE_MODE_CHANNEL && pare_config_ties_heads(&request->model->config);
}

static bool wants_scored(void *context, size_t id) {
    return ((const pare_scoring *)context)->request->plan->scored[id];
}

static void add(float *to, const float *from, int64_t n, float scale, bool absolute) {
    for (int64_t i = 0; i < n; i++) {
        float value = scale * from[i];
        to[i] += absolute ? fabsf(value) : value;
    }
}

/* to: [rows, columns] of the whole tensor */
static void add_rows(float *to, const float *from, int64_t first, int64_t rows, int64_t columns, float scale,
                     bool absolute) {
#pragma omp parallel for schedule(static) if (rows * columns > 65536)
    for (int64_t row = 0; row < rows; row++)
        add(to + (first + row) * columns, from + row * columns, columns, scale, absolute);
}

/* SmoothGrad takes the absolute value of every draw. */
pare_status pare_scoring_store(pare_scoring *s, size_t id, int64_t first, int64_t rows,
                               const pare_row_signals *signals) {
    const pare_score_request *r = s->request;
    float scale = (signals->gradient_scale == 0.0f ? 1.0f : signals->gradient_scale) * s->share;
    int64_t all, columns;
    pare_tensor_matrix(r->model->tensors[id], &all, &columns);
    if (r->gradient[id] && signals->gradient)
        add_rows(r->gradient[id], signals->gradient, first, rows, columns, scale,
                 pare_signal_has(r->recipe->signal, PARE_TRAIT_ABSOLUTES));
    if (r->squares && r->squares[id] && signals->squares)
        add_rows(r->squares[id], signals->squares, first, rows, columns, scale, false);
    return PARE_OK;
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

/* Sums over rows go from rank to rank, each of which adds its own, as one process adds one row after the other. Where
 * they go on with what another tensor has come to, it is the last rank that has it. */
static pare_status add_own(pare_index_scores *set, size_t id, const pare_beside_stored *beside) {
    int rank = pare_peer_rank(), last = pare_peer_count() - 1;
    int64_t first, rows;
    size_t with;
    pare_row_signals signals = {.gradient_scale = beside->scale};
    PARE_TRY(pare_index_scores_summed(set, id, &with));
    if (with == set->count) return PARE_OK;
    double *sums = set->by_tensor[with];
    size_t bytes = pare_index_scores_count(set, with) * sizeof *sums;
    beside->own(beside->context, id, &first, &rows, &signals.gradient);
    if (with != id && rank == last) PARE_TRY(pare_peer_send(sums, bytes, 0));
    if (with != id && rank == 0) PARE_TRY(pare_peer_receive(sums, bytes, last));
    if (rank) PARE_TRY(pare_peer_receive(sums, bytes, rank - 1));
    if (rows > 0) PARE_TRY(pare_index_scores_add(set, id, first, rows, &signals));
    return rank < last ? pare_peer_send(sums, bytes, rank + 1) : PARE_OK;
}

/* What the last rank has is the sum of all. */
static pare_status share_sums(pare_index_scores *set) {
    for (size_t id = 0; id < set->count; id++)
        if (set->by_tensor[id])
            PARE_TRY(pare_peer_broadcast(set->by_tensor[id], pare_index_scores_count(set, id) * sizeof(double),
                                         pare_peer_count() - 1));
    return PARE_OK;
}

static pare_status add_stored(pare_scoring *s, pare_index_scores *sets, int count, size_t id,
                              const pare_beside_stored *beside) {
    int64_t rows, columns;
    pare_tensor_matrix(s->request->model->tensors[id], &rows, &columns);
    pare_row_signals signals = {.gradient_scale = beside ? beside->scale : 1.0f};
    if (beside) PARE_TRY(beside->of(beside->context, id, &signals.gradient));
    if (s->request->gradient) PARE_TRY(pare_scoring_store(s, id, 0, rows, &signals));
    for (int i = 0; i < count; i++)
        PARE_TRY(pare_index_scores_add(&sets[i], id, 0, rows, &signals));
    return PARE_OK;
}

/* True if scores can be made where the rows are: nobody looks at a tensor as a whole. */
static bool adds_own(const pare_scoring *s, const pare_index_scores *sets, int count,
                     const pare_beside_stored *beside) {
    bool own = beside && beside->own && !s->request->gradient;
    for (int i = 0; i < count; i++)
        own = own && !sets[i].salience->whole;
    return own;
}

pare_status pare_scoring_stored(pare_scoring *s, pare_index_scores *sets, int count, const pare_beside_stored *beside) {
    const pare_score_request *r = s->request;
    bool own = adds_own(s, sets, count, beside);
    uint64_t done = 0, total = 0;
    for (size_t id = 0; id < r->model->tensor_count; id++)
        total += r->plan->scored[id];
    for (size_t id = 0; id < r->model->tensor_count; id++) {
        if (!r->plan->scored[id]) continue;
        for (int i = 0; i < count && own; i++)
            PARE_TRY(add_own(&sets[i], id, beside));
        if (!own) PARE_TRY(add_stored(s, sets, count, id, beside));
        done++;
        PARE_TRY(sets == s->sets ? pare_progress_report(r->runtime, "scoring", done, total) : pare_interrupted());
    }
    for (int i = 0; i < count && own; i++)
        PARE_TRY(share_sums(&sets[i]));
    return PARE_OK;
}
