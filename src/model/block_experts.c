#include "model/block_experts.h"
#include "model/expert_tensors.h"
#include "support/vectorize.h"

#include <math.h>
#include <string.h>

/* y = x W^T, x: operand [m, in], y: float [m, out] */
static pare_status project(const pare_block *block, int64_t m, int64_t out, int64_t in, const void *x, const void *w,
                           float *y) {
    const pare_matmul shape = {.batch = 1, .m = m, .n = out, .k = in, .transpose_b = true};
    return block->backend->operations->matmul(block->backend, &shape, x, w, y);
}

PARE_VECTORIZE static void add_row(float *restrict to, const float *restrict from, int64_t n) {
    for (int64_t i = 0; i < n; i++)
        to[i] += from[i];
}

/* The same, plus a bias where there is one. */
static pare_status project_biased(const pare_block *block, int64_t m, int64_t out, int64_t in, const void *x,
                                  const void *w, const float *bias, float *y) {
    PARE_TRY(project(block, m, out, in, x, w, y));
    if (!bias) return PARE_OK;
#pragma omp parallel for schedule(static) if (m * out > 8192)
    for (int64_t i = 0; i < m; i++)
        add_row(y + i * out, bias, out);
    return PARE_OK;
}

PARE_VECTORIZE static double dot(const float *restrict a, const float *restrict b, int64_t n) {
    double sum = 0.0;
    for (int64_t i = 0; i < n; i++)
        sum += (double)a[i] * (double)b[i];
    return sum;
}

static void weigh_shared(const pare_block *block, pare_expert_room *room) {
    int64_t n = block->batch * block->length, d = block->hidden;
    size_t id = pare_tensor_id_shared_gate(block->config, block->layer);
    pare_source_rows(block->source, id, 0, 1, room->shared_gate);
#pragma omp parallel for schedule(static) if (n * d > 8192)
    for (int64_t t = 0; t < n; t++) {
        enum { PIECE = 256 };
        float piece[PIECE];
        double logit = 0.0;
        for (int64_t at = 0; at < d; at += PIECE) {
            int64_t count = d - at < PIECE ? d - at : PIECE;
            pare_to_float(piece, pare_operand_at(block->backend, block->activations->normed2, t * d + at),
                          block->backend->operand, (size_t)count);
            logit += dot(piece, room->shared_gate + at, count);
        }
        room->shared_share[t] = (float)(1.0 / (1.0 + exp(-logit)));
    }
}

pare_status pare_block_route(const pare_block *block) {
    pare_expert_room *room = &block->activations->experts;
    pare_routing *r = &room->routing;
    if (!pare_block_has_experts(block)) return PARE_OK;
    r->tokens = block->batch * block->length;
    r->experts = block->widths.experts;
    r->chosen = block->config->experts.chosen;
    r->rule = &block->config->experts;
    size_t id = pare_tensor_id_router(block->config, block->layer);
    const void *router = pare_source_operand(block->source, id, room->router);
    if (r->rule->biased)
        pare_source_rows(block->source, pare_tensor_id_router_bias(block->config, block->layer), 0, 1,
                         room->router_bias);
    PARE_TRY(project_biased(block, r->tokens, r->experts, block->hidden, block->activations->normed2, router,
                            r->rule->biased ? room->router_bias : NULL, r->probability));
    const bool *const *off = block->source->experts_off;
    if (r->rule->corrected)
        pare_source_rows(block->source, pare_tensor_id_correction(block->config, block->layer), 0, 1, room->correction);
    r->correction = r->rule->corrected ? room->correction : NULL;
    const pare_observer *o = block->observer;
    if (o && o->see_logits) PARE_TRY(o->see_logits(o->context, block));
    pare_routing_choose(r, off ? off[block->layer] : NULL);
    if (pare_block_gates_shared(block)) weigh_shared(block, room);
    return PARE_OK;
}

void pare_block_share(const pare_block *block, float *out) {
    const float *share = block->activations->experts.shared_share;
    int64_t n = block->batch * block->length, d = block->hidden;
    if (!pare_block_gates_shared(block)) return;
#pragma omp parallel for schedule(static) if (n * d > 8192)
    for (int64_t t = 0; t < n; t++)
        for (int64_t i = 0; i < d; i++)
            out[t * d + i] *= share[t];
}

pare_expert_hand pare_block_expert_of(const pare_block *block, uint32_t expert, int64_t tokens, const int32_t *places) {
    const pare_expert_room *room = &block->activations->experts;
    const pare_config *config = block->config;
    pare_expert_hand hand = {.expert = expert, .tokens = tokens, .places = places};
    for (pare_expert_part part = 0; tokens && part < PARE_EXPERT_PARTS; part++) {
        size_t id = pare_tensor_id_expert(config, block->layer, expert, part);
        hand.weight[part] = pare_source_operand(block->source, id, room->matrix[part]);
        if (!config->experts.biased) continue;
        pare_source_rows(block->source, pare_tensor_id_expert_bias(config, block->layer, expert, part), 0, 1,
                         room->bias[part]);
        hand.bias[part] = room->bias[part];
    }
    return hand;
}

bool pare_block_expert(const pare_block *block, uint32_t expert, pare_expert_hand *out) {
    const pare_routing *r = &block->activations->experts.routing;
    *out = pare_block_expert_of(block, expert, r->first[expert + 1] - r->first[expert], r->order + r->first[expert]);
    return out->tokens > 0;
}

/* A row of an operand, times a share. */
static void share_row(const pare_block *block, void *operand, int64_t row, float share) {
    enum { PIECE = 256 };
    const pare_backend *backend = block->backend;
    int64_t d = block->hidden;
    for (int64_t at = 0; at < d; at += PIECE) {
        float piece[PIECE];
        size_t count = (size_t)(d - at < PIECE ? d - at : PIECE);
        char *x = (char *)operand + (size_t)(row * d + at) * pare_operand_size(backend);
        pare_to_float(piece, x, backend->operand, count);
        for (size_t j = 0; j < count; j++)
            piece[j] *= share;
        pare_from_float(x, backend->operand, piece, count);
    }
}

/* x, times each token's share: that which it has, or would have if the expert were chosen. */
static void share_inputs(const pare_block *block, const pare_expert_hand *hand) {
    const pare_expert_room *room = &block->activations->experts;
#pragma omp parallel for schedule(static) if (hand->tokens * block->hidden > 8192)
    for (int64_t i = 0; i < hand->tokens; i++)
        share_row(block, room->x, i, pare_routing_input_share(&room->routing, hand->places[i], hand->expert));
}

void pare_block_expert_gather(const pare_block *block, const pare_expert_hand *hand) {
    const pare_expert_room *room = &block->activations->experts;
    size_t row = (size_t)block->hidden * pare_operand_size(block->backend);
    const char *from = block->activations->normed2;
    char *to = room->x;
#pragma omp parallel for schedule(static) if (hand->tokens * block->hidden > 8192)
    for (int64_t i = 0; i < hand->tokens; i++)
        memcpy(to + (size_t)i * row, from + (size_t)(hand->places[i] / room->routing.chosen) * row, row);
    if (room->routing.rule->shares_inputs) share_inputs(block, hand);
}

/* Without dropout, as PEFT has no other beside the experts' parameters. */
pare_beside pare_block_expert_beside(const pare_block *block, const pare_expert_hand *hand, pare_expert_part part) {
    pare_linear linear = {.tokens = hand->tokens};
    pare_expert_shape(block->config, part, &linear.out, &linear.in);
    return pare_block_beside(block, pare_tensor_id_expert(block->config, block->layer, hand->expert, part), linear,
                             false);
}

/* y: [hand.tokens, rows of the part] of x, with what an adapter adds. */
static pare_status project_part(const pare_block *block, const pare_expert_hand *hand, pare_expert_part part,
                                const void *x, float *y) {
    const pare_beside beside = pare_block_expert_beside(block, hand, part);
    int64_t rows, columns;
    pare_expert_shape(block->config, part, &rows, &columns);
    PARE_TRY(project_biased(block, hand->tokens, rows, columns, x, hand->weight[part], hand->bias[part], y));
    return pare_beside_forward(block, &beside, x, y);
}

/* room.activated of hand.tokens tokens x: operand [tokens, d]. */
static pare_status activate(const pare_block *block, const pare_expert_hand *hand, const void *x) {
    const pare_expert_room *room = &block->activations->experts;
    PARE_TRY(project_part(block, hand, PARE_EXPERT_GATE, x, room->gate));
    PARE_TRY(project_part(block, hand, PARE_EXPERT_UP, x, room->up));
    block->backend->operations->gated_forward(block->backend, pare_gating_of(&block->config->architecture), room->gate,
                                              room->up, hand->tokens * block->config->experts.width, room->activated);
    return PARE_OK;
}

pare_status pare_block_expert_activate(const pare_block *block, const pare_expert_hand *hand) {
    pare_block_expert_gather(block, hand);
    return activate(block, hand, block->activations->experts.x);
}

pare_status pare_block_expert_make(const pare_block *block, const pare_expert_hand *hand, float *y) {
    return project_part(block, hand, PARE_EXPERT_DOWN, block->activations->experts.activated, y);
}

pare_status pare_block_expert_outputs(const pare_block *block, uint32_t expert, int64_t first, int64_t count,
                                      float *y) {
    const pare_expert_room *room = &block->activations->experts;
    const void *x = pare_operand_at(block->backend, block->activations->normed2, first * block->hidden);
    const pare_expert_hand hand = pare_block_expert_of(block, expert, count, NULL);
    if (block->config->experts.shares_inputs) {
        const float *logits = room->routing.probability + first * block->widths.experts + expert;
        memcpy(room->x, x, (size_t)(count * block->hidden) * pare_operand_size(block->backend));
        for (int64_t i = 0; i < count; i++)
            share_row(block, room->x, i,
                      (float)block->config->experts.scale / (1.0f + expf(-logits[i * block->widths.experts])));
        x = room->x;
    }
    PARE_TRY(activate(block, &hand, x));
    return pare_block_expert_make(block, &hand, y);
}

PARE_VECTORIZE static void add_scaled(float *restrict to, const float *restrict from, float scale, int64_t n) {
    for (int64_t i = 0; i < n; i++)
        to[i] += scale * from[i];
}

/* An expert has each token once. */
static void scatter(const pare_block *block, const pare_expert_hand *hand, float *out) {
    const pare_expert_room *room = &block->activations->experts;
    int64_t d = block->hidden;
#pragma omp parallel for schedule(static) if (hand->tokens * d > 8192)
    for (int64_t i = 0; i < hand->tokens; i++)
        add_scaled(out + hand->places[i] / room->routing.chosen * d, room->y + i * d,
                   pare_routing_output_share(&room->routing, hand->places[i]), d);
}

static pare_status show(const pare_block *block, const pare_expert_hand *hand) {
    const pare_expert_room *room = &block->activations->experts;
    const pare_observer *o = block->observer;
    if (!o || !o->see_expert) return PARE_OK;
    const pare_expert_seen seen = {.layer = block->layer,
                                   .expert = hand->expert,
                                   .tokens = hand->tokens,
                                   .places = hand->places,
                                   .share = room->routing.share,
                                   .in_x = room->routing.rule->shares_inputs,
                                   .x = room->x,
                                   .activated = room->activated,
                                   .y = room->y};
    return o->see_expert(o->context, &seen);
}

pare_status pare_block_experts_add(const pare_block *block, float *out) {
    const pare_expert_room *room = &block->activations->experts;
    for (uint32_t expert = 0; expert < block->widths.experts; expert++) {
        pare_expert_hand hand;
        if (!pare_block_expert(block, expert, &hand)) continue;
        PARE_TRY(pare_block_expert_activate(block, &hand));
        PARE_TRY(pare_block_expert_make(block, &hand, room->y));
        PARE_TRY(show(block, &hand));
        scatter(block, &hand, out);
    }
    return PARE_OK;
}
