/* What a salience reads of one matrix. */
#include "layerwise/weights_internal.h"
#include "support/memory.h"
#include "support/random.h"

#include <math.h>

/* ||x_i||, over the square root of the number of sequences unless GBLM's alpha is meant as in the paper; of all
 * sequences, where a part of them was drawn too. */
static pare_status copy_inputs(const pare_weight_walk *w, const pare_matrix_place *place, const pare_salience *salience,
                               float **out) {
    const pare_input_moments *moments = &place->inputs->moments;
    bool whole = salience == &pare_salience_gblm && w->recipe->scaling == PARE_SCALING_PAPER;
    PARE_TRY(pare_alloc(out, (size_t)moments->width, sizeof **out, "input norms"));
    pare_input_moments_norm(moments, *out);
    if (salience->needs & PARE_NEEDS_CENTERED) pare_input_moments_deviation(moments, *out);
    float scale = sqrtf((float)w->job->sequences);
    for (int64_t i = 0; whole && i < moments->width; i++)
        (*out)[i] *= scale;
    return PARE_OK;
}

static pare_status copy_outputs(const pare_weight_walk *w, const pare_matrix_place *place, int64_t rows, float **out) {
    PARE_TRY(pare_alloc(out, (size_t)rows, sizeof **out, "output norms"));
    for (int64_t i = 0; i < rows; i++)
        (*out)[i] = (float)sqrt(place->outputs[i] / (double)w->job->sequences);
    return PARE_OK;
}

static pare_status copy_inverse(pare_weight_walk *w, const pare_matrix_place *place, float **out) {
    const pare_inverse_factor *factor;
    PARE_TRY(pare_matrix_factor(w, place, &factor));
    PARE_TRY(pare_alloc(out, (size_t)factor->n, sizeof **out, "inverse diagonal"));
    for (int64_t i = 0; i < factor->n; i++)
        (*out)[i] = factor->upper[i * (factor->n + 1)];
    return PARE_OK;
}

static const float *gradient_of(const pare_weight_walk *w, const pare_matrix_place *place) {
    if (!place->other && w->regional[place->role]) return w->regional[place->role];
    return w->job->gradient ? w->job->gradient[place->id] : NULL;
}

static const float *squares_of(const pare_weight_walk *w, const pare_matrix_place *place) {
    return w->job->squares ? w->job->squares[place->id] : NULL;
}

/* Mean and variance of the inputs, one behind the other. */
static pare_status copy_moments(const pare_matrix_place *place, float **out) {
    const pare_input_moments *moments = &place->inputs->moments;
    PARE_TRY(pare_alloc(out, 2 * (size_t)moments->width, sizeof **out, "input moments"));
    pare_input_moments_mean(moments, *out);
    pare_input_moments_variance(moments, *out + moments->width);
    return PARE_OK;
}

typedef struct signals {
    float *inputs, *outputs, *inverse, *moments;
} signals;

static pare_status gather(pare_weight_walk *w, const pare_matrix_place *place, const pare_salience *salience,
                          int64_t rows, signals *s) {
    if (salience->needs & PARE_NEEDS_INPUTS) PARE_TRY(copy_inputs(w, place, salience, &s->inputs));
    if (salience->needs & PARE_NEEDS_OUTPUTS) PARE_TRY(copy_outputs(w, place, rows, &s->outputs));
    if (salience->needs & PARE_NEEDS_MOMENTS) PARE_TRY(copy_moments(place, &s->moments));
    return salience->needs & PARE_NEEDS_INVERSE ? copy_inverse(w, place, &s->inverse) : PARE_OK;
}

/* Uniform: a pure function of (seed, tensor, row, column). */
static pare_status score_at_random(const pare_weight_walk *w, size_t id, float *scores) {
    int64_t rows, columns;
    pare_tensor_matrix(w->l.model->tensors[id], &rows, &columns);
#pragma omp parallel for schedule(static)
    for (int64_t row = 0; row < rows; row++) {
        pare_random random = {.seed = w->job->seed, .stream = (uint64_t)id << 32 | (uint64_t)row};
        for (int64_t column = 0; column < columns; column++)
            scores[row * columns + column] = (float)pare_random_uniform(&random);
    }
    return PARE_OK;
}

pare_status pare_matrix_score(pare_weight_walk *w, const pare_matrix_place *place, const pare_salience *salience,
                              const float *weights, float *scores) {
    size_t id = place->id;
    if (!salience) return score_at_random(w, id, scores);
    pare_salience_constants constants = w->recipe->constants;
    constants.seed = w->job->seed;
    signals s = {0};
    pare_salience_matrix matrix = {.weight = weights,
                                   .gradient = gradient_of(w, place),
                                   .tensor = id,
                                   .name = w->l.model->tensors[id]->name,
                                   .layer = (int32_t)place->layer,
                                   .constants = &constants};
    pare_tensor_matrix(w->l.model->tensors[id], &matrix.rows, &matrix.columns);
    pare_status status = gather(w, place, salience, matrix.rows, &s);
    matrix.inputs = s.inputs;
    matrix.outputs = s.outputs;
    matrix.inverse = s.inverse;
    matrix.mean = s.moments;
    matrix.variance = s.moments ? s.moments + matrix.columns : NULL;
    if (status == PARE_OK) status = pare_salience_scores(salience, &matrix, squares_of(w, place), scores);
    pare_free(s.inputs);
    pare_free(s.outputs);
    pare_free(s.inverse);
    pare_free(s.moments);
    return status;
}
