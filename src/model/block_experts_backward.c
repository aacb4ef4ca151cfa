#include "model/block_experts.h"
#include "model/block_linear.h"
#include "model/expert_tensors.h"
#include "support/vectorize.h"

#include <string.h>

/* Elements that are widened at a time. */
enum { PIECE = 64 };

/* Elements of an expert's biases, one behind the other, before those of `part`. */
static size_t bias_elements(const pare_config *config, int part) {
    size_t width = config->experts.width;
    return part == PARE_EXPERT_PARTS ? 2 * width + config->hidden : (size_t)part * width;
}

uint64_t pare_expert_sums_elements(const pare_config *config) {
    uint64_t d = config->hidden, each = (uint64_t)PARE_EXPERT_PARTS * config->experts.width * d;
    if (config->experts.biased) each += 1 + bias_elements(config, PARE_EXPERT_PARTS);
    return pare_has_experts(config) ? config->experts.count * (d + each) + d : 0; /* the correction has none */
}

/* Where the sums of a tensor of the layer lie among all of them, which may be NULL: in the order of ids. */
static float *sums_of(const pare_block *block, float *all, size_t id) {
    const pare_config *config = block->config;
    size_t at = id - pare_tensor_id_router(config, block->layer), d = config->hidden, count = config->experts.count;
    size_t own = PARE_EXPERT_OWN + count * PARE_EXPERT_PARTS, matrix = config->experts.width * d;
    if (!all || at == 0) return all;
    float *sums = all + count * d;
    if (at < PARE_EXPERT_OWN) return sums;
    sums += d;
    if (at < own) return sums + (at - PARE_EXPERT_OWN) * matrix;
    sums += count * PARE_EXPERT_PARTS * matrix;
    if (at == own) return sums;
    at -= own + 1;
    return sums + count + at / PARE_EXPERT_PARTS * bias_elements(config, PARE_EXPERT_PARTS) +
           bias_elements(config, (int)(at % PARE_EXPERT_PARTS));
}

/* Of an expert's tokens, or of all (NULL). */
static pare_linear_tokens tokens_of(const pare_block *block, const pare_expert_hand *hand) {
    return (pare_linear_tokens){.places = hand ? hand->places : NULL, .chosen = block->config->experts.chosen};
}

float *pare_block_expert_sums(const pare_block *block, const pare_block_gradients *g, size_t id) {
    return sums_of(block, g->expert_sums, id);
}

float *pare_block_expert_sample_sums(const pare_block *block, const pare_block_gradients *g, size_t id) {
    return sums_of(block, g->sink->samples ? g->expert_sample_sums : NULL, id);
}

static void add_piece(float *to, const float *begun, const double *piece, int64_t count) {
    for (int64_t i = 0; i < count; i++)
        to[i] = (float)(piece[i] + (begun ? (double)begun[i] : 0.0));
}

/* Of a bias: the sums of dy, operand [m, out], over the tokens. */
static pare_status bias_gradient(const pare_block *block, const pare_block_gradients *g, size_t id,
                                 const pare_expert_hand *hand, const pare_linear *l, const void *dy) {
    const pare_linear_tokens tokens = tokens_of(block, hand);
    float *sums = pare_block_expert_sums(block, g, id), *to = sums ? sums : g->chunk;
    float *sample_sums = pare_block_expert_sample_sums(block, g, id), *samples = sample_sums;
    if (!block->config->experts.biased || !g->sink->wants(g->sink->context, id)) return PARE_OK;
    if (g->sink->samples && !sums) samples = g->chunk + g->chunk_elements / PARE_SAMPLES_PARTS;
#pragma omp parallel for schedule(static) if (l->tokens * l->out > 8192)
    for (int64_t first = 0; first < l->out; first += PIECE) {
        int64_t count = l->out - first < PIECE ? l->out - first : PIECE;
        double total[PIECE] = {0}, sampled[PIECE] = {0};
        pare_linear_output_sums(block, g, l, &tokens, dy, first, count, total, samples ? sampled : NULL);
        add_piece(to + first, sums ? sums + first : NULL, total, count);
        if (samples) add_piece(samples + first, sample_sums ? sample_sums + first : NULL, sampled, count);
    }
    return sums ? PARE_OK : g->sink->rows(g->sink->context, id, 0, 1, l->out, to, samples);
}

/* dy: operand [tokens, out], x: operand [tokens, in]. */
static pare_status weight_gradient(const pare_block *block, const pare_block_gradients *g, size_t id,
                                   const pare_expert_hand *hand, const pare_linear *l, const void *dy, const void *x) {
    const pare_linear_target target = {.id = id,
                                       .sums = pare_block_expert_sums(block, g, id),
                                       .samples = pare_block_expert_sample_sums(block, g, id),
                                       .begun = true,
                                       .tokens = tokens_of(block, hand)};
    if (!g->sink->wants(g->sink->context, id)) return PARE_OK;
    return pare_linear_rows_gradient(block, g, l, dy, x, &target);
}

/* dx += dy W of an expert's part, or of the router. */
static pare_status input_gradient(const pare_block *block, const pare_linear *l, const void *dy, const void *w,
                                  bool accumulate, float *dx) {
    const pare_matmul shape = {.batch = 1, .m = l->tokens, .n = l->in, .k = l->out, .accumulate = accumulate};
    return block->backend->operations->matmul(block->backend, &shape, dy, w, dx);
}

PARE_VECTORIZE static void add_row(float *restrict to, const float *restrict from, float scale, int64_t n) {
    for (int64_t i = 0; i < n; i++)
        to[i] += scale * from[i];
}

PARE_VECTORIZE static void scale_row(float *restrict to, const float *restrict from, float scale, int64_t n) {
    for (int64_t i = 0; i < n; i++)
        to[i] = scale * from[i];
}

/* Rows of the branch's gradient times the tokens' shares, through y, which is free. */
static void gather_gradient(const pare_block *block, const pare_expert_hand *hand, const float *branch) {
    const pare_expert_room *room = &block->activations->experts;
    int64_t d = block->hidden;
#pragma omp parallel for schedule(static) if (hand->tokens * d > 8192)
    for (int64_t i = 0; i < hand->tokens; i++)
        scale_row(room->y + i * d, branch + hand->places[i] / room->routing.chosen * d,
                  pare_routing_output_share(&room->routing, hand->places[i]), d);
    block->backend->operations->to_operand(block->backend, room->y, hand->tokens * d, room->dy);
}

/* Sum of a row of an operand times floats. */
static float dot_operand(const pare_block *block, const void *operand, int64_t at, const float *values, int64_t n) {
    float piece[PIECE];
    double sum = 0.0;
    for (int64_t i = 0; i < n; i += PIECE) {
        int64_t count = n - i < PIECE ? n - i : PIECE;
        pare_to_float(piece, pare_operand_at(block->backend, operand, at + i), block->backend->operand, (size_t)count);
        for (int64_t j = 0; j < count; j++)
            sum += (double)piece[j] * (double)values[i + j];
    }
    return (float)sum;
}

/* share dL/dshare of an expert's tokens: what Down makes times its gradient, which has the share in it. (Where the
 * share is in what the expert reads, that is what the loss feels of its output.) */
static void feel(const pare_block *block, const pare_expert_hand *hand) {
    const pare_expert_room *room = &block->activations->experts;
    const float *bias = hand->bias[PARE_EXPERT_DOWN];
    int64_t f = block->config->experts.width;
#pragma omp parallel for schedule(static) if (hand->tokens * f > 8192)
    for (int64_t i = 0; i < hand->tokens; i++) {
        float felt = dot_operand(block, room->activated, i * f, room->dactivated + i * f, f);
        if (bias) felt += dot_operand(block, room->dy, i * block->hidden, bias, block->hidden);
        room->felt[hand->places[i]] = felt;
    }
}

/* The same where shares multiply inputs: what the expert reads times its gradient, in y. */
static void feel_inputs(const pare_block *block, const pare_expert_hand *hand) {
    const pare_expert_room *room = &block->activations->experts;
    int64_t d = block->hidden;
#pragma omp parallel for schedule(static) if (hand->tokens * d > 8192)
    for (int64_t i = 0; i < hand->tokens; i++)
        room->felt[hand->places[i]] = dot_operand(block, room->x, i * d, room->y + i * d, d);
}

static void scatter_gradient(const pare_block *block, const pare_expert_hand *hand) {
    const pare_expert_room *room = &block->activations->experts;
    int64_t d = block->hidden;
#pragma omp parallel for schedule(static) if (hand->tokens * d > 8192)
    for (int64_t i = 0; i < hand->tokens; i++)
        add_row(block->activations->dnormed + hand->places[i] / room->routing.chosen * d, room->y + i * d,
                pare_routing_input_share(&room->routing, hand->places[i], hand->expert), d);
}

/* Of one matrix of the expert, which made dy's y of x; dx (+)= the gradient of x. */
static pare_status part_backward(const pare_block *block, const pare_block_gradients *g, const pare_expert_hand *hand,
                                 pare_expert_part part, const void *dy, const void *x, bool accumulate, float *dx) {
    const pare_beside beside = pare_block_expert_beside(block, hand, part);
    pare_linear l = {.tokens = hand->tokens};
    pare_expert_shape(block->config, part, &l.out, &l.in);
    size_t id = pare_tensor_id_expert(block->config, block->layer, hand->expert, part);
    size_t bias = pare_tensor_id_expert_bias(block->config, block->layer, hand->expert, part);
    PARE_TRY(weight_gradient(block, g, id, hand, &l, dy, x));
    PARE_TRY(bias_gradient(block, g, bias, hand, &l, dy));
    PARE_TRY(pare_beside_gradient(block, &beside, dy, x));
    PARE_TRY(input_gradient(block, &l, dy, hand->weight[part], accumulate, dx));
    return pare_beside_input_gradient(block, &beside, dx);
}

static pare_status expert_backward(const pare_block *block, const pare_block_gradients *g, const float *branch,
                                   const pare_expert_hand *hand) {
    const pare_expert_room *r = &block->activations->experts;
    PARE_TRY(pare_block_expert_activate(block, hand));
    gather_gradient(block, hand, branch);
    PARE_TRY(part_backward(block, g, hand, PARE_EXPERT_DOWN, r->dy, r->activated, false, r->dactivated));
    feel(block, hand);
    if (g->sink->expert_gradient)
        PARE_TRY(g->sink->expert_gradient(g->sink->context, block->layer, hand->expert, hand->tokens, hand->places,
                                          r->felt));
    block->backend->operations->gated_backward(block->backend, pare_gating_of(&block->config->architecture), r->gate,
                                               r->up, r->dactivated, hand->tokens * block->config->experts.width,
                                               r->dgate, r->dup);
    PARE_TRY(part_backward(block, g, hand, PARE_EXPERT_GATE, r->dgate, r->x, false, r->y));
    PARE_TRY(part_backward(block, g, hand, PARE_EXPERT_UP, r->dup, r->x, true, r->y));
    if (r->routing.rule->shares_inputs) feel_inputs(block, hand);
    scatter_gradient(block, hand);
    return PARE_OK;
}

/* The router is read before its gradient goes to the sink, which may displace it. */
static pare_status router_backward(const pare_block *block, const pare_block_gradients *g) {
    const pare_activations *a = block->activations;
    const pare_expert_room *room = &a->experts;
    const pare_routing *r = &room->routing;
    const pare_linear l = {.tokens = r->tokens, .out = r->experts, .in = block->hidden};
    size_t id = pare_tensor_id_router(block->config, block->layer);
    const void *router = pare_source_operand(block->source, id, room->router);
    pare_routing_backward(r, room->felt, room->dlogits);
    block->backend->operations->to_operand(block->backend, room->dlogits, r->tokens * r->experts,
                                           room->dlogits_operand);
    PARE_TRY(weight_gradient(block, g, id, NULL, &l, room->dlogits_operand, a->normed2));
    PARE_TRY(bias_gradient(block, g, pare_tensor_id_router_bias(block->config, block->layer), NULL, &l,
                           room->dlogits_operand));
    return input_gradient(block, &l, room->dlogits_operand, router, true, a->dnormed);
}

bool pare_block_expert_wanted(const pare_block *block, const pare_block_gradients *g, size_t id) {
    bool correction = id == pare_tensor_id_correction(block->config, block->layer);
    return !correction && !pare_tensor_is_absent(block->source->model->tensors[id]) &&
           g->sink->wants(g->sink->context, id);
}

pare_status pare_block_experts_hand_over(const pare_block *block, const pare_block_gradients *g) {
    const pare_config *config = block->config;
    size_t first = pare_tensor_id_router(config, block->layer);
    size_t count = pare_expert_tensors(config);
    if (!pare_block_has_experts(block) || !g->expert_sums || !g->last) return PARE_OK;
    for (size_t id = first; id < first + count; id++) {
        int64_t rows, columns;
        if (!pare_block_expert_wanted(block, g, id)) continue;
        pare_tensor_matrix(block->source->model->tensors[id], &rows, &columns);
        PARE_TRY(g->sink->rows(g->sink->context, id, 0, rows, columns, pare_block_expert_sums(block, g, id),
                               pare_block_expert_sample_sums(block, g, id)));
    }
    return PARE_OK;
}

static pare_status hand_zeros_of(const pare_block *block, const pare_block_gradients *g, size_t id) {
    int64_t rows, columns;
    if (!pare_block_expert_wanted(block, g, id)) return PARE_OK;
    pare_tensor_matrix(block->source->model->tensors[id], &rows, &columns);
    int64_t step = g->chunk_elements / columns < rows ? g->chunk_elements / columns : rows;
    memset(g->chunk, 0, (size_t)(step * columns) * sizeof *g->chunk);
    for (int64_t first = 0; first < rows; first += step) {
        int64_t count = rows - first < step ? rows - first : step;
        PARE_TRY(
            g->sink->rows(g->sink->context, id, first, count, columns, g->chunk, g->sink->samples ? g->chunk : NULL));
    }
    return PARE_OK;
}

/* An expert that no token reaches has a gradient, which is zero: whoever moves weights by it hears of all of them,
 * however tokens are cut into micro-batches. */
static pare_status hand_zeros(const pare_block *block, const pare_block_gradients *g, uint32_t expert) {
    const pare_config *config = block->config;
    if (g->expert_sums) return PARE_OK;
    for (pare_expert_part part = 0; part < PARE_EXPERT_PARTS; part++) {
        PARE_TRY(hand_zeros_of(block, g, pare_tensor_id_expert(config, block->layer, expert, part)));
        if (config->experts.biased)
            PARE_TRY(hand_zeros_of(block, g, pare_tensor_id_expert_bias(config, block->layer, expert, part)));
    }
    return PARE_OK;
}

/* Sums begin before the gate of the expert that all tokens reach, which comes first. */
static void begin_sums(const pare_block *block, const pare_block_gradients *g) {
    size_t bytes = (size_t)pare_expert_sums_elements(block->config) * sizeof *g->expert_sums;
    if (g->expert_sums && g->first) memset(g->expert_sums, 0, bytes);
    if (g->expert_sample_sums && g->first) memset(g->expert_sample_sums, 0, bytes);
}

pare_status pare_block_experts_backward(const pare_block *block, const pare_block_gradients *g, const float *branch) {
    if (!pare_block_has_experts(block)) return PARE_OK;
    if (!pare_block_gates_shared(block)) begin_sums(block, g);
    for (uint32_t expert = 0; expert < block->widths.experts; expert++) {
        pare_expert_hand hand;
        bool reached = pare_block_expert(block, expert, &hand);
        PARE_TRY(reached ? expert_backward(block, g, branch, &hand) : hand_zeros(block, g, expert));
    }
    PARE_TRY(router_backward(block, g));
    return pare_block_experts_hand_over(block, g);
}

/* sums[t] += activated[t] dactivated[t], of one feature's tokens. */
PARE_VECTORIZE static void add_products(double *restrict sums, const float *restrict a, const float *restrict b,
                                        int64_t n) {
    for (int64_t i = 0; i < n; i++)
        sums[i] += (double)a[i] * (double)b[i];
}

/* Of tokens [first, first + count), a stretch of each feature's row at a time. */
static void sum_features(const pare_block *block, const float *dactivated, int64_t first, int64_t count, double *sums) {
    int64_t n = block->batch * block->length, f = block->widths.ffn;
    float values[PIECE];
    for (int64_t i = 0; i < f; i++) {
        pare_to_float(values, pare_operand_at(block->backend, block->activations->activated, i * n + first),
                      block->backend->operand, (size_t)count);
        add_products(sums, values, dactivated + i * n + first, count);
    }
}

/* With q = dactivated . activated, which has the share s in it, dL/dlogit is q (1 - s). */
static void shared_logits(const pare_block *block, const float *dactivated, float *dlogit) {
    const pare_activations *a = block->activations;
    int64_t n = block->batch * block->length, f = block->widths.ffn;
    bool by_feature = pare_linear_ffn_by_feature(n);
#pragma omp parallel for schedule(static) if (n * f > 8192)
    for (int64_t first = 0; first < n; first += PIECE) {
        double sums[PIECE] = {0};
        int64_t count = n - first < PIECE ? n - first : PIECE;
        if (by_feature) sum_features(block, dactivated, first, count, sums);
        for (int64_t i = 0, t = first; i < count; i++, t++) {
            if (!by_feature) sums[i] = (double)dot_operand(block, a->activated, t * f, dactivated + t * f, f);
            dlogit[t] = (float)sums[i] * (1.0f - a->experts.shared_share[t]);
        }
    }
}

pare_status pare_block_shared_gate_backward(const pare_block *block, const pare_block_gradients *g,
                                            const float *dactivated) {
    const pare_activations *a = block->activations;
    const pare_expert_room *room = &a->experts;
    int64_t n = block->batch * block->length, d = block->hidden;
    const pare_linear l = {.tokens = n, .out = 1, .in = d};
    size_t id = pare_tensor_id_shared_gate(block->config, block->layer);
    begin_sums(block, g);
    pare_source_rows(block->source, id, 0, 1, room->shared_gate);
    shared_logits(block, dactivated, room->dlogits);
#pragma omp parallel for schedule(static) if (n * d > 8192)
    for (int64_t t = 0; t < n; t++)
        add_row(a->dnormed + t * d, room->shared_gate, room->dlogits[t], d);
    block->backend->operations->to_operand(block->backend, room->dlogits, n, room->dlogits_operand);
    return weight_gradient(block, g, id, NULL, &l, room->dlogits_operand, a->normed2);
}
