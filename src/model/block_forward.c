#include "model/block_heads.h"
#include "model/block_linear.h"

/* Queries, keys and values of normed1, as head-major operands; keys and values go behind the cached ones. */
static pare_status project_heads(const pare_block *block) {
    static const pare_role roles[] = {PARE_ROLE_Q, PARE_ROLE_K, PARE_ROLE_V};
    pare_activations *a = block->activations;
    for (int i = 0; i < 3; i++) {
        PARE_TRY(pare_linear_forward(block, roles[i], a->normed1, a->wide));
        pare_heads_split(block, roles[i], a->wide);
    }
    return PARE_OK;
}

static pare_status observe(const pare_block *block, pare_input_kind kind, const void *x, int64_t width,
                           bool by_feature) {
    const pare_observer *o = block->observer;
    if (!o || !o->wants(o->context, block->layer, kind)) return PARE_OK;
    return o->see(o->context, block->layer, kind, x, block->batch * block->length, width, by_feature);
}

pare_status pare_block_attention_input(const pare_block *block, const float *x) {
    pare_activations *a = block->activations;
    const pare_norm norm = {.weight = block->weights.norm[0], .eps = block->eps};
    block->backend->operations->norm_forward(block->backend, &norm, x, block->batch * block->length, block->hidden,
                                             a->normed1, false, a->inverse1);
    return observe(block, PARE_INPUT_QKV, a->normed1, block->hidden, false);
}

pare_status pare_block_attend(const pare_block *block, const float *x) {
    pare_activations *a = block->activations;
    PARE_TRY(pare_block_attention_input(block, x));
    PARE_TRY(project_heads(block));
    PARE_TRY(pare_heads_attend(block));
    return observe(block, PARE_INPUT_O, a->merged, (int64_t)block->widths.heads * block->head, false);
}

pare_status pare_block_attention_output(const pare_block *block, const float *x, float *middle) {
    return pare_linear_add(block, PARE_ROLE_O, block->activations->merged, x, middle);
}

pare_status pare_block_ffn_input(const pare_block *block, const float *middle) {
    pare_activations *a = block->activations;
    const pare_norm norm = {.weight = block->weights.norm[1], .eps = block->eps};
    block->backend->operations->norm_forward(block->backend, &norm, middle, block->batch * block->length, block->hidden,
                                             a->normed2, false, a->inverse2);
    return observe(block, PARE_INPUT_GATE_UP, a->normed2, block->hidden, false);
}

pare_status pare_block_activate(const pare_block *block, const float *middle) {
    const pare_backend_operations *ops = block->backend->operations;
    pare_activations *a = block->activations;
    int64_t tokens = block->batch * block->length, f = block->widths.ffn;
    PARE_TRY(pare_block_ffn_input(block, middle));
    PARE_TRY(pare_linear_forward(block, PARE_ROLE_GATE, a->normed2, a->gate));
    PARE_TRY(pare_linear_forward(block, PARE_ROLE_UP, a->normed2, a->up));
    ops->gated_forward(block->backend, PARE_ACTIVATION_SILU, a->gate, a->up, tokens * f, a->activated);
    return observe(block, PARE_INPUT_DOWN, a->activated, f, pare_linear_ffn_by_feature(tokens));
}

pare_status pare_block_ffn_output(const pare_block *block, const float *middle, float *out) {
    return pare_linear_add(block, PARE_ROLE_DOWN, block->activations->activated, middle, out);
}

pare_status pare_block_attention_forward(const pare_block *block, const float *x, float *middle) {
    PARE_TRY(pare_block_attend(block, x));
    return pare_block_attention_output(block, x, middle);
}

pare_status pare_block_ffn_forward(const pare_block *block, const float *middle, float *out) {
    PARE_TRY(pare_block_activate(block, middle));
    return pare_block_ffn_output(block, middle, out);
}

pare_status pare_block_forward(const pare_block *block, const float *x, float *out) {
    float *middle = block->activations->middle;
    PARE_TRY(pare_block_attention_forward(block, x, middle));
    return out ? pare_block_ffn_forward(block, middle, out) : pare_block_activate(block, middle);
}
