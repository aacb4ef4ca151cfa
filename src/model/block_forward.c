#include "model/block_linear.h"

#include <string.h>

/* Queries, keys and values of normed1, as head-major operands; keys and values go behind the cached ones. */
static pare_status project_heads(const pare_block *block) {
    const pare_backend_operations *ops = block->backend->operations;
    pare_activations *a = block->activations;
    int64_t groups = block->widths.kv_heads, shared = pare_widths_shared(&block->widths);
    bool cached = block->cache_k != NULL;
    pare_heads queries = {.batch = block->batch,
                          .tokens = block->length,
                          .groups = groups,
                          .shared = shared,
                          .head = block->head,
                          .capacity = block->length};
    pare_heads keys = queries;
    keys.shared = 1;
    keys.capacity = cached ? block->cache_capacity : block->length;
    keys.offset = cached ? block->cache_tokens : 0;
    const float *key_rotation = block->rotation - keys.offset * block->head;

    PARE_TRY(pare_linear_forward(block, PARE_ROLE_Q, a->normed1, false, a->wide));
    ops->split_heads(block->backend, &queries, a->wide, block->rotation, a->q);
    PARE_TRY(pare_linear_forward(block, PARE_ROLE_K, a->normed1, false, a->wide));
    ops->split_heads(block->backend, &keys, a->wide, key_rotation, cached ? block->cache_k : a->k);
    PARE_TRY(pare_linear_forward(block, PARE_ROLE_V, a->normed1, false, a->wide));
    ops->split_heads(block->backend, &keys, a->wide, NULL, cached ? block->cache_v : a->v);
    return PARE_OK;
}

static pare_status attend(const pare_block *block) {
    const pare_backend_operations *ops = block->backend->operations;
    pare_activations *a = block->activations;
    bool cached = block->cache_k != NULL;
    pare_attention shape = {.batch = block->batch,
                            .groups = block->widths.kv_heads,
                            .shared = pare_widths_shared(&block->widths),
                            .head = block->head,
                            .queries = block->length,
                            .keys = cached ? block->cache_tokens + block->length : block->length,
                            .key_capacity = cached ? block->cache_capacity : block->length};
    PARE_TRY(ops->attention_forward(block->backend, &shape, a->q, cached ? block->cache_k : a->k,
                                    cached ? block->cache_v : a->v, a->attended, a->logsum));
    pare_heads merged = {.batch = block->batch,
                         .tokens = block->length,
                         .groups = shape.groups,
                         .shared = shape.shared,
                         .head = block->head,
                         .capacity = block->length};
    ops->merge_heads(block->backend, &merged, a->attended, NULL, a->merged);
    return PARE_OK;
}

pare_status pare_block_forward(const pare_block *block, const float *x, float *out) {
    const pare_backend *backend = block->backend;
    const pare_backend_operations *ops = backend->operations;
    pare_activations *a = block->activations;
    int64_t n = block->batch * block->length, d = block->hidden, f = block->widths.ffn;
    size_t bytes = (size_t)(n * d) * sizeof(float);

    ops->rmsnorm_forward(backend, x, block->weights.norm[0], block->eps, n, d, a->normed1, a->inverse1);
    PARE_TRY(project_heads(block));
    PARE_TRY(attend(block));
    memcpy(a->middle, x, bytes);
    PARE_TRY(pare_linear_forward(block, PARE_ROLE_O, a->merged, true, a->middle));

    ops->rmsnorm_forward(backend, a->middle, block->weights.norm[1], block->eps, n, d, a->normed2, a->inverse2);
    PARE_TRY(pare_linear_forward(block, PARE_ROLE_GATE, a->normed2, false, a->gate));
    PARE_TRY(pare_linear_forward(block, PARE_ROLE_UP, a->normed2, false, a->up));
    ops->swiglu_forward(backend, a->gate, a->up, n * f, a->activated);
    if (!out) return PARE_OK;
    memcpy(out, a->middle, bytes);
    return pare_linear_forward(block, PARE_ROLE_DOWN, a->activated, true, out);
}
