#include "calibrate/regional.h"
#include "calibrate/input_moments_internal.h"
#include "model/block_linear.h"
#include "support/memory.h"
#include "support/vectorize.h"

#include <math.h>
#include <string.h>

/* Rows of dW in flight: few enough to stay in a large cache until the sink has read them. */
enum { CHUNK = 4 << 20 };

/* At least one row of any matrix, at most the largest. */
static int64_t chunk_elements(const pare_model *model) {
    int64_t longest = 1, largest = 1;
    for (uint32_t layer = 0; layer < model->config.layers; layer++)
        for (int role = 0; role < PARE_MATRIX_ROLES; role++) {
            int64_t rows, columns;
            pare_tensor_matrix(model->tensors[pare_tensor_id(layer, (pare_role)role)], &rows, &columns);
            longest = columns > longest ? columns : longest;
            largest = rows * columns > largest ? rows * columns : largest;
        }
    int64_t most = largest < CHUNK ? largest : CHUNK;
    return longest > most ? longest : most;
}

uint64_t pare_regional_room_bytes(const pare_model *model, const pare_backend *backend, int64_t length) {
    const pare_config *config = &model->config;
    return pare_activations_bytes(backend, config, length, true) +
           pare_attention_workspace_bytes(backend, config, 1, length, true) +
           (uint64_t)length * (2 * (uint64_t)config->hidden * sizeof(float) + sizeof(double)) +
           (uint64_t)chunk_elements(model) * sizeof(float);
}

pare_status pare_regional_room_new(const pare_model *model, const pare_backend *backend, int64_t length,
                                   pare_regional_room *out) {
    size_t values = (size_t)length * model->config.hidden;
    *out =
        (pare_regional_room){.length = length, .hidden = model->config.hidden, .chunk_elements = chunk_elements(model)};
    pare_status status = pare_activations_new(backend, &model->config, length, true, &out->activations);
    if (status == PARE_OK) status = pare_alloc_uninitialized(&out->x, values, sizeof(float), "block input");
    if (status == PARE_OK) status = pare_alloc_uninitialized(&out->output, values, sizeof(float), "block output");
    if (status == PARE_OK) status = pare_alloc(&out->squares, (size_t)length, sizeof(double), "block output");
    if (status == PARE_OK)
        status = pare_alloc_uninitialized(&out->chunk, (size_t)out->chunk_elements, sizeof(float), "weight gradients");
    if (status != PARE_OK) pare_regional_room_free(out);
    return status;
}

void pare_regional_room_free(pare_regional_room *room) {
    pare_activations_free(&room->activations);
    pare_free(room->x);
    pare_free(room->output);
    pare_free(room->squares);
    pare_free(room->chunk);
    *room = (pare_regional_room){0};
}

pare_block pare_regional_block(const pare_block *block, pare_regional_room *room) {
    pare_block own = *block;
    own.batch = 1;
    own.length = room->length;
    own.activations = &room->activations;
    own.observer = NULL;
    return own;
}

double pare_regional_energy(const pare_regional_room *room, const float *values) {
    /* A token's values lie side by side, as a feature's do in values by feature. */
    pare_moment_values tokens = {.x = values,
                                 .dtype = PARE_DTYPE_F32,
                                 .by_feature = true,
                                 .tokens = room->hidden,
                                 .width = room->length,
                                 .length = room->hidden};
    memset(room->squares, 0, (size_t)room->length * sizeof *room->squares);
    pare_moments_add(&tokens, &(pare_moment_sums){.squares = room->squares});
    double energy = 0.0;
    for (int64_t t = 0; t < room->length; t++)
        energy += room->squares[t];
    return energy;
}

void pare_regional_scale(const pare_regional_room *room, float factor, float *values) {
#pragma omp parallel for schedule(static) if (room->length * room->hidden > 65536)
    for (int64_t i = 0; i < room->length * room->hidden; i++)
        values[i] *= factor;
}

pare_status pare_regional_backward(const pare_block *block, pare_regional_room *room, const pare_gradient_sink *sink) {
    pare_block_gradients gradients = {.sink = sink,
                                      .chunk = room->chunk,
                                      .chunk_elements = room->chunk_elements,
                                      .sequences = 1,
                                      .first = true,
                                      .last = true};
    return pare_block_backward(block, &gradients, room->x, room->output, false);
}

pare_status pare_regional_check(const pare_block *block, int64_t sequence, double value) {
    if (isfinite(value)) return PARE_OK;
    return pare_fail(PARE_NUMERIC_ERROR,
                     "block %u puts out NaN or infinity for calibration sequence %lld; its weights or its inputs are "
                     "not finite, or too large for this --compute",
                     block->layer, (long long)sequence);
}

typedef struct gathering {
    uint32_t layer;
    float *const *gradient;
} gathering;

static bool wants(void *context, size_t id) {
    const gathering *g = context;
    size_t role = id - pare_tensor_id(g->layer, PARE_ROLE_Q);
    return role < PARE_MATRIX_ROLES && g->gradient[role];
}

PARE_VECTORIZE static void add_squares(const float *restrict x, int64_t n, float *restrict sum) {
    for (int64_t i = 0; i < n; i++)
        sum[i] += x[i] * x[i];
}

static pare_status square_rows(void *context, size_t id, int64_t first, int64_t rows, int64_t columns,
                               const float *gradient, const float *samples) {
    const gathering *g = context;
    float *sum = g->gradient[id - pare_tensor_id(g->layer, PARE_ROLE_Q)] + first * columns;
    (void)samples;
#pragma omp parallel for schedule(static) if (rows * columns > 65536)
    for (int64_t row = 0; row < rows; row++)
        add_squares(gradient + row * columns, columns, sum + row * columns);
    return PARE_OK;
}

static pare_status add_sequence(const pare_block *block, const pare_regional_inputs *inputs, int64_t sequence,
                                pare_regional_room *room, const pare_gradient_sink *sink) {
    PARE_TRY(pare_interrupted());
    PARE_TRY(inputs->load(inputs->context, sequence, room->x));
    PARE_TRY(pare_block_forward(block, room->x, room->output));
    double norm = sqrt(pare_regional_energy(room, room->output));
    PARE_TRY(pare_regional_check(block, sequence, norm));
    float factor = (float)(1.0 / norm);
    if (!(norm > 0.0) || isinf(factor)) return PARE_OK; /* too small to have a direction in floats */
    pare_regional_scale(room, factor, room->output);
    return pare_regional_backward(block, room, sink);
}

PARE_VECTORIZE static void root_of_mean(float *sum, int64_t n, float count) {
    for (int64_t i = 0; i < n; i++)
        sum[i] = sqrtf(sum[i] / count);
}

pare_status pare_regional_gradient_add(const pare_block *block, const pare_regional_inputs *inputs,
                                       pare_regional_room *room, float *const gradient[PARE_MATRIX_ROLES]) {
    pare_block own = pare_regional_block(block, room);
    gathering g = {.layer = block->layer, .gradient = gradient};
    pare_gradient_sink sink = {.wants = wants, .rows = square_rows, .context = &g};
    if (inputs->length != room->length)
        return pare_fail(PARE_BAD_ARGUMENT, "sequences of %lld tokens do not fit a room made for %lld",
                         (long long)inputs->length, (long long)room->length);
    for (int64_t n = 0; n < inputs->sequences; n++)
        PARE_TRY(add_sequence(&own, inputs, n, room, &sink));
    return PARE_OK;
}

void pare_regional_gradient_finish(const pare_block *block, int64_t sequences,
                                   float *const gradient[PARE_MATRIX_ROLES]) {
    int64_t rows, columns;
    for (int role = 0; role < PARE_MATRIX_ROLES; role++) {
        pare_linear_shape(block, (pare_role)role, &rows, &columns);
        if (gradient[role] && sequences) root_of_mean(gradient[role], rows * columns, (float)sequences);
    }
}

pare_status pare_regional_gradient(const pare_block *block, const pare_regional_inputs *inputs,
                                   pare_regional_room *room, float *const gradient[PARE_MATRIX_ROLES]) {
    int64_t rows, columns;
    for (int role = 0; role < PARE_MATRIX_ROLES; role++) {
        pare_linear_shape(block, (pare_role)role, &rows, &columns);
        if (gradient[role]) memset(gradient[role], 0, (size_t)(rows * columns) * sizeof *gradient[role]);
    }
    PARE_TRY(pare_regional_gradient_add(block, inputs, room, gradient));
    pare_regional_gradient_finish(block, inputs->sequences, gradient);
    return PARE_OK;
}
