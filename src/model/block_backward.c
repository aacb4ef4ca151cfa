#include "model/block_heads.h"
#include "model/block_linear.h"

#include <string.h>

/* Backward of a norm whose output gradient is a->dnormed: adds to dx and hands the weight's gradient on when complete.
 */
static pare_status norm_backward(const pare_block *block, const pare_block_gradients *g, int which, const float *x,
                                 const float *inverse, float *dx) {
    pare_activations *a = block->activations;
    int64_t n = block->batch * block->length, d = block->hidden;
    size_t id = pare_tensor_id(block->layer, (pare_role)(PARE_MATRIX_ROLES + which));
    double *sums = g->sink->wants(g->sink->context, id) ? g->norm_sums[which] : NULL;
    if (sums && g->first) memset(sums, 0, (size_t)d * sizeof *sums);
    const pare_norm norm = {.weight = block->weights.norm[which], .eps = block->eps};
    block->backend->operations->norm_backward(block->backend, &norm, x, inverse, a->dnormed, n, d, dx, true, sums,
                                              NULL);
    if (!sums || !g->last) return PARE_OK;
    for (int64_t i = 0; i < d; i++)
        g->chunk[i] = (float)sums[i];
    return g->sink->rows(g->sink->context, id, 0, 1, d, g->chunk, NULL);
}

static pare_status ffn_backward(const pare_block *block, const pare_block_gradients *g, float *dx) {
    const pare_backend *backend = block->backend;
    pare_activations *a = block->activations;
    int64_t n = block->batch * block->length, d = block->hidden, f = block->widths.ffn;
    backend->operations->to_operand(backend, dx, n * d, a->dout);
    PARE_TRY(pare_linear_weight_gradient(block, g, PARE_ROLE_DOWN, a->dout, a->activated));
    PARE_TRY(pare_linear_input_gradient(block, PARE_ROLE_DOWN, a->dout, false, a->wide));
    backend->operations->gated_backward(backend, PARE_ACTIVATION_SILU, a->gate, a->up, a->wide, n * f, a->dgate,
                                        a->dup);
    PARE_TRY(pare_linear_weight_gradient(block, g, PARE_ROLE_GATE, a->dgate, a->normed2));
    PARE_TRY(pare_linear_weight_gradient(block, g, PARE_ROLE_UP, a->dup, a->normed2));
    PARE_TRY(pare_linear_input_gradient(block, PARE_ROLE_GATE, a->dgate, false, a->dnormed));
    PARE_TRY(pare_linear_input_gradient(block, PARE_ROLE_UP, a->dup, true, a->dnormed));
    return norm_backward(block, g, 1, a->middle, a->inverse2, dx);
}

/* Leaves dQ, dK, dV as token-major operands in a->dgate, a->dup and a->dout. */
static pare_status attention_backward(const pare_block *block, const pare_block_gradients *g, float *dx) {
    const pare_backend *backend = block->backend;
    pare_activations *a = block->activations;
    int64_t n = block->batch * block->length, d = block->hidden;
    backend->operations->to_operand(backend, dx, n * d, a->dout);
    PARE_TRY(pare_linear_weight_gradient(block, g, PARE_ROLE_O, a->dout, a->merged));
    PARE_TRY(pare_linear_input_gradient(block, PARE_ROLE_O, a->dout, false, a->wide));
    return pare_heads_attend_backward(block);
}

pare_status pare_block_backward(const pare_block *block, const pare_block_gradients *g, const float *x, float *dx,
                                bool need_input) {
    pare_activations *a = block->activations;
    const pare_gradient_sink *sink = g->sink;
    int64_t n = block->batch * block->length;
    if (sink->output_gradient) PARE_TRY(sink->output_gradient(sink->context, block->layer, g->first_token, n, dx));
    PARE_TRY(ffn_backward(block, g, dx));
    if (sink->middle_gradient) PARE_TRY(sink->middle_gradient(sink->context, block->layer, g->first_token, n, dx));
    PARE_TRY(attention_backward(block, g, dx));
    PARE_TRY(pare_linear_weight_gradient(block, g, PARE_ROLE_Q, a->dgate, a->normed1));
    PARE_TRY(pare_linear_weight_gradient(block, g, PARE_ROLE_K, a->dup, a->normed1));
    PARE_TRY(pare_linear_weight_gradient(block, g, PARE_ROLE_V, a->dout, a->normed1));
    size_t norm = pare_tensor_id(block->layer, PARE_ROLE_INPUT_NORM);
    if (!need_input && !sink->wants(sink->context, norm)) return PARE_OK;
    PARE_TRY(pare_linear_input_gradient(block, PARE_ROLE_Q, a->dgate, false, a->dnormed));
    PARE_TRY(pare_linear_input_gradient(block, PARE_ROLE_K, a->dup, true, a->dnormed));
    PARE_TRY(pare_linear_input_gradient(block, PARE_ROLE_V, a->dout, true, a->dnormed));
    return norm_backward(block, g, 0, x, a->inverse1, dx);
}
