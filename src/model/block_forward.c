#include "model/block_experts.h"
#include "model/block_heads.h"
#include "model/block_latent.h"
#include "model/block_linear.h"
#include "model/block_residual.h"

/* Queries, keys and values of normed1, as head-major operands; keys and values go behind the cached ones. */
static pare_status project_heads(const pare_block *block) {
    static const pare_role roles[] = {PARE_ROLE_Q, PARE_ROLE_K, PARE_ROLE_V};
    pare_activations *a = block->activations;
    if (pare_block_has_latents(block)) return pare_latent_project(block);
    for (int i = 0; i < 3; i++) {
        PARE_TRY(pare_linear_forward(block, roles[i], a->normed1, a->wide));
        pare_heads_split(block, roles[i], a->wide);
    }
    return PARE_OK;
}

static pare_status observe(const pare_block *block, pare_input_kind kind, const void *x, int64_t width,
                           bool by_feature) {
    const pare_observer *o = block->observer;
    if (!width || !o || !o->wants(o->context, block->layer, kind)) return PARE_OK;
    return o->see(o->context, block->layer, kind, x, block->batch * block->length, width, by_feature);
}

/* normed: operand [tokens, d], by the norm in a slot, or x itself where there is none. */
static void norm_input(const pare_block *block, pare_norm_slot slot, const float *x, void *normed, float *inverse) {
    const pare_backend_operations *ops = block->backend->operations;
    int64_t n = block->batch * block->length, d = block->hidden;
    pare_role role;
    if (!pare_block_input_norm(block, slot, &role)) {
        ops->to_operand(block->backend, x, n * d, normed);
        return;
    }
    const pare_norm norm = pare_block_norm(block, role);
    ops->norm_forward(block->backend, &norm, x, n, d, normed, false, inverse);
}

pare_status pare_block_attention_input(const pare_block *block, const float *x) {
    pare_activations *a = block->activations;
    norm_input(block, PARE_NORM_SLOT_INPUT, x, a->normed1, a->inverse1);
    return observe(block, PARE_INPUT_QKV, a->normed1, block->hidden, false);
}

pare_status pare_block_attend(const pare_block *block, const float *x) {
    pare_activations *a = block->activations;
    PARE_TRY(pare_block_attention_input(block, x));
    PARE_TRY(project_heads(block));
    PARE_TRY(pare_heads_attend(block));
    if (pare_block_has_latents(block)) pare_latent_narrow(block);
    return observe(block, PARE_INPUT_O, a->merged, pare_linear_of(block, PARE_ROLE_O).in, false);
}

pare_status pare_block_attention_output(const pare_block *block, const float *x, float *middle) {
    return pare_block_add(block, PARE_PART_ATTENTION, x, middle);
}

pare_status pare_block_ffn_input(const pare_block *block, const float *reads) {
    pare_activations *a = block->activations;
    norm_input(block, PARE_NORM_SLOT_POST, reads, a->normed2, a->inverse2);
    return observe(block, PARE_INPUT_GATE_UP, a->normed2, block->hidden, false);
}

pare_status pare_block_activate(const pare_block *block, const float *reads) {
    const pare_architecture *architecture = &block->config->architecture;
    pare_activations *a = block->activations;
    int64_t tokens = block->batch * block->length, f = block->widths.ffn;
    PARE_TRY(pare_block_ffn_input(block, reads));
    PARE_TRY(pare_block_route(block));
    if (!architecture->ungated) PARE_TRY(pare_linear_forward(block, PARE_ROLE_GATE, a->normed2, a->gate));
    PARE_TRY(pare_linear_forward(block, PARE_ROLE_UP, a->normed2, a->up));
    block->backend->operations->gated_forward(block->backend, pare_gating_of(architecture),
                                              architecture->ungated ? NULL : a->gate, a->up, tokens * f, a->activated);
    return observe(block, PARE_INPUT_DOWN, a->activated, f, pare_linear_ffn_by_feature(tokens));
}

pare_status pare_block_ffn_output(const pare_block *block, const float *middle, float *out) {
    return pare_block_add(block, PARE_PART_FFN, middle, out);
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
    PARE_TRY(pare_block_activate(block, pare_block_ffn_reads(block, x, middle)));
    if (out) return pare_block_ffn_output(block, middle, out);
    return pare_has_norm(&block->config->architecture, PARE_NORM_SLOT_FFN_OUT)
               ? pare_block_branch(block, PARE_PART_FFN, middle)
               : PARE_OK;
}
