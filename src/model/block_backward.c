#include "model/block_experts.h"
#include "model/block_heads.h"
#include "model/block_latent.h"
#include "model/block_linear.h"
#include "model/block_residual.h"

#include <string.h>

/* From a->dnormed through the norm before attention, or the FFN, into dx. A norm that both share is used twice in a
 * micro-batch, by the FFN first. */
static pare_status input_norm_backward(const pare_block *block, const pare_block_gradients *g, pare_norm_slot slot,
                                       const float *x, float *dx) {
    pare_activations *a = block->activations;
    bool attention = slot == PARE_NORM_SLOT_INPUT, shared = block->config->architecture.shared_norm;
    pare_norm_backward norm = {.x = x,
                               .inverse = attention ? a->inverse1 : a->inverse2,
                               .dy = a->dnormed,
                               .rows = block->batch * block->length,
                               .length = block->hidden,
                               .accumulate = true,
                               .begin = !attention || !shared,
                               .end = attention || !shared};
    if (pare_block_input_norm(block, slot, &norm.role)) return pare_block_norm_backward(block, g, &norm, dx);
    for (int64_t i = 0; i < norm.rows * norm.length; i++)
        dx[i] += a->dnormed[i];
    return PARE_OK;
}

/* What reaches Down: less, where it stands beside experts behind a gate. */
static const float *shared_branch(const pare_block *block, const float *branch) {
    float *own = block->activations->experts.y;
    if (!pare_block_gates_shared(block)) return branch;
    memcpy(own, branch, (size_t)(block->batch * block->length * block->hidden) * sizeof *own);
    pare_block_share(block, own);
    return own;
}

/* branch: the gradient of what the FFN makes; reads: what the FFN reads. */
static pare_status ffn_backward(const pare_block *block, const pare_block_gradients *g, const float *branch,
                                const float *reads, float *dx) {
    const pare_backend *backend = block->backend;
    const pare_architecture *architecture = &block->config->architecture;
    pare_activations *a = block->activations;
    int64_t n = block->batch * block->length, d = block->hidden, f = block->widths.ffn;
    bool gated = !architecture->ungated;
    backend->operations->to_operand(backend, shared_branch(block, branch), n * d, a->dout);
    PARE_TRY(pare_linear_weight_gradient(block, g, PARE_ROLE_DOWN, a->dout, a->activated));
    PARE_TRY(pare_linear_input_gradient(block, PARE_ROLE_DOWN, a->dout, false, a->wide));
    backend->operations->gated_backward(backend, pare_gating_of(architecture), gated ? a->gate : NULL, a->up, a->wide,
                                        n * f, a->dgate, a->dup);
    if (gated) PARE_TRY(pare_linear_weight_gradient(block, g, PARE_ROLE_GATE, a->dgate, a->normed2));
    PARE_TRY(pare_linear_weight_gradient(block, g, PARE_ROLE_UP, a->dup, a->normed2));
    if (gated) PARE_TRY(pare_linear_input_gradient(block, PARE_ROLE_GATE, a->dgate, false, a->dnormed));
    PARE_TRY(pare_linear_input_gradient(block, PARE_ROLE_UP, a->dup, gated, a->dnormed));
    if (pare_block_gates_shared(block)) PARE_TRY(pare_block_shared_gate_backward(block, g, a->wide));
    PARE_TRY(pare_block_experts_backward(block, g, branch));
    return input_norm_backward(block, g, PARE_NORM_SLOT_POST, reads, dx);
}

/* Leaves dQ, dK, dV as token-major operands in a->dgate, a->dup and a->dout. */
static pare_status attention_backward(const pare_block *block, const pare_block_gradients *g, const float *branch) {
    const pare_backend *backend = block->backend;
    pare_activations *a = block->activations;
    int64_t n = block->batch * block->length, d = block->hidden;
    backend->operations->to_operand(backend, branch, n * d, a->dout);
    PARE_TRY(pare_linear_weight_gradient(block, g, PARE_ROLE_O, a->dout, a->merged));
    PARE_TRY(pare_linear_input_gradient(block, PARE_ROLE_O, a->dout, false, a->wide));
    if (pare_block_has_latents(block)) pare_latent_widen(block);
    return pare_heads_attend_backward(block, g);
}

/* Something before Q, K and V wants gradients. */
static bool wants_input_norm(const pare_block *block, const pare_gradient_sink *sink) {
    pare_role bias = pare_roles[PARE_ROLE_INPUT_NORM].bias;
    return sink->wants(sink->context, pare_tensor_id(block->layer, PARE_ROLE_INPUT_NORM)) ||
           (block->weights.vector[bias] &&
            sink->wants(sink->context, pare_tensor_id_in(block->config, block->layer, bias)));
}

pare_status pare_block_ffn_backward(const pare_block *block, const pare_block_gradients *g, const float *reads,
                                    float *dx) {
    const float *branch;
    PARE_TRY(pare_block_add_backward(block, g, PARE_PART_FFN, dx, &branch));
    return ffn_backward(block, g, branch, reads, dx);
}

/* dout: the gradient of what attention's branch is added to; dx: where that of its input is added. */
static pare_status attention_part_backward(const pare_block *block, const pare_block_gradients *g, const float *x,
                                           float *dout, float *dx, bool need_input) {
    pare_activations *a = block->activations;
    const float *branch;
    PARE_TRY(pare_block_add_backward(block, g, PARE_PART_ATTENTION, dout, &branch));
    PARE_TRY(attention_backward(block, g, branch));
    if (pare_block_has_latents(block)) {
        PARE_TRY(pare_latent_backward(block, g));
        return input_norm_backward(block, g, PARE_NORM_SLOT_INPUT, x, dx);
    }
    PARE_TRY(pare_linear_weight_gradient(block, g, PARE_ROLE_Q, a->dgate, a->normed1));
    PARE_TRY(pare_linear_weight_gradient(block, g, PARE_ROLE_K, a->dup, a->normed1));
    PARE_TRY(pare_linear_weight_gradient(block, g, PARE_ROLE_V, a->dout, a->normed1));
    if (!need_input && !wants_input_norm(block, g->sink)) return PARE_OK;
    PARE_TRY(pare_linear_input_gradient(block, PARE_ROLE_Q, a->dgate, false, a->dnormed));
    PARE_TRY(pare_linear_input_gradient(block, PARE_ROLE_K, a->dup, true, a->dnormed));
    PARE_TRY(pare_linear_input_gradient(block, PARE_ROLE_V, a->dout, true, a->dnormed));
    return input_norm_backward(block, g, PARE_NORM_SLOT_INPUT, x, dx);
}

pare_status pare_block_attention_backward(const pare_block *block, const pare_block_gradients *g, const float *x,
                                          float *dx, bool need_input) {
    return attention_part_backward(block, g, x, dx, dx, need_input);
}

pare_status pare_block_backward(const pare_block *block, const pare_block_gradients *g, const float *x, float *dx,
                                bool need_input) {
    pare_activations *a = block->activations;
    const pare_gradient_sink *sink = g->sink;
    int64_t n = block->batch * block->length;
    bool parallel = block->config->architecture.parallel;
    float *dmiddle = parallel ? a->dkept : dx;
    if (sink->output_gradient) PARE_TRY(sink->output_gradient(sink->context, block->layer, g->first_token, n, dx));
    if (parallel) memcpy(a->dkept, dx, (size_t)(n * block->hidden) * sizeof *dx);
    PARE_TRY(pare_block_ffn_backward(block, g, pare_block_ffn_reads(block, x, a->middle), dx));
    if (sink->middle_gradient) PARE_TRY(sink->middle_gradient(sink->context, block->layer, g->first_token, n, dmiddle));
    return attention_part_backward(block, g, x, dmiddle, dx, need_input);
}
