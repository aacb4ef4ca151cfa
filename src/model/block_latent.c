#include "model/block_latent.h"
#include "model/block_beside.h"
#include "model/block_heads.h"
#include "model/block_linear.h"
#include "model/block_residual.h"
#include "model/latent_tensors.h"

#include <string.h>

static int64_t tokens_of(const pare_block *block) {
    return block->batch * block->length;
}

/* room.down normed, as an operand. */
static void norm_latent(const pare_block *block, pare_role role, int64_t rank, pare_latent_values *values) {
    const pare_norm norm = pare_block_norm(block, role);
    block->backend->operations->norm_forward(block->backend, &norm, values->down, tokens_of(block), rank,
                                             values->normed, false, values->inverse);
}

/* One part of every head: `count` numbers from place `from` of `stride` to place `to` of `wide`. */
typedef struct moved {
    int64_t from, stride, to, wide, count;
} moved;

static void move_parts(const pare_block *block, moved m, const void *from, void *to, size_t size) {
    int64_t heads = tokens_of(block) * block->widths.heads;
    const char *source = (const char *)from + (size_t)m.from * size;
    char *target = (char *)to + (size_t)m.to * size;
#pragma omp parallel for schedule(static) if (heads * m.count > 8192)
    for (int64_t i = 0; i < heads; i++)
        memcpy(target + (size_t)(i * m.wide) * size, source + (size_t)(i * m.stride) * size, (size_t)m.count * size);
}

static pare_linear query_down(const pare_block *block) {
    return (pare_linear){.tokens = tokens_of(block), .out = block->config->latent.queries, .in = block->hidden};
}

static pare_beside beside_query_down(const pare_block *block) {
    return pare_block_beside(block, pare_tensor_id_query_down(block->config, block->layer), query_down(block), true);
}

static pare_status project_queries(const pare_block *block) {
    const pare_latent *l = &block->config->latent;
    pare_activations *a = block->activations;
    pare_latent_room *r = &a->latent;
    int64_t head = block->head, plain = l->plain, rotated = l->rotated;
    if (l->queries) {
        const pare_matmul down = {
            .batch = 1, .m = tokens_of(block), .n = l->queries, .k = block->hidden, .transpose_b = true};
        const void *weight =
            pare_source_operand(block->source, pare_tensor_id_query_down(block->config, block->layer), r->query_down);
        const pare_beside beside = beside_query_down(block);
        PARE_TRY(block->backend->operations->matmul(block->backend, &down, a->normed1, weight, r->queries.down));
        PARE_TRY(pare_beside_forward(block, &beside, a->normed1, r->queries.down));
        norm_latent(block, PARE_ROLE_Q_NORM, l->queries, &r->queries);
    }
    PARE_TRY(pare_linear_forward(block, PARE_ROLE_Q, l->queries ? r->queries.normed : a->normed1, r->spread));
    move_parts(block, (moved){0, head, rotated, head, plain}, r->spread, a->wide, sizeof(float));
    move_parts(block, (moved){plain, head, 0, head, rotated}, r->spread, a->wide, sizeof(float));
    pare_heads_split(block, PARE_ROLE_Q, a->wide);
    return PARE_OK;
}

/* Of spread, [tokens, rank + rotated]. */
static void part_key(const pare_block *block) {
    const pare_latent *l = &block->config->latent;
    pare_latent_room *r = &block->activations->latent;
    size_t rank = l->keys, rotated = l->rotated;
    for (int64_t t = 0; t < tokens_of(block); t++) {
        const float *row = r->spread + (size_t)t * (rank + rotated);
        memcpy(r->keys.down + (size_t)t * rank, row, rank * sizeof *row);
        memcpy(r->turned + (size_t)t * rotated, row + rank, rotated * sizeof *row);
    }
}

/* The turned part of one key to all heads. */
static void spread_turned(const pare_block *block) {
    int64_t heads = block->widths.heads, rotated = block->config->latent.rotated;
    pare_activations *a = block->activations;
    for (int64_t i = 0; i < tokens_of(block) * heads; i++)
        memcpy(a->wide + i * block->head, a->latent.turned + i / heads * rotated, (size_t)rotated * sizeof(float));
}

static pare_status project_keys(const pare_block *block) {
    const pare_latent *l = &block->config->latent;
    pare_activations *a = block->activations;
    pare_latent_room *r = &a->latent;
    int64_t head = block->head, plain = l->plain, value = l->value, rotated = l->rotated, both = plain + value;
    PARE_TRY(pare_linear_forward(block, PARE_ROLE_K, a->normed1, r->spread));
    part_key(block);
    norm_latent(block, PARE_ROLE_K_NORM, l->keys, &r->keys);
    PARE_TRY(pare_linear_forward(block, PARE_ROLE_V, r->keys.normed, r->spread));
    move_parts(block, (moved){0, both, rotated, head, plain}, r->spread, a->wide, sizeof(float));
    spread_turned(block);
    pare_heads_split(block, PARE_ROLE_K, a->wide);
    memset(a->wide, 0, (size_t)(tokens_of(block) * block->widths.heads * head) * sizeof *a->wide);
    move_parts(block, (moved){plain, both, 0, head, value}, r->spread, a->wide, sizeof(float));
    pare_heads_split(block, PARE_ROLE_V, a->wide);
    return PARE_OK;
}

pare_status pare_latent_project(const pare_block *block) {
    PARE_TRY(project_queries(block));
    return project_keys(block);
}

/* In place, from the first head on: none is written before it was read. */
void pare_latent_narrow(const pare_block *block) {
    size_t size = pare_operand_size(block->backend), head = (size_t)block->head * size;
    size_t value = block->config->latent.value * size;
    char *merged = block->activations->merged;
    for (size_t i = 1; i < (size_t)(tokens_of(block) * block->widths.heads) && value < head; i++)
        memmove(merged + i * value, merged + i * head, value);
}

/* In place, from the last head on. */
void pare_latent_widen(const pare_block *block) {
    size_t head = (size_t)block->head, value = block->config->latent.value;
    float *wide = block->activations->wide;
    for (size_t i = (size_t)(tokens_of(block) * block->widths.heads); i-- > 0 && value < head;) {
        memmove(wide + i * head, wide + i * value, value * sizeof *wide);
        memset(wide + i * head + value, 0, (head - value) * sizeof *wide);
    }
}

/* The latent's gradient, float [tokens, rank] in spread, becomes that of what its norm reads. */
static pare_status norm_latent_backward(const pare_block *block, const pare_block_gradients *g, pare_role role,
                                        int64_t rank, const pare_latent_values *values) {
    float *gradient = block->activations->latent.spread;
    const pare_norm_backward norm = {.role = role,
                                     .x = values->down,
                                     .inverse = values->inverse,
                                     .dy = gradient,
                                     .rows = tokens_of(block),
                                     .length = rank,
                                     .begin = true,
                                     .end = true};
    return pare_block_norm_backward(block, g, &norm, gradient);
}

pare_status pare_latent_hand_over(const pare_block *block, const pare_block_gradients *g) {
    const pare_linear l = query_down(block);
    if (!l.out || !g->latent_sums || !g->last) return PARE_OK;
    size_t id = pare_tensor_id_query_down(block->config, block->layer);
    if (!g->sink->wants(g->sink->context, id)) return PARE_OK;
    return g->sink->rows(g->sink->context, id, 0, l.out, l.in, g->latent_sums,
                         g->sink->samples ? g->latent_sample_sums : NULL);
}

/* gathered: operand [tokens, rank] the gradient of what is projected down. The matrix is read before its own gradient
 * goes to the sink, which may displace it. */
static pare_status query_down_backward(const pare_block *block, const pare_block_gradients *g) {
    const pare_activations *a = block->activations;
    const pare_latent_room *r = &a->latent;
    const pare_linear l = query_down(block);
    const pare_beside beside = beside_query_down(block);
    const pare_matmul input = {.batch = 1, .m = l.tokens, .n = l.in, .k = l.out};
    size_t id = pare_tensor_id_query_down(block->config, block->layer);
    const void *weight = pare_source_operand(block->source, id, r->query_down);
    if (g->sink->wants(g->sink->context, id)) {
        const pare_linear_target target = {
            .id = id, .sums = g->latent_sums, .samples = g->latent_sample_sums, .begun = !g->first};
        PARE_TRY(pare_linear_rows_gradient(block, g, &l, r->gathered, a->normed1, &target));
    }
    PARE_TRY(pare_latent_hand_over(block, g));
    PARE_TRY(pare_beside_gradient(block, &beside, r->gathered, a->normed1));
    PARE_TRY(block->backend->operations->matmul(block->backend, &input, r->gathered, weight, a->dnormed));
    return pare_beside_input_gradient(block, &beside, a->dnormed);
}

static pare_status queries_backward(const pare_block *block, const pare_block_gradients *g) {
    const pare_latent *l = &block->config->latent;
    pare_activations *a = block->activations;
    pare_latent_room *r = &a->latent;
    int64_t head = block->head, plain = l->plain, rotated = l->rotated;
    size_t size = pare_operand_size(block->backend);
    move_parts(block, (moved){rotated, head, 0, head, plain}, a->dgate, r->gathered, size);
    move_parts(block, (moved){0, head, plain, head, rotated}, a->dgate, r->gathered, size);
    PARE_TRY(
        pare_linear_weight_gradient(block, g, PARE_ROLE_Q, r->gathered, l->queries ? r->queries.normed : a->normed1));
    if (!l->queries) return pare_linear_input_gradient(block, PARE_ROLE_Q, r->gathered, false, a->dnormed);
    PARE_TRY(pare_linear_input_gradient(block, PARE_ROLE_Q, r->gathered, false, r->spread));
    PARE_TRY(norm_latent_backward(block, g, PARE_ROLE_Q_NORM, l->queries, &r->queries));
    block->backend->operations->to_operand(block->backend, r->spread, tokens_of(block) * l->queries, r->gathered);
    return query_down_backward(block, g);
}

/* turned [tokens, rotated]: the sum over heads of their turned part's gradient. */
static void add_up_turned(const pare_block *block) {
    int64_t heads = block->widths.heads, rotated = block->config->latent.rotated;
    const pare_backend *backend = block->backend;
    pare_activations *a = block->activations;
    float *part = a->wide;
    memset(a->latent.turned, 0, (size_t)(tokens_of(block) * rotated) * sizeof(float));
    for (int64_t i = 0; i < tokens_of(block) * heads; i++) {
        float *sum = a->latent.turned + i / heads * rotated;
        pare_to_float(part, pare_operand_at(backend, a->dup, i * block->head), backend->operand, (size_t)rotated);
        for (int64_t j = 0; j < rotated; j++)
            sum[j] += part[j];
    }
}

/* wide [tokens, rank + rotated]: gradients of the latent and of the turned part, side by side. */
static void join_key(const pare_block *block) {
    const pare_latent *l = &block->config->latent;
    const pare_latent_room *r = &block->activations->latent;
    size_t rank = l->keys, rotated = l->rotated;
    for (int64_t t = 0; t < tokens_of(block); t++) {
        float *row = block->activations->wide + (size_t)t * (rank + rotated);
        memcpy(row, r->spread + (size_t)t * rank, rank * sizeof *row);
        memcpy(row + rank, r->turned + (size_t)t * rotated, rotated * sizeof *row);
    }
}

static pare_status keys_backward(const pare_block *block, const pare_block_gradients *g) {
    const pare_latent *l = &block->config->latent;
    pare_activations *a = block->activations;
    pare_latent_room *r = &a->latent;
    int64_t head = block->head, plain = l->plain, value = l->value, both = plain + value;
    size_t size = pare_operand_size(block->backend);
    move_parts(block, (moved){l->rotated, head, 0, both, plain}, a->dup, r->gathered, size);
    move_parts(block, (moved){0, head, plain, both, value}, a->dout, r->gathered, size);
    add_up_turned(block);
    PARE_TRY(pare_linear_weight_gradient(block, g, PARE_ROLE_V, r->gathered, r->keys.normed));
    PARE_TRY(pare_linear_input_gradient(block, PARE_ROLE_V, r->gathered, false, r->spread));
    PARE_TRY(norm_latent_backward(block, g, PARE_ROLE_K_NORM, l->keys, &r->keys));
    join_key(block);
    block->backend->operations->to_operand(block->backend, a->wide, tokens_of(block) * (l->keys + l->rotated),
                                           r->gathered);
    PARE_TRY(pare_linear_weight_gradient(block, g, PARE_ROLE_K, r->gathered, a->normed1));
    return pare_linear_input_gradient(block, PARE_ROLE_K, r->gathered, true, a->dnormed);
}

pare_status pare_latent_backward(const pare_block *block, const pare_block_gradients *g) {
    PARE_TRY(queries_backward(block, g));
    return keys_backward(block, g);
}
