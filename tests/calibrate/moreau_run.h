/* A Moreau iteration over a tiny model, and the same by hand: gradients of whole passes, steps in double. */
#ifndef PARE_TESTS_MOREAU_RUN_H
#define PARE_TESTS_MOREAU_RUN_H

#include "calibrate/moreau.h"
#include "model/tiny_pass.h"
#include "support/memory.h"

typedef struct moreau_job {
    pare_moreau moreau;
    uint64_t seed;
    const bool *displaced; /* NULL: all */
    const char *scratch;
    const pare_moreau_schedule *schedule;
    int64_t micro_batch;
} moreau_job;

static inline bool moreau_displaces(const moreau_job *job, size_t id) {
    return !job->displaced || job->displaced[id];
}

/* The status of the run; `state` is to be freed either way. */
static inline pare_status moreau_try(const tiny_pass *t, const moreau_job *job, pare_moreau_state *state) {
    bool all[128];
    memset(all, 1, sizeof all);
    const bool *displaced = job->displaced ? job->displaced : all;
    pare_pass_shape shape = {.sequences = t->sequences,
                             .length = t->length,
                             .gradients = true,
                             .composed = true,
                             .micro_batch = job->micro_batch};
    pare_source source = {.model = t->model, .backend = t->backend, .perturbed = displaced, .seed = job->seed};
    pare_pass *pass;
    assert_true(t->model->tensor_count <= sizeof all);
    assert_int_equal(pare_moreau_state_new(t->model, displaced, &job->moreau, job->scratch, state), PARE_OK);
    assert_int_equal(pare_pass_new(t->model, t->backend, &shape, &pass), PARE_OK);
    pare_status status = pare_moreau_run(pass, &source, t->ids, &job->moreau, job->schedule, state);
    pare_pass_free(pass);
    assert_null(source.displacement);
    assert_true(source.sigma == 0.0f);
    return status;
}

static inline pare_moreau_state moreau_run(const tiny_pass *t, const moreau_job *job) {
    pare_moreau_state state;
    pare_status status = moreau_try(t, job, &state);
    if (status) fprintf(stderr, "%s\n", pare_message());
    assert_int_equal(status, PARE_OK);
    return state;
}

/* What the formulas say, beside what the library says. */
typedef struct moreau_hand {
    float *delta[128];
    pare_moreau_step *trace;
} moreau_hand;

static inline double moreau_shrink(double size, double threshold) {
    return size <= threshold ? 0.0 : 1.0 - threshold / size;
}

/* delta = prox((1 - gamma/rho) delta - gamma g) of one tensor; the sums of the result go into the step. */
static inline void moreau_hand_tensor(const pare_moreau *m, const pare_tensor *tensor, const double *gradient,
                                      float *delta, pare_moreau_step *step) {
    int64_t rows, columns;
    pare_tensor_matrix(tensor, &rows, &columns);
    double level = m->gamma * m->eta;
    for (int64_t row = 0; row < rows; row++) {
        double squares = 0.0, kept = 0.0;
        for (int64_t i = row * columns; i < (row + 1) * columns; i++) {
            double moved = (1.0 - m->gamma / m->rho) * (double)delta[i] - m->gamma * gradient[i];
            if (m->prox == PARE_PROX_L1) moved *= moreau_shrink(fabs(moved), level);
            delta[i] = (float)moved;
            squares += moved * moved;
        }
        double factor = m->prox == PARE_PROX_GROUP && tensor->rank == 2 ? moreau_shrink(sqrt(squares), level) : 1.0;
        for (int64_t i = row * columns; i < (row + 1) * columns; i++) {
            delta[i] = (float)((double)delta[i] * factor);
            kept += (double)delta[i] * (double)delta[i];
        }
        step->delta_l2 += kept;
        step->rows += tensor->rank == 2;
        step->zero_rows += tensor->rank == 2 && kept == 0.0;
    }
}

/* Sum of the gradients of all draws at the present displacement, divided by how many there are. */
static inline void moreau_hand_gradient(const tiny_pass *t, const moreau_job *job, moreau_hand *hand, int32_t step,
                                        const bool *perturbed, double *mean[]) {
    for (int32_t i = 0; i < job->moreau.draws; i++) {
        tiny_gradients gradients;
        pare_source source = {.model = t->model,
                              .backend = t->backend,
                              .displacement = hand->delta,
                              .perturbed = perturbed,
                              .sigma = (float)job->moreau.sigma,
                              .seed = job->seed,
                              .draw = (uint64_t)(step * job->moreau.draws + i)};
        double loss = tiny_pass_gradients(t, &source, 0, -1, &gradients);
        hand->trace[step].loss += loss / job->moreau.draws;
        for (size_t id = 0; id < t->model->tensor_count; id++)
            for (size_t j = 0; j < t->model->tensors[id]->count; j++)
                mean[id][j] += (double)gradients.of[id][j] / job->moreau.draws;
        tiny_gradients_free(&gradients);
    }
}

static inline moreau_hand moreau_by_hand(const tiny_pass *t, const moreau_job *job) {
    moreau_hand hand = {.trace = calloc((size_t)job->moreau.steps, sizeof *hand.trace)};
    double *mean[128];
    bool perturbed[128];
    for (size_t id = 0; id < t->model->tensor_count; id++) {
        perturbed[id] = moreau_displaces(job, id);
        if (perturbed[id]) hand.delta[id] = calloc(t->model->tensors[id]->count, sizeof(float));
    }
    for (int32_t step = 0; step < job->moreau.steps; step++) {
        for (size_t id = 0; id < t->model->tensor_count; id++)
            mean[id] = calloc(t->model->tensors[id]->count, sizeof(double));
        moreau_hand_gradient(t, job, &hand, step, perturbed, mean);
        for (size_t id = 0; id < t->model->tensor_count; id++) {
            if (perturbed[id])
                moreau_hand_tensor(&job->moreau, t->model->tensors[id], mean[id], hand.delta[id], &hand.trace[step]);
            free(mean[id]);
        }
        hand.trace[step].delta_l2 = sqrt(hand.trace[step].delta_l2);
    }
    return hand;
}

static inline void moreau_hand_free(const tiny_pass *t, moreau_hand *hand) {
    for (size_t id = 0; id < t->model->tensor_count; id++)
        free(hand->delta[id]);
    free(hand->trace);
}

/* Largest difference of two displacements as a share of the largest value. */
static inline double moreau_apart(const pare_tensor *tensor, const float *a, const float *b) {
    double apart = 0.0, largest = 0.0;
    for (size_t i = 0; i < tensor->count; i++) {
        apart = fmax(apart, fabs((double)a[i] - (double)b[i]));
        largest = fmax(largest, fabs((double)b[i]));
    }
    return largest > 0.0 ? apart / largest : apart;
}

#endif
