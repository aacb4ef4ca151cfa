#include "layerwise/expert_fit.h"
#include "layerwise/experts.h"
#include "model/block_experts.h"
#include "model/expert_tensors.h"
#include "repair/dot.h"
#include "support/memory.h"
#include "support/vectorize.h"

#include <stdio.h>
#include <string.h>

/* What is added to the stream is the sum of the experts' outputs times this. */
static float residual_scale(const pare_expert_fit *w) {
    double scale = w->l->model->config.architecture.residual_scale;
    return scale > 0.0 ? (float)scale : 1.0f;
}

PARE_VECTORIZE static void mix(float *restrict to, const float *restrict add, float share, int64_t n) {
    for (int64_t i = 0; i < n; i++)
        to[i] += share * add[i];
}

/* r of a micro-batch, and the dense stream out of the layer. */
static pare_status set_residual(pare_layerwise *l, int64_t first, int64_t tokens, void *context) {
    pare_expert_fit *w = context;
    float share = (float)w->dense, *dense = pare_layer_load(&l->dense, first, tokens);
    const float *states = pare_layer_load(&l->pruned, first, tokens);
    float *r = pare_stream_load(&w->residual, first, tokens, NULL);
    int64_t n = tokens * l->hidden;
    memset(r, 0, (size_t)n * sizeof *r);
    if (!w->behind) {
        PARE_TRY(pare_block_activate(&l->dense_block, dense));
        PARE_TRY(pare_block_ffn_output(&l->dense_block, dense, dense));
        pare_stream_store(&l->dense.now, first, tokens, dense);
    }
    mix(r, dense, share, n);
    if (share < 1.0f) {
        PARE_TRY(pare_block_activate(&l->dense_block, states));
        PARE_TRY(pare_block_ffn_output(&l->dense_block, states, w->room));
        mix(r, w->room, 1.0f - share, n);
    }
    PARE_TRY(pare_block_activate(&l->block, states));
    PARE_TRY(pare_block_ffn_output(&l->block, states, w->room));
    mix(r, w->room, -1.0f, n);
    pare_stream_store(&w->residual, first, tokens, r);
    return PARE_OK;
}

static pare_status add_squares(pare_layerwise *l, int64_t first, int64_t tokens, void *context) {
    pare_expert_fit *w = context;
    const float *r = pare_stream_load(&w->residual, first, tokens, NULL);
    for (int64_t i = 0; i < tokens; i++)
        w->squares += pare_dot(r + i * l->hidden, r + i * l->hidden, l->hidden);
    return PARE_OK;
}

/* What the down projection of the expert in hand reads of a micro-batch, times its shares, into w->scaled. */
static pare_status scale_inputs(pare_expert_fit *w, int64_t first, int64_t tokens, pare_expert_hand *hand) {
    pare_layerwise *l = w->l;
    const pare_expert_room *room = &l->block.activations->experts;
    int64_t f = l->model->config.experts.width, chosen = room->routing.chosen;
    float scale = residual_scale(w);
    PARE_TRY(pare_block_ffn_input(&l->block, pare_layer_load(&l->pruned, first, tokens)));
    PARE_TRY(pare_block_route(&l->block));
    if (!pare_block_expert(&l->block, w->expert, hand)) return PARE_OK;
    PARE_TRY(pare_block_expert_activate(&l->block, hand));
    pare_to_float(w->wide, room->activated, l->backend->operand, (size_t)(hand->tokens * f));
    const float *r = pare_stream_load(&w->residual, first, tokens, NULL);
    for (int64_t i = 0; i < hand->tokens; i++) {
        float share = scale * pare_routing_output_share(&room->routing, hand->places[i]);
        for (int64_t j = 0; j < f; j++)
            w->wide[i * f + j] *= share;
        memcpy(w->room + i * l->hidden, r + hand->places[i] / chosen * l->hidden, (size_t)l->hidden * sizeof *r);
    }
    l->backend->operations->to_operand(l->backend, w->wide, hand->tokens * f, w->scaled);
    l->backend->operations->to_operand(l->backend, w->room, hand->tokens * l->hidden, w->left);
    return PARE_OK;
}

static pare_status gather(pare_layerwise *l, int64_t first, int64_t tokens, void *context) {
    pare_expert_fit *w = context;
    pare_expert_hand hand;
    PARE_TRY(scale_inputs(w, first, tokens, &hand));
    if (!hand.tokens) return PARE_OK;
    pare_inputs inputs = {.x = w->scaled, .tokens = hand.tokens, .width = l->model->config.experts.width};
    PARE_TRY(pare_gram_add(l->backend, &inputs, !w->seen, w->gram));
    PARE_TRY(pare_cross_add(l->backend, &inputs, w->left, l->hidden, !w->seen, w->cross));
    w->seen = true;
    w->reached += hand.tokens;
    return PARE_OK;
}

/* r without what the change of the expert in hand takes of it. */
static pare_status subtract(pare_layerwise *l, int64_t first, int64_t tokens, void *context) {
    pare_expert_fit *w = context;
    pare_expert_hand hand;
    PARE_TRY(scale_inputs(w, first, tokens, &hand));
    if (!hand.tokens) return PARE_OK;
    const pare_matmul shape = {
        .batch = 1, .m = hand.tokens, .n = l->hidden, .k = l->model->config.experts.width, .transpose_b = true};
    PARE_TRY(l->backend->operations->matmul(l->backend, &shape, w->scaled, w->change, w->room));
    float *r = pare_stream_load(&w->residual, first, tokens, NULL);
    int64_t chosen = l->block.activations->experts.routing.chosen;
    for (int64_t i = 0; i < hand.tokens; i++)
        mix(r + hand.places[i] / chosen * l->hidden, w->room + i * l->hidden, -1.0f, l->hidden);
    pare_stream_store(&w->residual, first, tokens, r);
    return PARE_OK;
}

static pare_status solve(pare_expert_fit *w, pare_damping *damping) {
    const pare_layerwise *l = w->l;
    int64_t f = l->model->config.experts.width, n = l->hidden * f;
    size_t id = pare_tensor_id_expert(&l->model->config, w->layer, w->expert, PARE_EXPERT_DOWN);
    char what[96];
    pare_fit fit;
    snprintf(what, sizeof what, "the inputs of the down projection of layer %u's expert %u", w->layer, w->expert);
    const pare_least_squares problem = {
        .rows = l->hidden,
        .columns =
            {.gram = w->gram, .width = f, .kept = w->kept, .count = w->kept_count, .damping = w->damping, .what = what},
        .cross = w->cross,
        .shared = true};
    pare_source_rows(l->block.source, id, 0, l->hidden, w->weights);
    memcpy(w->old, w->weights, (size_t)n * sizeof *w->old);
    PARE_TRY(pare_least_squares_solve(&problem, w->weights, &fit));
    PARE_TRY(w->put(w->context, id, w->weights));
    for (int64_t i = 0; i < n; i++)
        w->old[i] = w->weights[i] - w->old[i];
    l->backend->operations->to_operand(l->backend, w->old, n, w->change);
    *damping = fit.damping;
    return PARE_OK;
}

/* An expert that no token reaches stays as it is. */
static pare_status fit_expert(pare_expert_fit *w, pare_damping *damping) {
    int64_t f = w->l->model->config.experts.width;
    w->seen = false;
    w->reached = 0;
    PARE_TRY(pare_layerwise_sum_matrix(w->l, w->gram, f * f, &w->seen));
    PARE_TRY(pare_layerwise_sum_matrix(w->l, w->cross, w->l->hidden * f, &w->seen));
    PARE_TRY(
        pare_shard_sums_add(&w->l->sums, &(pare_shard_sum){.kind = PARE_SUM_COUNT, .values = &w->reached, .count = 1}));
    PARE_TRY(pare_layerwise_batches(w->l, gather, w));
    if (!w->reached) return PARE_OK;
    PARE_TRY(solve(w, damping));
    return pare_layerwise_batches(w->l, subtract, w);
}

static pare_status measure(pare_expert_fit *w, double *squares) {
    w->squares = 0.0;
    PARE_TRY(pare_shard_sums_add_double(&w->l->sums, &w->squares, 1));
    PARE_TRY(pare_layerwise_batches(w->l, add_squares, w));
    *squares = w->squares;
    return PARE_OK;
}

pare_status pare_expert_fit_layer(pare_expert_fit *w, uint32_t layer, const pare_kept *kept, pare_fit *out) {
    w->layer = layer;
    PARE_TRY(pare_layerwise_batches(w->l, set_residual, w));
    PARE_TRY(measure(w, &out->before));
    for (int sweep = 0; sweep < PARE_EXPERT_SWEEPS; sweep++)
        for (uint32_t i = 0; i < kept->experts; i++) {
            w->expert = kept->expert[i];
            w->kept = pare_kept_expert_channels(kept, i);
            w->kept_count = kept->expert_ffn;
            PARE_TRY(fit_expert(w, &out->damping));
        }
    return measure(w, &out->after);
}

uint64_t pare_expert_fit_runs(uint32_t experts) {
    return 3 + 2 * PARE_EXPERT_SWEEPS * (uint64_t)experts;
}

uint64_t pare_expert_fit_added_bytes(const pare_config *c) {
    uint64_t f = c->experts.width;
    return (f * f + c->hidden * f) * sizeof(float) + sizeof(int64_t);
}

uint64_t pare_expert_fit_sums_bytes(const pare_layerwise_request *r) {
    const pare_config *c = &r->source->model->config;
    uint64_t f = c->experts.width, d = c->hidden;
    return (f * f + 3 * d * f) * sizeof(float) + d * f * pare_operand_size(r->source->backend) +
           pare_least_squares_bytes((int64_t)d, (int64_t)f);
}

/* Room of a micro-batch is counted as if it were of the largest one. */
uint64_t pare_expert_fit_token_bytes(const pare_layerwise_request *r) {
    const pare_config *c = &r->source->model->config;
    uint64_t f = c->experts.width, d = c->hidden, tokens = (uint64_t)pare_layerwise_most_tokens(r);
    return tokens * (d + f) * (sizeof(float) + pare_operand_size(r->source->backend)) +
           pare_stream_bytes(r->sequences * r->length, c->hidden, PARE_DTYPE_F32);
}

/* Experts that a token reaches run with their router once for the sums and once for what is left of r, in each sweep.
 */
pare_work pare_expert_fit_work(const pare_layerwise_request *r, uint32_t experts) {
    const pare_config *c = &r->source->model->config;
    double n = (double)r->sequences * (double)r->length, f = c->experts.width, d = c->hidden;
    double sweeps = PARE_EXPERT_SWEEPS, reached = n * c->experts.chosen;
    pare_work work = {{0}}, solve = pare_least_squares_work(c->hidden, c->experts.width, c->experts.width);
    work.amount[PARE_WORK_BLOCKS] += 3.0 * n * c->experts.chosen * 2.0 * PARE_EXPERT_PARTS * f * d;
    work.amount[PARE_WORK_BLOCKS] += sweeps * 2.0 * (reached * 4.0 * f * d + n * experts * 2.0 * d * experts);
    work.amount[PARE_WORK_PRODUCTS] += sweeps * reached * (2.0 * f * f + 4.0 * f * d);
    pare_work_add(&work, &solve, sweeps * experts);
    return work;
}

pare_status pare_expert_fit_new(pare_layerwise *l, pare_expert_fit *w) {
    size_t tokens = (size_t)(l->micro_batch * l->asked.length), d = (size_t)l->hidden;
    size_t f = l->model->config.experts.width, operand = pare_operand_size(l->backend);
    static const char what[] = "repair of experts";
    *w = (pare_expert_fit){.l = l};
    PARE_TRY(pare_stream_new(l->tokens, l->hidden, PARE_DTYPE_F32, NULL, &w->residual));
    PARE_TRY(pare_alloc_uninitialized(&w->room, tokens * d, sizeof(float), what));
    PARE_TRY(pare_alloc_uninitialized(&w->wide, tokens * f, sizeof(float), what));
    PARE_TRY(pare_alloc_uninitialized(&w->scaled, tokens * f, operand, what));
    PARE_TRY(pare_alloc_uninitialized(&w->left, tokens * d, operand, what));
    PARE_TRY(pare_alloc_uninitialized(&w->gram, f * f, sizeof(float), what));
    PARE_TRY(pare_alloc_uninitialized(&w->cross, d * f, sizeof(float), what));
    PARE_TRY(pare_alloc_uninitialized(&w->weights, d * f, sizeof(float), what));
    PARE_TRY(pare_alloc_uninitialized(&w->old, d * f, sizeof(float), what));
    return pare_alloc_uninitialized(&w->change, d * f, operand, what);
}

void pare_expert_fit_free(pare_expert_fit *w) {
    void *all[] = {w->room, w->wide, w->scaled, w->left, w->gram, w->cross, w->weights, w->old, w->change};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        pare_free(all[i]);
    pare_stream_free(&w->residual);
    *w = (pare_expert_fit){0};
}
