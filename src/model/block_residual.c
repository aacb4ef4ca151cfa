#include "model/block_residual.h"
#include "model/block_experts.h"
#include "model/block_linear.h"
#include "support/vectorize.h"

#include <string.h>

bool pare_block_input_norm(const pare_block *block, pare_norm_slot slot, pare_role *role) {
    const pare_architecture *a = &block->config->architecture;
    *role = slot == PARE_NORM_SLOT_INPUT || a->shared_norm ? PARE_ROLE_INPUT_NORM : PARE_ROLE_POST_NORM;
    return pare_has_norm(a, *role == PARE_ROLE_INPUT_NORM ? PARE_NORM_SLOT_INPUT : PARE_NORM_SLOT_POST);
}

static pare_role out_norm(pare_part part) {
    return part == PARE_PART_ATTENTION ? PARE_ROLE_ATTENTION_OUT_NORM : PARE_ROLE_FFN_OUT_NORM;
}

static bool has_out_norm(const pare_block *block, pare_part part) {
    return pare_has_norm(&block->config->architecture,
                         part == PARE_PART_ATTENTION ? PARE_NORM_SLOT_ATTENTION_OUT : PARE_NORM_SLOT_FFN_OUT);
}

static float residual_scale(const pare_block *block) {
    return pare_scale_or_one(block->config->architecture.residual_scale);
}

static bool is_plain(const pare_block *block, pare_part part) {
    double scale = block->config->architecture.residual_scale;
    bool gated = part == PARE_PART_FFN && pare_block_gates_shared(block);
    return !gated && !has_out_norm(block, part) && (scale <= 0.0 || scale == 1.0);
}

PARE_VECTORIZE static void add_scaled(const float *restrict branch, float scale, int64_t n, const float *in,
                                      float *out) {
    for (int64_t i = 0; i < n; i++)
        out[i] = in[i] + scale * branch[i];
}

/* out = in + scale * branch; any of them may be the same. */
static void add(const pare_block *block, const float *branch, const float *in, float *out) {
    int64_t n = block->batch * block->length, d = block->hidden;
    float scale = residual_scale(block);
#pragma omp parallel for schedule(static) if (n * d > 8192)
    for (int64_t t = 0; t < n; t++)
        add_scaled(branch + t * d, scale, d, in + t * d, out + t * d);
}

/* What O or Down makes, and where a norm is behind the part, what that makes of it. */
static pare_status make_branch(const pare_block *block, pare_part part, const float *in, float *normed) {
    pare_activations *a = block->activations;
    bool attention = part == PARE_PART_ATTENTION;
    float *branch = a->branch[part];
    PARE_TRY(pare_linear_forward(block, attention ? PARE_ROLE_O : PARE_ROLE_DOWN, attention ? a->merged : a->activated,
                                 branch));
    if (!attention) pare_block_share(block, branch);
    if (!attention) PARE_TRY(pare_block_experts_add(block, branch));
    if (block->config->architecture.norm_after_add) add(block, branch, in, branch);
    if (!has_out_norm(block, part)) return PARE_OK;
    const pare_norm norm = pare_block_norm(block, out_norm(part));
    block->backend->operations->norm_forward(block->backend, &norm, branch, block->batch * block->length, block->hidden,
                                             normed, true, a->branch_inverse[part]);
    return PARE_OK;
}

pare_status pare_block_branch(const pare_block *block, pare_part part, const float *in) {
    return make_branch(block, part, in, block->activations->branch[2]);
}

pare_status pare_block_add(const pare_block *block, pare_part part, const float *in, float *out) {
    pare_activations *a = block->activations;
    bool attention = part == PARE_PART_ATTENTION, after = block->config->architecture.norm_after_add;
    if (is_plain(block, part)) {
        if (attention) return pare_linear_add(block, PARE_ROLE_O, a->merged, in, out);
        PARE_TRY(pare_linear_add(block, PARE_ROLE_DOWN, a->activated, in, out));
        return pare_block_experts_add(block, out);
    }
    float *normed = after ? out : a->branch[2];
    PARE_TRY(make_branch(block, part, in, normed));
    if (!after) add(block, has_out_norm(block, part) ? normed : a->branch[part], in, out);
    return PARE_OK;
}

PARE_VECTORIZE static void scale_to(const float *restrict from, float scale, int64_t n, float *restrict to) {
    for (int64_t i = 0; i < n; i++)
        to[i] = scale * from[i];
}

static void scaled_copy(const pare_block *block, const float *from, float scale, float *to) {
    int64_t n = block->batch * block->length, d = block->hidden;
#pragma omp parallel for schedule(static) if (n * d > 8192)
    for (int64_t t = 0; t < n; t++)
        scale_to(from + t * d, scale, d, to + t * d);
}

pare_status pare_block_add_backward(const pare_block *block, const pare_block_gradients *g, pare_part part, float *dx,
                                    const float **branch) {
    pare_activations *a = block->activations;
    *branch = dx;
    if (is_plain(block, part)) return PARE_OK;
    bool after = block->config->architecture.norm_after_add, normed = has_out_norm(block, part);
    pare_norm_backward norm = {.role = out_norm(part),
                               .x = a->branch[part],
                               .inverse = a->branch_inverse[part],
                               .rows = block->batch * block->length,
                               .length = block->hidden,
                               .begin = true,
                               .end = true};
    norm.dy = dx;
    if (normed && after) PARE_TRY(pare_block_norm_backward(block, g, &norm, dx));
    scaled_copy(block, dx, residual_scale(block), a->dbranch);
    norm.dy = a->dbranch;
    if (normed && !after) PARE_TRY(pare_block_norm_backward(block, g, &norm, a->dbranch));
    *branch = a->dbranch;
    return PARE_OK;
}

static bool wants(const pare_block *block, const pare_block_gradients *g, pare_role role) {
    if (role >= PARE_ALL_ROLES || !block->weights.vector[role] || !g->vector_sums[role]) return false;
    return g->sink->wants(g->sink->context, pare_tensor_id_in(block->config, block->layer, role));
}

int64_t pare_block_vector_length(const pare_block *block, pare_role role) {
    return pare_config_span(block->config, &block->widths, pare_config_columns(block->config, role));
}

double *pare_block_vector_sums(const pare_block *block, const pare_block_gradients *g, pare_role role, bool begin) {
    if (!wants(block, g, role)) return NULL;
    if (begin && g->first)
        memset(g->vector_sums[role], 0, (size_t)pare_block_vector_length(block, role) * sizeof(double));
    return g->vector_sums[role];
}

pare_status pare_block_vector_done(const pare_block *block, const pare_block_gradients *g, pare_role role) {
    if (!g->last || !wants(block, g, role)) return PARE_OK;
    int64_t length = pare_block_vector_length(block, role);
    pare_role of = pare_roles[role].of;
    const double *sums = g->vector_sums[role], *sampled = pare_role_is_matrix(of) ? g->bias_samples[of] : NULL;
    float *samples = sampled && g->sink->samples ? g->chunk + g->chunk_elements / PARE_SAMPLES_PARTS : NULL;
    for (int64_t i = 0; i < length; i++) {
        g->chunk[i] = (float)sums[i];
        if (samples) samples[i] = (float)sampled[i];
    }
    return g->sink->rows(g->sink->context, pare_tensor_id_in(block->config, block->layer, role), 0, 1, length, g->chunk,
                         samples);
}

pare_status pare_block_norm_backward(const pare_block *block, const pare_block_gradients *g,
                                     const pare_norm_backward *norm, float *dx) {
    const pare_norm forward = pare_block_norm(block, norm->role);
    pare_role bias = pare_roles[norm->role].bias;
    double *weights = pare_block_vector_sums(block, g, norm->role, norm->begin);
    double *biases = pare_block_vector_sums(block, g, bias, norm->begin);
    block->backend->operations->norm_backward(block->backend, &forward, norm->x, norm->inverse, norm->dy, norm->rows,
                                              norm->length, dx, norm->accumulate, weights, biases);
    if (!norm->end) return PARE_OK;
    PARE_TRY(pare_block_vector_done(block, g, norm->role));
    return pare_block_vector_done(block, g, bias);
}
