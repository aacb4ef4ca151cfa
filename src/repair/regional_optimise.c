#include "repair/regional_optimise.h"
#include "model/block_linear.h"
#include "support/memory.h"
#include "support/random.h"
#include "support/vectorize.h"

#include <math.h>

typedef struct optimiser {
    const pare_regional_optimise *request;
    float *const *weights;
    pare_element_mask *masks;
    float *velocity[PARE_MATRIX_ROLES]; /* v: float [out, in] */
    void *operands[PARE_MATRIX_ROLES];  /* the weights under their masks */
    float *target;                      /* [length, d] */
    int64_t *order;                     /* [sequences] those of the round come first */
    pare_block dense, pruned;           /* in the room */
} optimiser;

uint64_t pare_regional_optimise_bytes(const pare_model *model, const pare_backend *backend, int64_t length) {
    uint64_t most = 0;
    for (uint32_t layer = 0; layer < model->config.layers; layer++) {
        uint64_t elements = 0;
        for (int role = 0; role < PARE_MATRIX_ROLES; role++)
            elements += model->tensors[pare_tensor_id(layer, (pare_role)role)]->count;
        most = elements > most ? elements : most;
    }
    return most * (sizeof(float) + pare_operand_size(backend)) +
           (uint64_t)length * model->config.hidden * sizeof(float);
}

static pare_status allocate(optimiser *o) {
    const pare_regional_optimise *r = o->request;
    size_t values = (size_t)(r->room->length * r->room->hidden), operand = pare_operand_size(r->dense->backend);
    PARE_TRY(pare_alloc_uninitialized(&o->target, values, sizeof *o->target, "dense outputs"));
    PARE_TRY(pare_alloc(&o->order, (size_t)r->inputs->sequences, sizeof *o->order, "sequences"));
    for (int role = 0; role < PARE_MATRIX_ROLES; role++) {
        int64_t rows, columns;
        if (!o->weights[role]) continue;
        pare_linear_shape(&o->dense, (pare_role)role, &rows, &columns);
        PARE_TRY(pare_alloc(&o->velocity[role], (size_t)(rows * columns), sizeof(float), "squared gradients"));
        PARE_TRY(pare_alloc_uninitialized(&o->operands[role], (size_t)(rows * columns), operand, "pruned weights"));
    }
    return PARE_OK;
}

static void release(optimiser *o) {
    for (int role = 0; role < PARE_MATRIX_ROLES; role++) {
        pare_free(o->velocity[role]);
        pare_free(o->operands[role]);
    }
    pare_free(o->target);
    pare_free(o->order);
}

/* The first `samples` of `order`: drawn without repetition. */
static void draw(optimiser *o, int32_t round) {
    const pare_regional_optimise *r = o->request;
    pare_random random = {.seed = r->seed, .stream = (uint64_t)r->dense->layer << 32 | (uint32_t)round};
    for (int64_t i = 0; i < r->inputs->sequences; i++)
        o->order[i] = i;
    for (int64_t i = 0; i < r->samples; i++) {
        int64_t j = i + (int64_t)pare_random_below(&random, (uint64_t)(r->inputs->sequences - i)), taken = o->order[j];
        o->order[j] = o->order[i];
        o->order[i] = taken;
    }
}

/* One row of weights under its mask, as operands. */
static void compose_row(const pare_element_mask *mask, int64_t row, const float *weights, pare_dtype dtype, char *out) {
    enum { WORD = 64 };
    for (int64_t first = 0; first < mask->columns; first += WORD) {
        int64_t n = mask->columns - first < WORD ? mask->columns - first : WORD;
        uint64_t word = mask->word[row * mask->stride + first / WORD];
        float piece[WORD];
        for (int64_t i = 0; i < n; i++)
            piece[i] = word >> i & 1 ? weights[first + i] : 0.0f;
        pare_from_float(out + (size_t)first * pare_dtype_size(dtype), dtype, piece, (size_t)n);
    }
}

/* The pruned block's operands from the weights as they are now. */
static void compose(optimiser *o) {
    pare_dtype dtype = o->dense.backend->operand;
    for (int role = 0; role < PARE_MATRIX_ROLES; role++) {
        if (!o->weights[role]) continue;
        const pare_element_mask *mask = &o->masks[role];
        size_t row_bytes = (size_t)mask->columns * pare_dtype_size(dtype);
#pragma omp parallel for schedule(static) if (mask->rows * mask->columns > 65536)
        for (int64_t row = 0; row < mask->rows; row++)
            compose_row(mask, row, o->weights[role] + row * mask->columns, dtype,
                        (char *)o->operands[role] + (size_t)row * row_bytes);
        o->pruned.weights.matrix[role] = o->operands[role];
    }
}

static bool wants(void *context, size_t id) {
    const optimiser *o = context;
    size_t role = id - pare_tensor_id(o->dense.layer, PARE_ROLE_Q);
    return role < PARE_MATRIX_ROLES && o->weights[role];
}

PARE_VECTORIZE static void step_row(const pare_regional_optimise *r, const float *restrict g, int64_t n,
                                    float *restrict v, float *restrict w) {
    float rate = (float)r->rate, decay = (float)r->decay, fresh = (float)(1.0 - r->decay), epsilon = (float)r->epsilon;
    for (int64_t i = 0; i < n; i++) {
        v[i] = decay * v[i] + fresh * g[i] * g[i];
        w[i] -= rate * g[i] / (sqrtf(v[i]) + epsilon);
    }
}

/* The operands, which the backward still reads, stay as they are until it is over. */
static pare_status step_rows(void *context, size_t id, int64_t first, int64_t rows, int64_t columns,
                             const float *gradient, const float *samples) {
    optimiser *o = context;
    size_t role = id - pare_tensor_id(o->dense.layer, PARE_ROLE_Q);
    float *v = o->velocity[role] + first * columns, *w = o->weights[role] + first * columns;
    (void)samples;
#pragma omp parallel for schedule(static) if (rows * columns > 65536)
    for (int64_t row = 0; row < rows; row++)
        step_row(o->request, gradient + row * columns, columns, v + row * columns, w + row * columns);
    return PARE_OK;
}

static void subtract(float *restrict values, const float *restrict from, int64_t n) {
#pragma omp parallel for schedule(static) if (n > 65536)
    for (int64_t i = 0; i < n; i++)
        values[i] -= from[i];
}

/* One step; *error: ||f - f0||^2 before it. */
static pare_status step(optimiser *o, int64_t sequence, double *error) {
    const pare_regional_optimise *r = o->request;
    pare_regional_room *room = r->room;
    pare_gradient_sink sink = {.wants = wants, .rows = step_rows, .context = o};
    PARE_TRY(pare_interrupted());
    PARE_TRY(r->inputs->load(r->inputs->context, sequence, room->x));
    PARE_TRY(pare_block_forward(&o->dense, room->x, o->target));
    PARE_TRY(pare_block_forward(&o->pruned, room->x, room->output));
    subtract(room->output, o->target, room->length * room->hidden);
    *error = pare_regional_energy(room, room->output);
    PARE_TRY(pare_regional_check(&o->pruned, sequence, *error));
    pare_regional_scale(room, 2.0f, room->output);
    PARE_TRY(pare_regional_backward(&o->pruned, room, &sink));
    compose(o);
    return PARE_OK;
}

static pare_status run_round(optimiser *o, int32_t index, double *error) {
    const pare_regional_optimise *r = o->request;
    draw(o, index);
    pare_regional_round round = {.round = index, .drawn = o->order, .block = &o->pruned};
    PARE_TRY(r->prune(r->context, &round, o->weights, o->masks));
    for (int role = 0; role < PARE_MATRIX_ROLES && !r->revive; role++)
        if (o->weights[role]) pare_element_mask_apply(&o->masks[role], o->weights[role]);
    compose(o);
    double sum = 0.0;
    for (int64_t i = 0; i < r->samples; i++) {
        double one;
        PARE_TRY(step(o, o->order[i], &one));
        sum += one;
    }
    if (error) *error = sum / (double)r->samples;
    return PARE_OK;
}

pare_status pare_regional_optimise_run(const pare_regional_optimise *request, float *const weights[PARE_MATRIX_ROLES],
                                       pare_element_mask masks[PARE_MATRIX_ROLES], double *errors) {
    const pare_regional_inputs *inputs = request->inputs;
    if (request->samples < 1 || request->samples > inputs->sequences)
        return pare_fail(PARE_BAD_ARGUMENT, "%lld of %lld calibration sequences cannot be drawn; choose 1 to %lld",
                         (long long)request->samples, (long long)inputs->sequences, (long long)inputs->sequences);
    if (inputs->length != request->room->length)
        return pare_fail(PARE_BAD_ARGUMENT, "sequences of %lld tokens do not fit a room made for %lld",
                         (long long)inputs->length, (long long)request->room->length);
    optimiser o = {.request = request, .weights = weights, .masks = masks};
    o.dense = o.pruned = pare_regional_block(request->dense, request->room);
    pare_status status = allocate(&o);
    for (int32_t round = 0; round < request->rounds && status == PARE_OK; round++)
        status = run_round(&o, round, errors ? &errors[round] : NULL);
    release(&o);
    return status;
}
