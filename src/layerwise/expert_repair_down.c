/* Down projections of the experts that stay, fitted to what the dense layer puts out. */
#include "layerwise/expert_repair_internal.h"
#include "repair/dot.h"
#include "support/vectorize.h"

#include <stdio.h>
#include <string.h>

/* What is added to the stream is the sum of the experts' outputs times this. */
static float residual_scale(const pare_expert_walk *w) {
    double scale = w->l.model->config.architecture.residual_scale;
    return scale > 0.0 ? (float)scale : 1.0f;
}

PARE_VECTORIZE static void mix(float *restrict to, const float *restrict add, float share, int64_t n) {
    for (int64_t i = 0; i < n; i++)
        to[i] += share * add[i];
}

/* r of a micro-batch, and the dense stream out of the layer. */
static pare_status set_residual(pare_layerwise *l, int64_t first, int64_t tokens, void *context) {
    pare_expert_walk *w = context;
    float share = (float)w->job->dense, *dense = pare_layer_load(&l->dense, first, tokens);
    const float *states = pare_layer_load(&l->pruned, first, tokens);
    float *r = pare_stream_load(&w->residual, first, tokens, NULL);
    int64_t n = tokens * l->hidden;
    memset(r, 0, (size_t)n * sizeof *r);
    PARE_TRY(pare_block_activate(&l->dense_block, dense));
    PARE_TRY(pare_block_ffn_output(&l->dense_block, dense, dense));
    pare_stream_store(&l->dense.now, first, tokens, dense);
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

/* What the down projection of the expert in hand reads of a micro-batch, times its shares, into w->scaled. */
static pare_status scale_inputs(pare_expert_walk *w, int64_t first, int64_t tokens, pare_expert_hand *hand) {
    pare_layerwise *l = &w->l;
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
        float share = scale * room->routing.share[hand->places[i]];
        for (int64_t j = 0; j < f; j++)
            w->wide[i * f + j] *= share;
        memcpy(w->room + i * l->hidden, r + hand->places[i] / chosen * l->hidden, (size_t)l->hidden * sizeof *r);
    }
    l->backend->operations->to_operand(l->backend, w->wide, hand->tokens * f, w->scaled);
    l->backend->operations->to_operand(l->backend, w->room, hand->tokens * l->hidden, w->left);
    return PARE_OK;
}

static pare_status gather(pare_layerwise *l, int64_t first, int64_t tokens, void *context) {
    pare_expert_walk *w = context;
    pare_expert_hand hand;
    PARE_TRY(scale_inputs(w, first, tokens, &hand));
    if (!hand.tokens) return PARE_OK;
    pare_inputs inputs = {.x = w->scaled, .tokens = hand.tokens, .width = l->model->config.experts.width};
    PARE_TRY(pare_gram_add(l->backend, &inputs, w->first, w->gram));
    PARE_TRY(pare_cross_add(l->backend, &inputs, w->left, l->hidden, w->first, w->cross));
    w->first = false;
    return PARE_OK;
}

/* r without what the change of the expert in hand takes of it. */
static pare_status subtract(pare_layerwise *l, int64_t first, int64_t tokens, void *context) {
    pare_expert_walk *w = context;
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

static pare_status solve(pare_expert_walk *w, pare_damping *damping) {
    const pare_layerwise *l = &w->l;
    int64_t f = l->model->config.experts.width, n = l->hidden * f;
    size_t id = pare_tensor_id_expert(&l->model->config, w->layer, w->expert, PARE_EXPERT_DOWN);
    char what[96];
    pare_fit fit;
    snprintf(what, sizeof what, "the inputs of the down projection of layer %u's expert %u", w->layer, w->expert);
    const pare_least_squares problem = {
        .rows = l->hidden,
        .columns = {.gram = w->gram, .width = f, .count = f, .damping = w->job->damping, .what = what},
        .cross = w->cross};
    pare_source_rows(&w->pruned, id, 0, l->hidden, w->weights);
    memcpy(w->old, w->weights, (size_t)n * sizeof *w->old);
    PARE_TRY(pare_least_squares_solve(&problem, w->weights, &fit));
    PARE_TRY(pare_expert_walk_put(w, id, l->hidden, f, NULL, w->weights));
    for (int64_t i = 0; i < n; i++)
        w->old[i] = w->weights[i] - w->old[i];
    l->backend->operations->to_operand(l->backend, w->old, n, w->change);
    *damping = fit.damping;
    return PARE_OK;
}

/* An expert that no token reaches stays as it is. */
static pare_status fit_expert(pare_expert_walk *w, pare_damping *damping) {
    w->first = true;
    PARE_TRY(pare_layerwise_batches(&w->l, gather, w));
    if (w->first) return PARE_OK;
    PARE_TRY(solve(w, damping));
    return pare_layerwise_batches(&w->l, subtract, w);
}

static double squares(const pare_expert_walk *w) {
    double sum = 0.0;
    int64_t step = w->l.micro_batch * w->l.asked.length, d = w->l.hidden;
    for (int64_t first = 0; first < w->l.tokens; first += step) {
        int64_t count = w->l.tokens - first < step ? w->l.tokens - first : step;
        const float *r = pare_stream_load(&w->residual, first, count, NULL);
        for (int64_t i = 0; i < count; i++)
            sum += pare_dot(r + i * d, r + i * d, d);
    }
    return sum;
}

pare_status pare_expert_fit_down(pare_expert_walk *w) {
    const pare_kept *kept = &w->job->selection->layer[w->layer];
    pare_stage_fit fit = {.fitted = true};
    PARE_TRY(pare_layerwise_batches(&w->l, set_residual, w));
    fit.output.before = squares(w);
    for (int sweep = 0; sweep < PARE_EXPERT_SWEEPS; sweep++)
        for (uint32_t i = 0; i < kept->experts; i++) {
            w->expert = kept->expert[i];
            PARE_TRY(fit_expert(w, &fit.output.damping));
        }
    fit.output.after = squares(w);
    if (w->fits) w->fits[w->layer][PARE_STAGE_FFN] = fit;
    return PARE_OK;
}
