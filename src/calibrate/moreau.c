#include "calibrate/moreau_level.h"
#include "calibrate/moreau_rows.h"
#include "support/memory.h"
#include "support/order.h"
#include "support/peer.h"

#include <math.h>
#include <string.h>

typedef struct update {
    const pare_model *model;
    const pare_backend *backend;
    const pare_moreau *moreau;
    pare_moreau_state *state;
    pare_moreau_step *step;
    int32_t draw;
    bool sampling;         /* this step looks for its level before anything is thresholded */
    uint64_t sampled_rows; /* whose norms are in the sample */
    float tail_weight;     /* of this step's displacement in the mean; 0: not in the tail */
    double *row_squares;   /* [rows in hand] */
    double *pieces;        /* [tensor_count][PARE_MOREAU_PIECES] squares of this rank's rows */
} update;

/* Rows of a tensor that are this rank's, and where they lie in what it has of the tensor. */
typedef struct own_rows {
    int64_t first, count, columns, at;
} own_rows;

static own_rows own_of(const update *u, size_t id, int64_t first, int64_t rows) {
    pare_moreau_rows own = pare_moreau_rows_of(u->model->tensors[id], pare_peer_rank(), u->state->window.ranks);
    int64_t begin = pare_larger(first, own.first), end = pare_smaller(first + rows, own.end);
    return (own_rows){
        .first = begin, .count = end - begin, .columns = own.columns, .at = (begin - own.first) * own.columns};
}

static bool is_matrix(const update *u, size_t id) {
    return u->model->tensors[id]->rank == 2;
}

static bool wants(void *context, size_t id) {
    return ((const update *)context)->state->delta[id] != NULL;
}

/* The threshold on L2 norms or absolute values that the state's level makes. */
static void set_threshold(const update *u, bool matrix, int64_t columns, pare_proximal *step) {
    const pare_moreau *m = u->moreau;
    double threshold = m->gamma * u->state->level, shrink = threshold;
    if (m->prox == PARE_PROX_NONE || (m->prox == PARE_PROX_GROUP && !matrix)) return;
    step->group_rows = matrix && m->prox != PARE_PROX_L1;
    if (m->prox == PARE_PROX_RELEASED) {
        double norm_of_mean = matrix ? sqrt((double)columns) : 1.0;
        threshold *= norm_of_mean;
        shrink = u->state->level * norm_of_mean;
    }
    step->threshold = (float)threshold;
    step->shrink = (float)shrink;
}

/* The part of the step that draw `draw` of m contributes. The displacement must stay as it is until the last draw has
 * seen it, so with several draws the sum grows in `next`; the prox follows the last one. */
static pare_proximal part_of_step(const update *u, bool matrix, int64_t columns) {
    const pare_moreau *m = u->moreau;
    bool pulled = u->draw == 0 && !m->unpulled;
    pare_proximal step = {.base_factor = pulled ? (float)(1.0 - m->gamma / m->rho) : 1.0f,
                          .gamma = (float)(m->gamma / (double)m->draws)};
    if (u->draw == m->draws - 1 && !u->sampling) set_threshold(u, matrix, columns, &step);
    return step;
}

/* What this rank's rows came to. */
static void add_squares(update *u, size_t id, const own_rows *own) {
    int64_t rows, columns;
    pare_tensor_matrix(u->model->tensors[id], &rows, &columns);
    pare_moreau_add_rows(rows, own->first, own->count, u->row_squares, u->pieces + id * PARE_MOREAU_PIECES);
}

/* This rank's rows of the new displacement, which are final: their sums, and their share of the tail's mean. */
static void record_rows(update *u, size_t id, const own_rows *own, const float *displacement,
                        const pare_displacement_sums *sums) {
    add_squares(u, id, own);
    if (is_matrix(u, id)) u->step->zero_rows += sums->zero_rows;
    if (u->tail_weight == 0.0f) return;
    float *mean = u->state->mean[id] + own->at;
    pare_proximal add = {.base_factor = 1.0f, .gamma = -u->tail_weight};
    pare_displacement_sums unused = {0};
    u->backend->operations->proximal_step(u->backend, &add, own->count, own->columns, mean, displacement, mean,
                                          &unused);
}

/* gradient: of this rank's rows; norms: of these in the sample, where it has some. */
static void move_rows(update *u, size_t id, const own_rows *own, const float *gradient, float *norms) {
    bool last = u->draw == u->moreau->draws - 1;
    pare_proximal step = part_of_step(u, is_matrix(u, id), own->columns);
    pare_displacement_sums sums = {0};
    float *delta = u->state->delta[id] + own->at, *next = u->state->next ? u->state->next[id] + own->at : delta;
    step.row_norms = norms;
    step.row_squares = u->row_squares;
    u->backend->operations->proximal_step(u->backend, &step, own->count, own->columns, u->draw == 0 ? delta : next,
                                          gradient, next, &sums);
    if (!last) return;
    if (u->sampling && u->moreau->prox != PARE_PROX_GROUP)
        pare_level_add(&u->state->sample, next, own->count * own->columns);
    if (u->sampling)
        add_squares(u, id, own);
    else
        record_rows(u, id, own, next, &sums);
}

/* Ranks count rows alike, their own and others'. */
static pare_status update_rows(void *context, size_t id, int64_t first, int64_t rows, int64_t columns,
                               const float *gradient, const float *squares) {
    (void)squares;
    update *u = context;
    own_rows own = own_of(u, id, first, rows);
    bool counted = u->draw == u->moreau->draws - 1 && is_matrix(u, id);
    bool sampled = counted && u->sampling && u->moreau->prox == PARE_PROX_GROUP;
    if (own.count > 0) {
        int64_t before = own.first - first;
        float *norms = sampled ? (float *)u->state->sample.data + u->sampled_rows + before : NULL;
        move_rows(u, id, &own, gradient + before * columns, norms);
    }
    if (sampled) u->sampled_rows += (uint64_t)rows;
    if (counted && !u->sampling) u->step->rows += (uint64_t)rows;
    return PARE_OK;
}

/* What the rows of all ranks came to, on all of them. */
static pare_status join_sums(update *u) {
    size_t tensors = u->model->tensor_count;
    PARE_TRY(pare_peer_reduce(u->pieces, tensors * PARE_MOREAU_PIECES));
    PARE_TRY(pare_moreau_join_counts(&u->step->zero_rows, 1));
    for (size_t id = 0; id < tensors; id++) {
        u->state->tensor_l2[id] = 0.0;
        for (int i = 0; i < PARE_MOREAU_PIECES; i++)
            u->state->tensor_l2[id] += u->pieces[id * PARE_MOREAU_PIECES + (size_t)i];
    }
    return PARE_OK;
}

static void begin_sums(update *u) {
    memset(u->pieces, 0, u->model->tensor_count * PARE_MOREAU_PIECES * sizeof *u->pieces);
    memset(u->state->tensor_l2, 0, u->model->tensor_count * sizeof *u->state->tensor_l2);
}

static pare_status join_sample(update *u) {
    pare_scratch *sample = &u->state->sample;
    if (u->moreau->prox == PARE_PROX_GROUP) return pare_moreau_join_norms(sample->data, u->sampled_rows);
    return pare_moreau_join_counts(sample->data, sample->bytes / sizeof(uint64_t));
}

static pare_status check_finite(const update *u, int32_t t, double *squares) {
    *squares = 0.0;
    for (size_t id = 0; id < u->model->tensor_count; id++)
        *squares += u->state->tensor_l2[id];
    if (isfinite(*squares)) return PARE_OK;
    return pare_fail(PARE_NUMERIC_ERROR,
                     "the Moreau iteration diverged at step %d (the displacement is no longer finite); lower --gamma",
                     t + 1);
}

/* The threshold that the step had to do without, on this rank's rows of a tensor. */
static void threshold_rows(update *u, size_t id) {
    int64_t rows, columns;
    pare_tensor_matrix(u->model->tensors[id], &rows, &columns);
    own_rows own = own_of(u, id, 0, rows);
    float *delta = u->state->next ? u->state->next[id] : u->state->delta[id];
    pare_proximal step = {.base_factor = 1.0f, .row_squares = u->row_squares};
    pare_displacement_sums sums = {0};
    if (is_matrix(u, id)) u->step->rows += (uint64_t)rows;
    if (own.count <= 0) return;
    set_threshold(u, is_matrix(u, id), columns, &step);
    u->backend->operations->proximal_step(u->backend, &step, own.count, columns, delta, delta, delta, &sums);
    record_rows(u, id, &own, delta, &sums);
}

/* The level from the sample of this step, and then its threshold. */
static pare_status threshold_in_place(update *u, int32_t t) {
    pare_moreau_state *state = u->state;
    double squares;
    PARE_TRY(join_sums(u));
    PARE_TRY(check_finite(u, t, &squares));
    PARE_TRY(join_sample(u));
    state->level = pare_level_find(u->moreau, &state->sample, u->sampled_rows) / u->moreau->gamma;
    begin_sums(u);
    for (size_t id = 0; id < u->model->tensor_count; id++)
        if (state->delta[id] && u->model->tensors[id]->count) threshold_rows(u, id);
    return PARE_OK;
}

/* Squares per tensor -> norms, and their total into the trace. */
static pare_status close_step(update *u, pare_source *source, int32_t t) {
    pare_moreau_state *state = u->state;
    double squares;
    PARE_TRY(join_sums(u));
    PARE_TRY(check_finite(u, t, &squares));
    for (size_t id = 0; id < u->model->tensor_count; id++)
        state->tensor_l2[id] = sqrt(state->tensor_l2[id]);
    u->step->delta_l2 = sqrt(squares);
    if (state->next) {
        float **swap = state->delta;
        state->delta = state->next;
        state->next = swap;
        if (!source->arrive) source->displacement = state->delta;
    }
    state->steps_done = t + 1;
    return PARE_OK;
}

static void begin_step(update *u, int32_t t) {
    const pare_moreau *m = u->moreau;
    pare_moreau_state *state = u->state;
    int32_t tail = m->tail < m->steps ? m->tail : m->steps;
    u->step = &state->trace[t];
    *u->step = (pare_moreau_step){.rank_correlation = NAN};
    u->sampling = m->eta_quantile > 0.0 && t == 0;
    u->sampled_rows = 0;
    u->tail_weight = state->mean && m->steps - t <= tail ? (float)(1.0 / (double)tail) : 0.0f;
    begin_sums(u);
    state->window.unmoved = t == 0;
    state->steps_done = -1;
}

static pare_status run_step(update *u, pare_pass *pass, pare_source *source, const uint32_t *ids, int32_t t) {
    pare_gradient_sink sink = {.wants = wants, .rows = update_rows, .context = u};
    begin_step(u, t);
    for (u->draw = 0; u->draw < u->moreau->draws; u->draw++) {
        double loss = 0.0;
        pare_moreau_window_leave(&u->state->window);
        source->draw = (uint64_t)t * (uint64_t)u->moreau->draws + (uint64_t)u->draw;
        PARE_TRY(pare_pass_gradient(pass, source, ids, &sink, &loss));
        u->step->loss += loss / (double)u->moreau->draws;
    }
    if (u->sampling) PARE_TRY(threshold_in_place(u, t));
    return close_step(u, source, t);
}

static pare_status arrive(void *context, int64_t stop) {
    pare_moreau_state *state = context;
    return pare_moreau_window_arrive(&state->window, state->delta, stop);
}

static pare_status run_steps(update *u, pare_pass *pass, pare_source *source, const uint32_t *ids,
                             const pare_moreau_schedule *s) {
    for (int32_t t = s->first_step; t < u->moreau->steps; t++) {
        if (s->ids_of_step) PARE_TRY(s->ids_of_step(s->context, t, &ids));
        PARE_TRY(run_step(u, pass, source, ids, t));
        if (s->after_step) PARE_TRY(s->after_step(s->context, t, u->state));
    }
    return PARE_OK;
}

/* Rows of the longest displaced tensor. */
static size_t longest(const pare_model *model, const pare_moreau_state *state) {
    int64_t most = 1;
    for (size_t id = 0; id < model->tensor_count; id++) {
        int64_t rows, columns;
        pare_tensor_matrix(model->tensors[id], &rows, &columns);
        if (state->delta[id]) most = pare_larger(most, rows);
    }
    return (size_t)most;
}

pare_status pare_moreau_run(pare_pass *pass, pare_source *source, const uint32_t *ids, const pare_moreau *moreau,
                            const pare_moreau_schedule *schedule, pare_moreau_state *state) {
    static const pare_moreau_schedule usual = {0};
    const pare_model *model = source->model;
    bool shared = state->window.ranks > 1;
    update u = {.model = model, .backend = source->backend, .moreau = moreau, .state = state};
    PARE_TRY(pare_alloc(&u.pieces, model->tensor_count * PARE_MOREAU_PIECES, sizeof *u.pieces, "displacement norms"));
    pare_status status =
        pare_alloc_uninitialized(&u.row_squares, longest(model, state), sizeof *u.row_squares, "displacement norms");
    source->displacement = shared ? state->window.seen : state->delta;
    source->arrive = shared ? arrive : NULL;
    source->arrive_context = state;
    source->sigma = (float)moreau->sigma;
    if (status == PARE_OK) status = run_steps(&u, pass, source, ids, schedule ? schedule : &usual);
    source->displacement = NULL;
    source->arrive = NULL;
    source->sigma = 0.0f;
    pare_free(u.row_squares);
    pare_free(u.pieces);
    return status;
}
