#include "model/block_heads.h"

static pare_heads query_heads(const pare_block *block) {
    return (pare_heads){.batch = block->batch,
                        .tokens = block->length,
                        .groups = block->widths.kv_heads,
                        .shared = pare_widths_shared(&block->widths),
                        .head = block->head,
                        .capacity = block->length,
                        .positions = block->positions};
}

static pare_heads key_heads(const pare_block *block) {
    pare_heads heads = query_heads(block);
    heads.shared = 1;
    return heads;
}

void pare_heads_split(const pare_block *block, pare_role role, const float *projected) {
    const pare_backend_operations *ops = block->backend->operations;
    pare_activations *a = block->activations;
    if (role == PARE_ROLE_Q) {
        pare_heads queries = query_heads(block);
        ops->split_heads(block->backend, &queries, projected, block->rotation, a->q);
        return;
    }
    bool cached = block->cache_k != NULL, value = role == PARE_ROLE_V;
    pare_heads keys = key_heads(block);
    keys.capacity = cached ? block->cache_capacity : block->length;
    keys.offset = cached ? block->cache_tokens : 0;
    const float *rotation = block->rotation - keys.offset * block->head;
    void *k = cached ? block->cache_k : a->k, *v = cached ? block->cache_v : a->v;
    ops->split_heads(block->backend, &keys, projected, value ? NULL : rotation, value ? v : k);
}

/* Some sequences of the block, and where their heads and their rows of log-sums begin. */
typedef struct part {
    pare_attention shape;
    int64_t query, key, row;
} part;

static part part_at(const pare_block *block, int64_t first) {
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
                        .prefix = block->shared ? block->shared + token : NULL}};
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

pare_status pare_heads_attend_backward(const pare_block *block) {
    const pare_backend *backend = block->backend;
    const pare_backend_operations *ops = backend->operations;
    pare_activations *a = block->activations;
    pare_heads queries = query_heads(block), keys = key_heads(block);
    part p;
    ops->split_heads(backend, &queries, a->wide, NULL, a->dgate);
    for (int64_t s = 0; s < block->batch; s += p.shape.batch) {
        p = part_at(block, s);
        PARE_TRY(ops->attention_backward(
            backend, &p.shape, pare_operand_at(backend, a->q, p.query), pare_operand_at(backend, a->k, p.key),
            pare_operand_at(backend, a->v, p.key), a->attended + p.query, a->logsum + p.row,
            pare_operand_at(backend, a->dgate, p.query), a->wide + p.query, a->dk + p.key, a->dv + p.key));
    }
    ops->merge_heads(backend, &queries, a->wide, block->rotation, a->dgate);
    ops->merge_heads(backend, &keys, a->dk, block->rotation, a->dup);
    ops->merge_heads(backend, &keys, a->dv, NULL, a->dout);
    return PARE_OK;
}
