#include "model/block_linear.h"
#include "model/block_adapter.h"
#include "model/block_residual.h"
#include "model/config_latent.h"
#include "model/output_factors.h"
#include "support/vectorize.h"

#include <math.h>
#include <string.h>

enum { MANY_TOKENS = 65 }; /* more than a thread writes in step (calibrate/self.c) */

bool pare_linear_ffn_by_feature(int64_t tokens) {
    return tokens >= MANY_TOKENS;
}

/* Rows of dW in the making. */
typedef struct weight_rows {
    int64_t first, rows;
    bool start;                /* nothing is in them yet */
    float *gradient, *samples; /* [rows, in] */
} weight_rows;

pare_linear pare_linear_of(const pare_block *block, pare_role role) {
    int64_t d = block->hidden, f = block->widths.ffn, tokens = block->batch * block->length;
    int64_t query = (int64_t)block->widths.heads * block->head, key = (int64_t)block->widths.kv_heads * block->head;
    bool many = pare_linear_ffn_by_feature(tokens);
    int64_t rows, columns;
    if (pare_config_latent_shape(block->config, &block->widths, role, &rows, &columns))
        return (pare_linear){tokens, rows, columns, false, false};
    switch (role) {
    case PARE_ROLE_Q:
        return (pare_linear){tokens, query, d, false, false};
    case PARE_ROLE_K:
    case PARE_ROLE_V:
        return (pare_linear){tokens, key, d, false, false};
    case PARE_ROLE_O:
        return (pare_linear){tokens, d, query, false, false};
    case PARE_ROLE_DOWN:
        return (pare_linear){tokens, d, f, many, false};
    default:
        return (pare_linear){tokens, f, d, false, many};
    }
}

void pare_linear_shape(const pare_block *block, pare_role role, int64_t *rows, int64_t *columns) {
    pare_linear l = pare_linear_of(block, role);
    *rows = l.out;
    *columns = l.in;
}

static pare_status multiply(const pare_block *block, const pare_matmul *shape, const void *a, const void *b, float *c) {
    return block->backend->operations->matmul(block->backend, shape, a, b, c);
}

PARE_VECTORIZE static void add_to_row(float *restrict y, const float *restrict bias, int64_t n) {
    for (int64_t i = 0; i < n; i++)
        y[i] += bias[i];
}

PARE_VECTORIZE static void add_to_all(float *restrict y, float bias, int64_t n) {
    for (int64_t i = 0; i < n; i++)
        y[i] += bias;
}

static void add_bias(const float *bias, const pare_linear *l, float *y) {
    int64_t rows = l->y_by_feature ? l->out : l->tokens, columns = l->y_by_feature ? l->tokens : l->out;
#pragma omp parallel for schedule(static) if (rows * columns > 8192)
    for (int64_t row = 0; row < rows; row++)
        if (l->y_by_feature)
            add_to_all(y + row * columns, bias[row], columns);
        else
            add_to_row(y + row * columns, bias, columns);
}

/* y (+)= W x + bias and what an adapter adds to it. */
static pare_status forward(const pare_block *block, pare_role role, const void *x, bool accumulate, float *y) {
    pare_linear l = pare_linear_of(block, role);
    const void *weight = block->weights.matrix[role];
    pare_matmul shape = {.batch = 1, .k = l.in, .transpose_b = true, .accumulate = accumulate};
    if (l.y_by_feature) {
        shape.m = l.out;
        shape.n = l.tokens;
        PARE_TRY(multiply(block, &shape, weight, x, y));
    } else {
        shape.m = l.tokens;
        shape.n = l.out;
        shape.transpose_a = l.x_by_feature;
        PARE_TRY(multiply(block, &shape, x, weight, y));
    }
    const float *bias = block->weights.vector[pare_roles[role].bias];
    if (bias) add_bias(bias, &l, y);
    return pare_block_adapter_forward(block, role, x, y);
}

static const float *output_factors(const pare_block *block, pare_role role) {
    const pare_adapter *adapter = pare_block_adapter(block, role);
    return adapter ? adapter->keep : NULL;
}

pare_status pare_linear_forward(const pare_block *block, pare_role role, const void *x, float *y) {
    const float *keep = output_factors(block, role);
    PARE_TRY(forward(block, role, x, false, y));
    pare_linear l = pare_linear_of(block, role);
    if (keep) pare_output_factors_multiply(keep, l.tokens, l.out, l.y_by_feature, PARE_DTYPE_F32, y);
    return PARE_OK;
}

pare_status pare_linear_add(const pare_block *block, pare_role role, const void *x, const float *in, float *out) {
    const float *keep = output_factors(block, role);
    pare_linear l = pare_linear_of(block, role);
    if (keep) {
        if (in == out)
            return pare_fail(PARE_BAD_ARGUMENT,
                             "block %u: a layer with output factors cannot add to its input in place", block->layer);
        PARE_TRY(forward(block, role, x, false, out));
        pare_output_factors_add(keep, l.tokens, l.out, in, out);
        return PARE_OK;
    }
    if (out != in) memcpy(out, in, (size_t)(l.tokens * l.out) * sizeof *out);
    return forward(block, role, x, true, out);
}

/* dx (+)= dy W */
static pare_status weight_input_gradient(const pare_block *block, pare_role role, const void *dy, bool accumulate,
                                         float *dx) {
    pare_linear l = pare_linear_of(block, role);
    const void *weight = block->weights.matrix[role];
    pare_matmul shape = {.batch = 1, .k = l.out, .accumulate = accumulate};
    if (l.x_by_feature) {
        shape.m = l.in;
        shape.n = l.tokens;
        shape.transpose_a = shape.transpose_b = true;
        return multiply(block, &shape, weight, dy, dx);
    }
    shape.m = l.tokens;
    shape.n = l.in;
    shape.transpose_a = l.y_by_feature;
    return multiply(block, &shape, dy, weight, dx);
}

pare_status pare_linear_input_gradient(const pare_block *block, pare_role role, const void *dy, bool accumulate,
                                       float *dx) {
    PARE_TRY(weight_input_gradient(block, role, dy, accumulate, dx));
    return pare_block_adapter_input_gradient(block, role, dx);
}

/* What c, one sequence's share of dW, adds to the samples. */
typedef struct sample_measure {
    bool absolute;
    float scale;
} sample_measure;

static sample_measure measure_of(const pare_block_gradients *g) {
    bool absolute = g->sink->samples == PARE_SAMPLES_ABSOLUTES;
    return (sample_measure){.absolute = absolute, .scale = absolute ? 1.0f : (float)g->sequences};
}

/* gradient += c, samples += scale c^2, or scale |c| */
PARE_VECTORIZE static void add_sample(const float *restrict c, int64_t n, const sample_measure *measure,
                                      float *restrict gradient, float *restrict samples) {
    bool absolute = measure->absolute;
    float scale = measure->scale;
    for (int64_t i = 0; i < n; i++) {
        gradient[i] += c[i];
        samples[i] += absolute ? scale * fabsf(c[i]) : scale * c[i] * c[i];
    }
}

/* Where the sequence of token `first` of the product ends. */
static int64_t sequence_end(const pare_block *block, const pare_linear *l, const pare_linear_tokens *tokens,
                            int64_t first) {
    if (!tokens->places) return first + block->length;
    int64_t length = tokens->chosen * block->length, sequence = tokens->places[first] / length, end = first + 1;
    while (end < l->tokens && tokens->places[end] / length == sequence)
        end++;
    return end;
}

/* A product of which every sequence's own part is wanted. */
typedef struct sampled_product {
    const pare_block *block;
    const pare_linear *linear;
    const pare_linear_tokens *tokens;
    const void *dy, *x;
    sample_measure measure;
    float *contribution; /* room for rows of one sequence's dW */
} sampled_product;

/* Rows [first, first + rows) of dW and its samples: adds what every sequence of the micro-batch contributes. start:
 * overwrites instead. */
static pare_status add_sequences(const sampled_product *p, const weight_rows *to) {
    const pare_linear *l = p->linear;
    const pare_backend *backend = p->block->backend;
    pare_matmul shape = {.batch = 1,
                         .m = to->rows,
                         .n = l->in,
                         .transpose_a = !l->y_by_feature,
                         .transpose_b = l->x_by_feature,
                         .lda = l->y_by_feature ? l->tokens : l->out,
                         .ldb = l->x_by_feature ? l->tokens : l->in};
    size_t bytes = (size_t)(to->rows * l->in) * sizeof(float);
    if (to->start) memset(to->gradient, 0, bytes);
    if (to->start) memset(to->samples, 0, bytes);
    for (int64_t token = 0, end; token < l->tokens; token = end) {
        int64_t dy_at = l->y_by_feature ? to->first * l->tokens + token : token * l->out + to->first;
        int64_t x_at = l->x_by_feature ? token : token * l->in;
        end = sequence_end(p->block, l, p->tokens, token);
        shape.k = end - token;
        PARE_TRY(multiply(p->block, &shape, pare_operand_at(backend, p->dy, dy_at),
                          pare_operand_at(backend, p->x, x_at), p->contribution));
#pragma omp parallel for schedule(static) if (to->rows * l->in > 8192)
        for (int64_t row = 0; row < to->rows; row++)
            add_sample(p->contribution + row * l->in, l->in, &p->measure, to->gradient + row * l->in,
                       to->samples + row * l->in);
    }
    return PARE_OK;
}

static pare_status rows_samples(const pare_block *block, const pare_block_gradients *g, const pare_linear *l,
                                const void *dy, const void *x, const pare_linear_target *target) {
    const pare_gradient_sink *sink = g->sink;
    float *sums = target->sums;
    int64_t part = g->chunk_elements / PARE_SAMPLES_PARTS, step = part / l->in;
    const sampled_product product = {block, l, &target->tokens, dy, x, measure_of(g), g->chunk + 2 * part};
    for (int64_t first = 0; first < l->out; first += step) {
        weight_rows to = {.first = first,
                          .rows = l->out - first < step ? l->out - first : step,
                          .start = !sums || !target->begun,
                          .gradient = sums ? sums + first * l->in : g->chunk,
                          .samples = sums ? target->samples + first * l->in : g->chunk + part};
        PARE_TRY(add_sequences(&product, &to));
        if (!sums) PARE_TRY(sink->rows(sink->context, target->id, first, to.rows, l->in, to.gradient, to.samples));
    }
    return PARE_OK;
}

static pare_status show_gradient(const pare_block *block, const pare_block_gradients *g, pare_role role,
                                 const pare_linear *l, const void *dy) {
    const pare_gradient_sink *sink = g->sink;
    pare_linear_output shown = {.gradient = dy,
                                .first_token = g->first_token,
                                .tokens = l->tokens,
                                .width = l->out,
                                .by_feature = l->y_by_feature};
    return sink->linear_gradient && l->out ? sink->linear_gradient(sink->context, block->layer, role, &shown) : PARE_OK;
}

/* sums[count] += dy of outputs [first, first + count) over tokens [begin, end). */
static void add_tokens(const pare_block *block, const pare_linear *l, const void *dy, int64_t begin, int64_t end,
                       int64_t first, int64_t count, double *sums) {
    enum { PIECE = 256 };
    size_t size = pare_operand_size(block->backend);
    pare_dtype dtype = block->backend->operand;
    float piece[PIECE];
    for (int64_t t = begin; t < end && !l->y_by_feature; t++) {
        pare_to_float(piece, (const char *)dy + (size_t)(t * l->out + first) * size, dtype, (size_t)count);
        for (int64_t i = 0; i < count; i++)
            sums[i] += (double)piece[i];
    }
    for (int64_t i = 0; i < count && l->y_by_feature; i++)
        for (int64_t t = begin; t < end; t += PIECE) {
            int64_t n = end - t < PIECE ? end - t : PIECE;
            pare_to_float(piece, (const char *)dy + (size_t)((first + i) * l->tokens + t) * size, dtype, (size_t)n);
            for (int64_t j = 0; j < n; j++)
                sums[i] += (double)piece[j];
        }
}

void pare_linear_output_sums(const pare_block *block, const pare_block_gradients *g, const pare_linear *l,
                             const pare_linear_tokens *tokens, const void *dy, int64_t first, int64_t count,
                             double *sums, double *samples) {
    const sample_measure measure = measure_of(g);
    double scale = (double)measure.scale;
    if (!samples) {
        add_tokens(block, l, dy, 0, l->tokens, first, count, sums);
        return;
    }
    for (int64_t begin = 0, end; begin < l->tokens; begin = end) {
        double c[PARE_LINEAR_OUTPUTS] = {0};
        end = sequence_end(block, l, tokens, begin);
        add_tokens(block, l, dy, begin, end, first, count, c);
        for (int64_t i = 0; i < count; i++) {
            sums[i] += c[i];
            samples[i] += scale * (measure.absolute ? fabs(c[i]) : c[i] * c[i]);
        }
    }
}

static pare_status bias_gradient(const pare_block *block, const pare_block_gradients *g, pare_role role,
                                 const pare_linear *l, const void *dy) {
    static const pare_linear_tokens all = {0};
    pare_role bias = pare_roles[role].bias;
    double *sums = pare_block_vector_sums(block, g, bias, true);
    double *samples = g->sink->samples ? g->bias_samples[role] : NULL;
    if (!sums) return PARE_OK;
    if (samples && g->first) memset(samples, 0, (size_t)l->out * sizeof *samples);
#pragma omp parallel for schedule(static) if (l->out * l->tokens > 8192)
    for (int64_t first = 0; first < l->out; first += PARE_LINEAR_OUTPUTS) {
        int64_t count = l->out - first < PARE_LINEAR_OUTPUTS ? l->out - first : PARE_LINEAR_OUTPUTS;
        pare_linear_output_sums(block, g, l, &all, dy, first, count, sums + first, samples ? samples + first : NULL);
    }
    return pare_block_vector_done(block, g, bias);
}

pare_status pare_linear_rows_gradient(const pare_block *block, const pare_block_gradients *g, const pare_linear *l,
                                      const void *dy, const void *x, const pare_linear_target *target) {
    pare_matmul shape = {.batch = 1,
                         .m = l->out,
                         .n = l->in,
                         .k = l->tokens,
                         .transpose_a = !l->y_by_feature,
                         .transpose_b = l->x_by_feature,
                         .lda = l->y_by_feature ? l->tokens : l->out};
    if (g->sink->samples) return rows_samples(block, g, l, dy, x, target);
    if (target->sums) {
        shape.accumulate = target->begun;
        return multiply(block, &shape, dy, x, target->sums);
    }
    int64_t step = g->chunk_elements / l->in, stride = l->y_by_feature ? l->tokens : 1;
    for (int64_t first = 0; first < l->out; first += step) {
        shape.m = l->out - first < step ? l->out - first : step;
        PARE_TRY(multiply(block, &shape, pare_operand_at(block->backend, dy, first * stride), x, g->chunk));
        PARE_TRY(g->sink->rows(g->sink->context, target->id, first, shape.m, l->in, g->chunk, NULL));
    }
    return PARE_OK;
}

pare_status pare_linear_weight_gradient(const pare_block *block, const pare_block_gradients *g, pare_role role,
                                        void *dy, const void *x) {
    pare_linear l = pare_linear_of(block, role);
    const pare_gradient_sink *sink = g->sink;
    const pare_linear_target target = {.id = pare_tensor_id(block->layer, role),
                                       .sums = g->sums[role],
                                       .samples = g->sample_sums[role],
                                       .begun = !g->first};
    const float *keep = output_factors(block, role);
    if (keep) pare_output_factors_multiply(keep, l.tokens, l.out, l.y_by_feature, block->backend->operand, dy);
    PARE_TRY(pare_block_adapter_gradient(block, role, dy, x));
    PARE_TRY(show_gradient(block, g, role, &l, dy));
    PARE_TRY(bias_gradient(block, g, role, &l, dy));
    if (!l.out || !l.in || !sink->wants(sink->context, target.id)) return PARE_OK;
    PARE_TRY(pare_linear_rows_gradient(block, g, &l, dy, x, &target));
    if (!target.sums || !g->last) return PARE_OK;
    return sink->rows(sink->context, target.id, 0, l.out, l.in, target.sums, sink->samples ? target.samples : NULL);
}
