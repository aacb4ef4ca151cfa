/* All weights are trained: the array holds the weights themselves in fp32, which is what the pass then takes for the
 * stored ones, so that weight decay shrinks weights and not what they have moved. */
#include "model/expert_tensors.h"
#include "support/memory.h"
#include "support/random.h"
#include "support/vectorize.h"
#include "train/trained_internal.h"

#include <math.h>

/* Draws of normal numbers that nothing else makes. */
#define FRESH_DRAW ((uint64_t)0x66726573 << 32)
static const float FRESH_DEVIATION = 0.02f;

typedef struct full {
    pare_trained trained; /* first: a pare_trained is one of these */
    float **weights;      /* [tensor_count] in trained.value; NULL: not trained */
    bool keep_zeros;
    pare_gradient_sink sink;
} full;

/* What chooses among experts beside their scores has no gradient: it stays. */
static bool is_trained(const pare_model *model, size_t id) {
    pare_expert_place place;
    bool chooses = pare_tensor_id_split_expert(model, id, &place) && place.what == PARE_EXPERT_CORRECTION;
    return model->tensors[id]->count > 0 && !chooses;
}

static bool wants(void *context, size_t id) {
    return is_trained(((const full *)context)->trained.model, id);
}

PARE_VECTORIZE static void add(float *restrict sum, const float *restrict part, int64_t n) {
    for (int64_t i = 0; i < n; i++)
        sum[i] += part[i];
}

static pare_status take_rows(void *context, size_t id, int64_t first, int64_t rows, int64_t columns,
                             const float *gradient, const float *samples) {
    full *f = context;
    float *sum = f->trained.gradient + (f->weights[id] - f->trained.value) + first * columns;
    (void)samples;
#pragma omp parallel for schedule(static) if (rows * columns > 8192)
    for (int64_t row = 0; row < rows; row++)
        add(sum + row * columns, gradient + row * columns, columns);
    if (f->keep_zeros) pare_clear_zeros(f->trained.model->tensors[id], first * columns, rows * columns, sum);
    return PARE_OK;
}

static pare_status refresh(pare_trained *trained) {
    (void)trained;
    return PARE_OK;
}

static pare_status merged(const pare_trained *trained, size_t id, int64_t first, int64_t rows, float *out) {
    pare_source_rows(&trained->source, id, first, rows, out);
    return PARE_OK;
}

static bool changes(const pare_trained *trained, size_t id) {
    return is_trained(trained->model, id);
}

enum { PIECE = 1024 };

static void round_piece(const pare_tensor *tensor, size_t count, float *values) {
    float stored[PIECE]; /* as wide as the widest dtype */
    pare_from_float(stored, tensor->dtype, values, count);
    pare_to_float(values, stored, tensor->dtype, count);
}

static void round_weights(pare_trained *trained) {
    const full *f = (const full *)trained;
    for (size_t id = 0; id < trained->model->tensor_count; id++) {
        const pare_tensor *tensor = trained->model->tensors[id];
        for (size_t first = 0; f->weights[id] && first < tensor->count; first += PIECE)
            round_piece(tensor, tensor->count - first < PIECE ? tensor->count - first : PIECE, f->weights[id] + first);
    }
}

static void free_full(pare_trained *trained) {
    pare_trained_release(trained);
    pare_free(((full *)trained)->weights);
    pare_free(trained);
}

/* Standard deviation of a fresh matrix: O and down add to the residual stream, once each in every layer. */
static float deviation_of(const pare_model *model, size_t id) {
    uint32_t layer;
    pare_role role;
    pare_expert_place place;
    bool adds = pare_tensor_id_split(model, id, &layer, &role) && pare_role_writes(role);
    if (pare_tensor_id_split_expert(model, id, &place))
        adds = place.what == PARE_EXPERT_OWN && place.part == PARE_EXPERT_DOWN;
    return adds ? FRESH_DEVIATION / sqrtf(2.0f * (float)model->config.layers) : FRESH_DEVIATION;
}

/* Fresh vectors: norms change nothing, and biases add nothing. */
static float vector_of(const pare_model *model, size_t id) {
    static const pare_end biases[] = {PARE_END_EMBEDDING_NORM_BIAS, PARE_END_FINAL_NORM_BIAS, PARE_END_HEAD_BIAS,
                                      PARE_END_PROJECT_IN_BIAS};
    uint32_t layer;
    pare_role role;
    bool bias = pare_tensor_id_split(model, id, &layer, &role) && pare_role_is_bias(role);
    for (size_t i = 0; i < sizeof biases / sizeof *biases; i++)
        bias = bias || id == pare_tensor_id_end(model, biases[i]);
    return bias || model->config.architecture.norm_unit ? 0.0f : 1.0f;
}

static void draw(const pare_model *model, size_t id, uint64_t seed, float *out) {
    const pare_tensor *tensor = model->tensors[id];
    bool token = id == pare_tensor_id_end(model, PARE_END_CLASS_TOKEN) ||
                 id == pare_tensor_id_end(model, PARE_END_DISTILLATION_TOKEN);
    bool matrix = tensor->rank == 2 || token;
    float deviation = deviation_of(model, id), vector = vector_of(model, id);
    if (matrix) pare_normal_fill(out, seed, FRESH_DRAW, id, 0, tensor->count);
    for (uint64_t i = 0; i < tensor->count; i++)
        out[i] = matrix ? out[i] * deviation : vector;
}

static void begin(const full *f, const pare_full_options *options) {
    const pare_model *model = f->trained.model;
    for (size_t id = 0; id < model->tensor_count; id++) {
        const pare_tensor *tensor = model->tensors[id];
        if (!f->weights[id]) continue;
        if (!options->fresh) {
            pare_tensor_values(tensor, 0, tensor->count, f->weights[id]);
            continue;
        }
        draw(model, id, options->seed, f->weights[id]);
        if (options->keep_zeros) pare_clear_zeros(tensor, 0, (int64_t)tensor->count, f->weights[id]);
    }
}

static pare_status allocate(full *f) {
    pare_trained *trained = &f->trained;
    const pare_model *model = trained->model;
    for (size_t id = 0; id < model->tensor_count; id++)
        trained->count += is_trained(model, id) ? model->tensors[id]->count : 0;
    PARE_TRY(pare_trained_allocate(trained));
    PARE_TRY(pare_alloc(&f->weights, model->tensor_count, sizeof *f->weights, "the list of weights"));
    float *next = trained->value;
    for (size_t id = 0; id < model->tensor_count; id++) {
        if (!is_trained(model, id)) continue;
        f->weights[id] = next;
        next += model->tensors[id]->count;
    }
    return PARE_OK;
}

pare_status pare_trained_full(const pare_model *model, const pare_backend *backend, const pare_full_options *options,
                              pare_trained **out) {
    full *f;
    *out = NULL;
    PARE_TRY(pare_alloc(&f, 1, sizeof *f, "training of all weights"));
    f->keep_zeros = options->keep_zeros;
    f->sink = (pare_gradient_sink){.wants = wants, .rows = take_rows, .context = f};
    f->trained = (pare_trained){.model = model,
                                .backend = backend,
                                .kind = "full",
                                .sink = &f->sink,
                                .refresh = refresh,
                                .merged = merged,
                                .changes = changes,
                                .round = round_weights,
                                .free = free_full};
    pare_status status = allocate(f);
    f->trained.source = (pare_source){.model = model, .backend = backend, .stored = f->weights};
    if (status == PARE_OK) {
        begin(f, options);
        *out = &f->trained;
    } else {
        free_full(&f->trained);
    }
    return status;
}

uint64_t pare_trained_full_bytes(const pare_model *model) {
    return pare_model_parameters(model) * 2 * sizeof(float) + model->tensor_count * sizeof(float *);
}
