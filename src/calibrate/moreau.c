#include "calibrate/moreau.h"

#include <math.h>
#include <string.h>

typedef struct update {
    const pare_model *model;
    const pare_backend *backend;
    const pare_moreau *moreau;
    pare_moreau_state *state;
    pare_moreau_step *step;
    int32_t draw;
} update;

static bool wants(void *context, size_t id) {
    return ((const update *)context)->state->delta[id] != NULL;
}

/* The part of the step that draw `draw` of m contributes. The displacement must stay as it is until the last draw has
 * seen it, so with several draws the sum grows in `next`; the prox follows the last one. */
static pare_proximal part_of_step(const update *u, bool matrix) {
    const pare_moreau *m = u->moreau;
    bool last = u->draw == m->draws - 1;
    bool applies = last && (m->prox == PARE_PROX_L1 || (m->prox == PARE_PROX_GROUP && matrix));
    return (pare_proximal){.base_factor = u->draw == 0 ? (float)(1.0 - m->gamma / m->rho) : 1.0f,
                           .gamma = (float)(m->gamma / (double)m->draws),
                           .threshold = applies ? (float)(m->gamma * m->eta) : 0.0f,
                           .group_rows = m->prox == PARE_PROX_GROUP};
}

static pare_status update_rows(void *context, size_t id, int64_t first, int64_t rows, int64_t columns,
                               const float *gradient, const float *squares) {
    (void)squares;
    update *u = context;
    bool matrix = u->model->tensors[id]->rank == 2;
    pare_proximal step = part_of_step(u, matrix);
    pare_displacement_sums sums = {0};
    float *delta = u->state->delta[id] + first * columns;
    float *next = u->state->next ? u->state->next[id] + first * columns : delta;
    const float *base = u->draw == 0 ? delta : next;
    u->backend->operations->proximal_step(u->backend, &step, rows, columns, base, gradient, next, &sums);
    if (u->draw < u->moreau->draws - 1) return PARE_OK;
    u->state->tensor_l2[id] += sums.squares;
    if (matrix) {
        u->step->rows += (uint64_t)rows;
        u->step->zero_rows += sums.zero_rows;
    }
    return PARE_OK;
}

/* Squares per tensor -> norms, and their total into the trace. */
static pare_status close_step(update *u, int32_t t) {
    double squares = 0.0;
    for (size_t id = 0; id < u->model->tensor_count; id++) {
        squares += u->state->tensor_l2[id];
        u->state->tensor_l2[id] = sqrt(u->state->tensor_l2[id]);
    }
    u->step->delta_l2 = sqrt(squares);
    if (isfinite(squares)) return PARE_OK;
    return pare_fail(PARE_NUMERIC_ERROR,
                     "the Moreau iteration diverged at step %d (the displacement is no longer finite); lower --gamma",
                     t + 1);
}

pare_status pare_moreau_run(pare_pass *pass, pare_source *source, const uint32_t *ids, const pare_moreau *moreau,
                            pare_moreau_state *state) {
    update u = {.model = source->model, .backend = source->backend, .moreau = moreau, .state = state};
    pare_gradient_sink sink = {.wants = wants, .rows = update_rows, .context = &u};
    source->displacement = state->delta;
    source->sigma = (float)moreau->sigma;
    pare_status status = PARE_OK;
    for (int32_t t = 0; t < moreau->steps && status == PARE_OK; t++) {
        u.step = &state->trace[t];
        memset(state->tensor_l2, 0, u.model->tensor_count * sizeof *state->tensor_l2);
        for (u.draw = 0; u.draw < moreau->draws && status == PARE_OK; u.draw++) {
            double loss = 0.0;
            source->draw = (uint64_t)t * (uint64_t)moreau->draws + (uint64_t)u.draw;
            status = pare_pass_gradient(pass, source, ids, &sink, &loss);
            u.step->loss += loss / (double)moreau->draws;
        }
        if (status == PARE_OK) status = close_step(&u, t);
        if (state->next) {
            float **swap = state->delta;
            source->displacement = state->delta = state->next;
            state->next = swap;
        }
    }
    source->displacement = NULL;
    source->sigma = 0.0f;
    return status;
}
