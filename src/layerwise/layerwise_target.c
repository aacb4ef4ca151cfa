/* What a pruned matrix is to come close to: its own dense weights, or partly what the dense model computes at its place
 * from its own inputs, which the pruned blocks before have lost. With p the input in the pruned model:
 *
 *   Q, K, V, gate, up   W* = W + a W (C - G) (G + lambda)^-1,   C = sum q p^T, q: the dense model's normed state
 *   O, Down             W* = W + a R (G + lambda)^-1,           R = sum r p^T, r: hidden state of the dense model
 * behind the stage - what the pruned one makes with W
 *
 * After that the error is measured as ever: tr((W' - W*) G (W' - W*)^T). */
#include "layerwise/layerwise_internal.h"
#include "model/block_linear.h"
#include "repair/least_squares.h"
#include "support/memory.h"

#include <cblas.h>
#include <math.h>
#include <string.h>

bool pare_layerwise_has_target(const pare_layerwise_job *job) {
    return job->recipe->dense > 0.0;
}

static int64_t widest_input(const pare_model *model) {
    int64_t widest = model->config.hidden;
    for (uint32_t layer = 0; layer < model->config.layers; layer++)
        for (int kind = 0; kind < PARE_INPUT_KINDS; kind++) {
            int64_t width = pare_input_width(model, layer, (pare_input_kind)kind);
            widest = width > widest ? width : widest;
        }
    return widest;
}

/* The stream itself is counted with the other one. */
uint64_t pare_layerwise_target_bytes(const pare_layerwise_job *job, int64_t micro_batch) {
    const pare_model *model = job->source->model;
    uint64_t d = model->config.hidden, widest = (uint64_t)widest_input(model);
    uint64_t states = (uint64_t)(micro_batch * job->length) * d;
    if (!pare_layerwise_has_target(job)) return 0;
    return states * (3 * sizeof(float) + pare_operand_size(job->source->backend)) +
           (d * widest + d * d) * sizeof(float) + pare_least_squares_bytes((int64_t)d, (int64_t)widest);
}

pare_status pare_layerwise_target_new(pare_layerwise *l, const char *scratch) {
    size_t d = (size_t)l->hidden, states = (size_t)(l->micro_batch * l->job->length) * d;
    if (!pare_layerwise_has_target(l->job)) return PARE_OK;
    l->two = true;
    PARE_TRY(pare_stream_new(l->tokens, l->hidden, l->stream.dtype, scratch, &l->dense_stream));
    if (l->stream.dtype != PARE_DTYPE_F32)
        PARE_TRY(pare_alloc_uninitialized(&l->dense_states, states, sizeof(float), "hidden states"));
    PARE_TRY(pare_alloc_uninitialized(&l->reference, states, pare_operand_size(l->backend), "targets"));
    PARE_TRY(pare_alloc_uninitialized(&l->difference, states, sizeof(float), "targets"));
    PARE_TRY(pare_alloc_uninitialized(&l->map, d * d, sizeof(float), "targets"));
    return pare_alloc_uninitialized(&l->cross, d * (size_t)widest_input(l->model), sizeof(float), "targets");
}

void pare_layerwise_target_free(pare_layerwise *l) {
    void *all[] = {l->dense_states, l->reference, l->difference, l->map, l->cross};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        pare_free(all[i]);
    pare_stream_free(&l->dense_stream);
}

static pare_input_kind watched_kind(const pare_layerwise *l) {
    return (pare_input_kind)__builtin_ctz(l->watched);
}

/* l->reference <- the dense model's normed hidden state; then the pruned one's goes where inputs are. */
static pare_status look_at_states(pare_layerwise *l, float *dense, float *pruned, int64_t tokens) {
    bool attention = watched_kind(l) == PARE_INPUT_QKV;
    const pare_activations *a = l->block.activations;
    const void *normed = attention ? a->normed1 : a->normed2;
    pare_status (*input)(const pare_block *, const float *) =
        attention ? pare_block_attention_input : pare_block_ffn_input;
    PARE_TRY(input(&l->dense_block, dense));
    memcpy(l->reference, normed, (size_t)(tokens * l->hidden) * pare_operand_size(l->backend));
    return input(&l->block, pruned);
}

/* The dense stream leaves the stage; l->reference <- what the pruned one lacks there with dense weights. */
static pare_status look_at_outputs(pare_layerwise *l, float *dense, float *pruned, int64_t tokens) {
    int64_t count = tokens * l->hidden;
    if (watched_kind(l) == PARE_INPUT_O) {
        PARE_TRY(pare_block_attend(&l->dense_block, dense));
        PARE_TRY(pare_block_attention_output(&l->dense_block, dense, dense));
        PARE_TRY(pare_block_attend(&l->block, pruned));
        PARE_TRY(pare_block_attention_output(&l->block, pruned, l->difference));
    } else {
        PARE_TRY(pare_block_activate(&l->dense_block, dense));
        PARE_TRY(pare_block_ffn_output(&l->dense_block, dense, dense));
        PARE_TRY(pare_block_activate(&l->block, pruned));
        PARE_TRY(pare_block_ffn_output(&l->block, pruned, l->difference));
    }
#pragma omp parallel for schedule(static) if (count > 65536)
    for (int64_t i = 0; i < count; i++)
        l->difference[i] = dense[i] - l->difference[i];
    l->backend->operations->to_operand(l->backend, l->difference, count, l->reference);
    return PARE_OK;
}

static pare_inputs inputs_of(const pare_layerwise *l, int64_t tokens) {
    const pare_activations *a = l->block.activations;
    switch (watched_kind(l)) {
    case PARE_INPUT_QKV:
        return (pare_inputs){a->normed1, tokens, l->hidden, false};
    case PARE_INPUT_O:
        return (pare_inputs){a->merged, tokens, (int64_t)l->block.widths.heads * l->block.head, false};
    case PARE_INPUT_GATE_UP:
        return (pare_inputs){a->normed2, tokens, l->hidden, false};
    default:
        return (pare_inputs){a->activated, tokens, l->block.widths.ffn, pare_linear_ffn_by_feature(tokens)};
    }
}

static pare_status look(pare_layerwise *l, int64_t first, int64_t tokens, void *context) {
    pare_input_kind kind = watched_kind(l);
    bool outputs = kind == PARE_INPUT_O || kind == PARE_INPUT_DOWN;
    float *dense = pare_stream_load(&l->dense_stream, first, tokens, l->dense_states);
    float *pruned = pare_stream_load(&l->stream, first, tokens, l->states);
    PARE_TRY(outputs ? look_at_outputs(l, dense, pruned, tokens) : look_at_states(l, dense, pruned, tokens));
    if (outputs) pare_stream_store(&l->dense_stream, first, tokens, dense);
    (void)context;
    if (!l->apart) return PARE_OK;
    pare_inputs inputs = inputs_of(l, tokens);
    return pare_cross_add(l->backend, &inputs, l->reference, l->hidden, first == 0, l->cross);
}

pare_status pare_layerwise_observe_both(pare_layerwise *l) {
    return pare_layerwise_batches(l, look, NULL);
}

/* l->map <- I + a (C - G) (G + lambda)^-1 */
static pare_status fit_map(pare_layerwise *l, uint32_t layer, pare_input_kind kind) {
    const float *gram = l->statistics[kind].gram;
    float share = (float)l->job->recipe->dense;
    int64_t d = l->hidden;
    char name[96];
    pare_fit fit;
    for (int64_t i = 0; i < d * d; i++)
        l->cross[i] = share * (l->cross[i] - gram[i]);
    memset(l->map, 0, (size_t)(d * d) * sizeof *l->map);
    for (int64_t i = 0; i < d; i++)
        l->map[i * (d + 1)] = 1.0f;
    pare_least_squares problem = {.rows = d,
                                  .columns = {.gram = gram,
                                              .width = d,
                                              .damping = l->job->recipe->reader_damping,
                                              .what = pare_input_name(layer, kind, name, sizeof name)},
                                  .cross = l->cross};
    return pare_least_squares_solve(&problem, l->map, &fit);
}

pare_status pare_layerwise_set_target(pare_layerwise *l, uint32_t layer, unsigned kinds) {
    pare_input_kind kind = (pare_input_kind)__builtin_ctz(kinds);
    bool states = kind == PARE_INPUT_QKV || kind == PARE_INPUT_GATE_UP;
    return l->apart && states ? fit_map(l, layer, kind) : PARE_OK;
}

static void apply_map(pare_layerwise *l, int64_t rows, float *weights) {
    int d = (int)l->hidden;
    pare_blas_threads();
    cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, (int)rows, d, d, 1.0f, weights, d, l->map, d, 0.0f,
                l->scores, d);
    memcpy(weights, l->scores, (size_t)(rows * d) * sizeof *weights);
}

static pare_status correct(pare_layerwise *l, uint32_t layer, pare_role role, float *weights) {
    pare_input_kind kind = pare_input_of(role);
    int64_t width = pare_input_width(l->model, layer, kind), count = l->hidden * width;
    float share = (float)l->job->recipe->dense;
    char name[96];
    pare_fit fit;
    for (int64_t i = 0; i < count; i++)
        l->cross[i] *= share;
    pare_least_squares problem = {.rows = l->hidden,
                                  .columns = {.gram = l->statistics[kind].gram,
                                              .width = width,
                                              .damping = l->job->recipe->reader_damping,
                                              .what = pare_input_name(layer, kind, name, sizeof name)},
                                  .cross = l->cross};
    return pare_least_squares_solve(&problem, weights, &fit);
}

pare_status pare_layerwise_target(pare_layerwise *l, uint32_t layer, pare_role role, float *weights) {
    int64_t rows, columns;
    if (!l->two || !l->apart) return PARE_OK;
    if (role == PARE_ROLE_O || role == PARE_ROLE_DOWN) return correct(l, layer, role, weights);
    pare_tensor_matrix(l->model->tensors[pare_tensor_id(layer, role)], &rows, &columns);
    apply_map(l, rows, weights);
    return PARE_OK;
}
