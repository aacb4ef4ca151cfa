#include "calibrate/moreau_level.h"

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
} update;

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

/* Rows of the new displacement, which are final: their sums, and their share of the tail's mean. */
static void record_rows(update *u, size_t id, int64_t first, int64_t rows, int64_t columns, const float *displacement,
                        const pare_displacement_sums *sums) {
    u->state->tensor_l2[id] += sums->squares;
    if (u->model->tensors[id]->rank == 2) {
        u->step->rows += (uint64_t)rows;
        u->step->zero_rows += sums->zero_rows;
    }
    if (u->tail_weight == 0.0f) return;
    float *mean = u->state->mean[id] + first * columns;
    pare_proximal add = {.base_factor = 1.0f, .gamma = -u->tail_weight};
    pare_displacement_sums unused = {0};
    u->backend->operations->proximal_step(u->backend, &add, rows, columns, mean, displacement, mean, &unused);
}

static pare_status update_rows(void *context, size_t id, int64_t first, int64_t rows, int64_t columns,
                               const float *gradient, const float *squares) {
    (void)squares;
    update *u = context;
    bool matrix = u->model->tensors[id]->rank == 2, last = u->draw == u->moreau->draws - 1;
    bool sampled = u->sampling && last, by_row = u->moreau->prox == PARE_PROX_GROUP;
    pare_proximal step = part_of_step(u, matrix, columns);
    pare_displacement_sums sums = {0};
    float *delta = u->state->delta[id] + first * columns;
    float *next = u->state->next ? u->state->next[id] + first * columns : delta;
    const float *base = u->draw == 0 ? delta : next;
    if (sampled && matrix && by_row) {
        step.row_norms = (float *)u->state->sample.data + u->sampled_rows;
        u->sampled_rows += (uint64_t)rows;
    }
    u->backend->operations->proximal_step(u->backend, &step, rows, columns, base, gradient, next, &sums);
    if (sampled && !by_row) pare_level_add(&u->state->sample, next, rows * columns);
    if (sampled)
        u->state->tensor_l2[id] += sums.squares;
    else if (last)
        record_rows(u, id, first, rows, columns, next, &sums);
    return PARE_OK;
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

/* The level from the sample of this step, and then the threshold that the step had to do without. */
static pare_status threshold_in_place(update *u, int32_t t) {
    pare_moreau_state *state = u->state;
    double squares;
    PARE_TRY(check_finite(u, t, &squares));
    state->level = pare_level_find(u->moreau, &state->sample, u->sampled_rows) / u->moreau->gamma;
    memset(state->tensor_l2, 0, u->model->tensor_count * sizeof *state->tensor_l2);
    for (size_t id = 0; id < u->model->tensor_count; id++) {
        float *delta = state->next ? state->next[id] : state->delta[id];
        if (!delta || !u->model->tensors[id]->count) continue;
        int64_t rows, columns;
        pare_tensor_matrix(u->model->tensors[id], &rows, &columns);
        pare_proximal step = {.base_factor = 1.0f};
        pare_displacement_sums sums = {0};
        set_threshold(u, u->model->tensors[id]->rank == 2, columns, &step);
        u->backend->operations->proximal_step(u->backend, &step, rows, columns, delta, delta, delta, &sums);
        record_rows(u, id, 0, rows, columns, delta, &sums);
    }
    return PARE_OK;
}

/* Squares per tensor -> norms, and their total into the trace. */
static pare_status close_step(update *u, pare_source *source, int32_t t) {
    pare_moreau_state *state = u->state;
    double squares;
    PARE_TRY(check_finite(u, t, &squares));
    for (size_t id = 0; id < u->model->tensor_count; id++)
        state->tensor_l2[id] = sqrt(state->tensor_l2[id]);
    u->step->delta_l2 = sqrt(squares);
    if (state->next) {
        float **swap = state->delta;
        source->displacement = state->delta = state->next;
        state->next = swap;
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
    memset(state->tensor_l2, 0, u->model->tensor_count * sizeof *state->tensor_l2);
    state->steps_done = -1;
}

static pare_status run_step(update *u, pare_pass *pass, pare_source *source, const uint32_t *ids, int32_t t) {
    pare_gradient_sink sink = {.wants = wants, .rows = update_rows, .context = u};
    begin_step(u, t);
    for (u->draw = 0; u->draw < u->moreau->draws; u->draw++) {
        double loss = 0.0;
        source->draw = (uint64_t)t * (uint64_t)u->moreau->draws + (uint64_t)u->draw;
        PARE_TRY(pare_pass_gradient(pass, source, ids, &sink, &loss));
        u->step->loss += loss / (double)u->moreau->draws;
    }
    if (u->sampling) PARE_TRY(threshold_in_place(u, t));
    return close_step(u, source, t);
}

pare_status pare_moreau_run(pare_pass *pass, pare_source *source, const uint32_t *ids, const pare_moreau *moreau,
                            const pare_moreau_schedule *schedule, pare_moreau_state *state) {
    static const pare_moreau_schedule usual = {0};
    const pare_moreau_schedule *s = schedule ? schedule : &usual;
    update u = {.model = source->model, .backend = source->backend, .moreau = moreau, .state = state};
    source->displacement = state->delta;
    source->sigma = (float)moreau->sigma;
    pare_status status = PARE_OK;
    for (int32_t t = s->first_step; t < moreau->steps && status == PARE_OK; t++) {
        if (s->ids_of_step) status = s->ids_of_step(s->context, t, &ids);
        if (status == PARE_OK) status = run_step(&u, pass, source, ids, t);
        if (status == PARE_OK && s->after_step) status = s->after_step(s->context, t, state);
    }
    source->displacement = NULL;
    source->sigma = 0.0f;
    return status;
}
