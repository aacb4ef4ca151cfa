#include "model/block_heads.h"
#include "model/block_residual.h"
#include "support/vectorize.h"

#include <math.h>
#include <string.h>

static pare_heads query_heads(const pare_block *block) {
    int rotation = block->config->plan[block->layer].rotation;
    return (pare_heads){.batch = block->batch,
                        .tokens = block->length,
                        .groups = block->widths.kv_heads,
                        .shared = pare_widths_shared(&block->widths),
                        .head = block->head,
                        .capacity = block->length,
                        .positions = block->positions,
                        .rotated = rotation < 0 ? 0 : block->config->rope[rotation].rotated,
                        .interleaved = block->config->architecture.interleaved};
}

static pare_heads key_heads(const pare_block *block) {
    pare_heads heads = query_heads(block);
    heads.shared = 1;
    return heads;
}

static bool is_normed(const pare_block *block, pare_role role) {
    const pare_architecture *a = &block->config->architecture;
    bool here = !a->head_norm_turned || block->config->plan[block->layer].rotation >= 0;
    return a->head_norm != PARE_HEAD_NORM_NONE && here && role != PARE_ROLE_V;
}

/* Before the norm, where there is one, what it reads is kept for its backward; so is what was clamped. */
static bool keeps_projected(const pare_block *block, pare_role role) {
    return block->config->architecture.qkv_clip > 0.0 || is_normed(block, role);
}

static int64_t width_of(const pare_block *block, pare_role role) {
    return block->head * (role == PARE_ROLE_Q ? block->widths.heads : block->widths.kv_heads);
}

PARE_VECTORIZE static void clamp(float *x, float most, int64_t n) {
    for (int64_t i = 0; i < n; i++)
        x[i] = x[i] > most ? most : x[i] < -most ? -most : x[i];
}

PARE_VECTORIZE static void scale_row(float *x, float scale, int64_t n) {
    for (int64_t i = 0; i < n; i++)
        x[i] *= scale;
}

/* The norm of queries or keys: rows and their length. */
static pare_norm_backward head_norm(const pare_block *block, pare_role role) {
    pare_activations *a = block->activations;
    int64_t n = block->batch * block->length, width = width_of(block, role);
    bool all = block->config->architecture.head_norm == PARE_HEAD_NORM_ALL, query = role == PARE_ROLE_Q;
    return (pare_norm_backward){.role = query ? PARE_ROLE_Q_NORM : PARE_ROLE_K_NORM,
                                .x = a->projected[role],
                                .inverse = a->head_inverse[query ? 0 : 1],
                                .rows = all ? n : n * (width / block->head),
                                .length = all ? width : block->head,
                                .begin = true,
                                .end = true};
}

static pare_heads heads_of(const pare_block *block, pare_role role) {
    return role == PARE_ROLE_Q ? query_heads(block) : key_heads(block);
}

/* Queries, by token, as their positions ask for it; forward and backward are the same. */
static void scale_queries(const pare_block *block, pare_role role, float *x) {
    int64_t n = block->batch * block->length, width = width_of(block, role);
    if (role != PARE_ROLE_Q || !block->query_scale) return;
#pragma omp parallel for schedule(static) if (n * width > 8192)
    for (int64_t t = 0; t < n; t++)
        scale_row(x + t * width, block->query_scale[block->positions ? block->positions[t] : t % block->length], width);
}

/* projected, in place: clamped and normed, and rotated where the norm comes behind the rotation. */
static void prepare(const pare_block *block, pare_role role, float *projected) {
    const pare_architecture *architecture = &block->config->architecture;
    const pare_backend_operations *ops = block->backend->operations;
    int64_t elements = block->batch * block->length * width_of(block, role);
    if (!elements) return;
    pare_activations *a = block->activations;
    bool normed = is_normed(block, role);
    if (architecture->qkv_clip > 0.0) clamp(projected, (float)architecture->qkv_clip, elements);
    if (normed && architecture->head_norm == PARE_HEAD_NORM_ROTATED && block->rotation) {
        pare_heads heads = heads_of(block, role);
        ops->rotate(block->backend, &heads, projected, block->rotation, false);
    }
    if (keeps_projected(block, role)) memcpy(a->projected[role], projected, (size_t)elements * sizeof *projected);
    if (normed) {
        const pare_norm_backward shape = head_norm(block, role);
        const pare_norm norm = pare_block_norm(block, shape.role);
        ops->norm_forward(block->backend, &norm, shape.x, shape.rows, shape.length, projected, true,
                          a->head_inverse[role == PARE_ROLE_Q ? 0 : 1]);
    }
    scale_queries(block, role, projected);
}

/* The rotation that splitting or merging does by itself. */
static const float *split_rotation(const pare_block *block, pare_role role) {
    bool before = block->config->architecture.head_norm == PARE_HEAD_NORM_ROTATED;
    return role == PARE_ROLE_V || before ? NULL : block->rotation;
}

void pare_heads_split(const pare_block *block, pare_role role, float *projected) {
    const pare_backend_operations *ops = block->backend->operations;
    pare_activations *a = block->activations;
    const float *rotation = split_rotation(block, role);
    prepare(block, role, projected);
    if (role == PARE_ROLE_Q) {
        pare_heads queries = query_heads(block);
        ops->split_heads(block->backend, &queries, projected, rotation, a->q);
        return;
    }
    bool cached = block->cache_k != NULL;
    pare_heads keys = key_heads(block);
    keys.capacity = cached ? block->cache_capacity : block->length;
    keys.offset = cached ? block->cache_tokens : 0;
    if (rotation) rotation -= keys.offset * keys.rotated;
    void *k = cached ? block->cache_k : a->k, *v = cached ? block->cache_v : a->v;
    ops->split_heads(block->backend, &keys, projected, rotation, role == PARE_ROLE_V ? v : k);
}

/* Some sequences of the block, and where their heads and their rows of log-sums begin. */
typedef struct part {
    pare_attention shape;
    int64_t query, key, row;
} part;

static float score_scale(const pare_block *block) {
    const pare_architecture *a = &block->config->architecture;
    double usual = 1 / sqrt((double)block->head);
    if (!a->scale_by_layer) return (float)a->attention_scale;
    return (float)((a->attention_scale > 0.0 ? a->attention_scale : usual) / (block->layer + 1));
}

static part part_at(const pare_block *block, int64_t first) {
    const pare_architecture *architecture = &block->config->architecture;
    bool cached = block->cache_k != NULL;
    int64_t left = block->batch - first, most = block->attention_batch, token = first * block->length;
    part p = {.shape = {.batch = most && most < left ? most : left,
                        .groups = block->widths.kv_heads,
                        .shared = pare_widths_shared(&block->widths),
                        .head = block->head,
                        .queries = block->length,
                        .keys = cached ? block->cache_tokens + block->length : block->length,
                        .key_capacity = cached ? block->cache_capacity : block->length,
                        .start = block->start ? block->start + token : NULL,
                        .prefix = block->shared ? block->shared + token : NULL,
                        .scale = score_scale(block),
                        .cap = (float)architecture->attention_cap,
                        .window = block->config->plan[block->layer].window,
                        .chunked = architecture->chunked,
                        .slopes = block->slopes,
                        .rounded_slopes = architecture->slopes == PARE_SLOPES_FALCON,
                        .bidirectional = architecture->bidirectional,
                        .sinks = block->weights.vector[PARE_ROLE_SINKS]}};
    p.row = token * block->widths.heads;
    p.query = p.row * block->head;
    p.key = first * p.shape.groups * p.shape.key_capacity * block->head;
    return p;
}

pare_status pare_heads_attend(const pare_block *block) {
    const pare_backend *backend = block->backend;
    pare_activations *a = block->activations;
    const void *k = block->cache_k ? block->cache_k : a->k, *v = block->cache_k ? block->cache_v : a->v;
    part p;
    if (!block->widths.heads) return PARE_OK;
    for (int64_t s = 0; s < block->batch; s += p.shape.batch) {
        p = part_at(block, s);
        PARE_TRY(backend->operations->attention_forward(
            backend, &p.shape, pare_operand_at(backend, a->q, p.query), pare_operand_at(backend, k, p.key),
            pare_operand_at(backend, v, p.key), a->attended + p.query, a->logsum + p.row));
    }
    pare_heads merged = query_heads(block);
    backend->operations->merge_heads(backend, &merged, a->attended, NULL, a->merged);
    return PARE_OK;
}

/* Where the clamp held, nothing flows back. */
PARE_VECTORIZE static void clear_clamped(const float *restrict x, float most, int64_t n, float *restrict dx) {
    for (int64_t i = 0; i < n; i++)
        dx[i] = x[i] >= most || x[i] <= -most ? 0.0f : dx[i];
}

/* gradient: operand [tokens, width] of queries, keys or values as attention reads them; becomes that of the projection.
 * Its numbers are in `wide` meanwhile. */
static pare_status prepare_backward(const pare_block *block, const pare_block_gradients *g, pare_role role,
                                    void *gradient) {
    const pare_architecture *architecture = &block->config->architecture;
    const pare_backend_operations *ops = block->backend->operations;
    pare_activations *a = block->activations;
    int64_t elements = block->batch * block->length * width_of(block, role);
    if (!keeps_projected(block, role) && (role != PARE_ROLE_Q || !block->query_scale)) return PARE_OK;
    ops->from_operand(block->backend, gradient, elements, a->wide);
    scale_queries(block, role, a->wide);
    if (is_normed(block, role)) {
        pare_norm_backward norm = head_norm(block, role);
        norm.dy = a->wide;
        PARE_TRY(pare_block_norm_backward(block, g, &norm, a->wide));
        if (architecture->head_norm == PARE_HEAD_NORM_ROTATED && block->rotation) {
            pare_heads heads = heads_of(block, role);
            ops->rotate(block->backend, &heads, a->wide, block->rotation, true);
        }
    }
    if (architecture->qkv_clip > 0.0)
        clear_clamped(a->projected[role], (float)architecture->qkv_clip, elements, a->wide);
    ops->to_operand(block->backend, a->wide, elements, gradient);
    return PARE_OK;
}

pare_status pare_heads_attend_backward(const pare_block *block, const pare_block_gradients *g) {
    const pare_backend *backend = block->backend;
    const pare_backend_operations *ops = backend->operations;
    pare_activations *a = block->activations;
    pare_heads queries = query_heads(block), keys = key_heads(block);
    double *sinks = pare_block_vector_sums(block, g, PARE_ROLE_SINKS, true);
    part p;
    if (!block->widths.heads) return PARE_OK;
    ops->split_heads(backend, &queries, a->wide, NULL, a->dgate);
    for (int64_t s = 0; s < block->batch; s += p.shape.batch) {
        p = part_at(block, s);
        PARE_TRY(ops->attention_backward(
            backend, &p.shape, pare_operand_at(backend, a->q, p.query), pare_operand_at(backend, a->k, p.key),
            pare_operand_at(backend, a->v, p.key), a->attended + p.query, a->logsum + p.row,
            pare_operand_at(backend, a->dgate, p.query), a->wide + p.query, a->dk + p.key, a->dv + p.key));
        if (sinks)
            ops->sinks_backward(backend, &p.shape, a->attended + p.query, a->logsum + p.row,
                                pare_operand_at(backend, a->dgate, p.query), sinks);
    }
    PARE_TRY(pare_block_vector_done(block, g, PARE_ROLE_SINKS));
    ops->merge_heads(backend, &queries, a->wide, split_rotation(block, PARE_ROLE_Q), a->dgate);
    ops->merge_heads(backend, &keys, a->dk, split_rotation(block, PARE_ROLE_K), a->dup);
    ops->merge_heads(backend, &keys, a->dv, NULL, a->dout);
    PARE_TRY(prepare_backward(block, g, PARE_ROLE_Q, a->dgate));
    PARE_TRY(prepare_backward(block, g, PARE_ROLE_K, a->dup));
    return prepare_backward(block, g, PARE_ROLE_V, a->dout);
}
