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

/* gradient (+)= c, samples (+)= scale c^2, or scale |c| */
PARE_VECTORIZE static void add_sample(const float *restrict c, int64_t n, const sample_measure *measure, bool start,
                                      float *restrict gradient, float *restrict samples) {
    bool absolute = measure->absolute;
    float scale = measure->scale;
    if (start) {
        memset(gradient, 0, (size_t)n * sizeof *gradient);
        memset(samples, 0, (size_t)n * sizeof *samples);
    }
    for (int64_t i = 0; i < n; i++) {
        gradient[i] += c[i];
        samples[i] += absolute ? scale * fabsf(c[i]) : scale * c[i] * c[i];
    }
}

/* Rows [first, first + rows) of dW and its samples: adds what every sequence of the micro-batch contributes, each made
 * in `contribution`. start: overwrites instead. */
static pare_status add_sequences(const pare_block *block, const pare_linear *l, const weight_rows *to, const void *dy,
                                 const void *x, const sample_measure *measure, float *contribution) {
    const pare_backend *backend = block->backend;
    pare_matmul shape = {.batch = 1,
                         .m = to->rows,
                         .n = l->in,
                         .k = block->length,
                         .transpose_a = !l->y_by_feature,
                         .transpose_b = l->x_by_feature,
                         .lda = l->y_by_feature ? l->tokens : l->out,
                         .ldb = l->x_by_feature ? l->tokens : l->in};
    for (int64_t s = 0; s < block->batch; s++) {
        int64_t token = s * block->length;
        int64_t dy_at = l->y_by_feature ? to->first * l->tokens + token : token * l->out + to->first;
        int64_t x_at = l->x_by_feature ? token : token * l->in;
        PARE_TRY(multiply(block, &shape, pare_operand_at(backend, dy, dy_at), pare_operand_at(backend, x, x_at),
                          contribution));
        bool start = to->start && s == 0;
#pragma omp parallel for schedule(static) if (to->rows * l->in > 8192)
        for (int64_t row = 0; row < to->rows; row++)
            add_sample(contribution + row * l->in, l->in, measure, start, to->gradient + row * l->in,
                       to->samples + row * l->in);
    }
    return PARE_OK;
}

static pare_status weight_samples(const pare_block *block, const pare_block_gradients *g, pare_role role,
                                  const void *dy, const void *x) {
    pare_linear l = pare_linear_of(block, role);
    size_t id = pare_tensor_id(block->layer, role);
    const pare_gradient_sink *sink = g->sink;
    float *sums = g->sums[role], *sample_sums = g->sample_sums[role];
    sample_measure measure = measure_of(g);
    int64_t part = g->chunk_elements / PARE_SAMPLES_PARTS, step = part / l.in;
    for (int64_t first = 0; first < l.out; first += step) {
        weight_rows to = {.first = first,
                          .rows = l.out - first < step ? l.out - first : step,
                          .start = !sums || g->first,
                          .gradient = sums ? sums + first * l.in : g->chunk,
                          .samples = sums ? sample_sums + first * l.in : g->chunk + part};
        PARE_TRY(add_sequences(block, &l, &to, dy, x, &measure, g->chunk + 2 * part));
        if (!sums) PARE_TRY(sink->rows(sink->context, id, first, to.rows, l.in, to.gradient, to.samples));
    }
    return sums && g->last ? sink->rows(sink->context, id, 0, l.out, l.in, sums, sample_sums) : PARE_OK;
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

/* What is added up of an output's gradients over the tokens. */
typedef struct output_sums {
    double *sums;    /* [out] */
    double *samples; /* [out] as add_sample has them, of sums over single sequences; NULL: not wanted */
    sample_measure measure;
} output_sums;

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

/* Of a micro-batch. */
static void add_outputs(const pare_block *block, const pare_linear *l, const void *dy, const output_sums *to) {
    enum { PIECE = 256 };
    int64_t length = to->samples ? block->length : l->tokens;
    double scale = (double)to->measure.scale;
#pragma omp parallel for schedule(static) if (l->out * l->tokens > 8192)
    for (int64_t first = 0; first < l->out; first += PIECE) {
        int64_t count = l->out - first < PIECE ? l->out - first : PIECE;
        for (int64_t begin = 0; begin < l->tokens; begin += length) {
            double c[PIECE] = {0};
            double *sums = to->samples ? c : to->sums + first;
            add_tokens(block, l, dy, begin, begin + length, first, count, sums);
            for (int64_t i = 0; to->samples && i < count; i++) {
                to->sums[first + i] += c[i];
                to->samples[first + i] += scale * (to->measure.absolute ? fabs(c[i]) : c[i] * c[i]);
            }
        }
    }
}

static pare_status bias_gradient(const pare_block *block, const pare_block_gradients *g, pare_role role,
                                 const pare_linear *l, const void *dy) {
    pare_role bias = pare_roles[role].bias;
    output_sums to = {.sums = pare_block_vector_sums(block, g, bias, true),
                      .samples = g->sink->samples ? g->bias_samples[role] : NULL,
                      .measure = measure_of(g)};
    if (!to.sums) return PARE_OK;
    if (to.samples && g->first) memset(to.samples, 0, (size_t)l->out * sizeof *to.samples);
    add_outputs(block, l, dy, &to);
    return pare_block_vector_done(block, g, bias);
}

pare_status pare_linear_rows_gradient(const pare_block *block, const pare_block_gradients *g, size_t id,
                                      const pare_linear *l, const void *dy, const void *x, float *sums, bool begun) {
    pare_matmul shape = {.batch = 1,
                         .m = l->out,
                         .n = l->in,
                         .k = l->tokens,
                         .transpose_a = !l->y_by_feature,
                         .transpose_b = l->x_by_feature,
                         .lda = l->y_by_feature ? l->tokens : l->out};
    if (sums) {
        shape.accumulate = begun;
        return multiply(block, &shape, dy, x, sums);
    }
    int64_t step = g->chunk_elements / l->in, stride = l->y_by_feature ? l->tokens : 1;
    for (int64_t first = 0; first < l->out; first += step) {
        shape.m = l->out - first < step ? l->out - first : step;
        PARE_TRY(multiply(block, &shape, pare_operand_at(block->backend, dy, first * stride), x, g->chunk));
        PARE_TRY(g->sink->rows(g->sink->context, id, first, shape.m, l->in, g->chunk, NULL));
    }
    return PARE_OK;
}

pare_status pare_linear_weight_gradient(const pare_block *block, const pare_block_gradients *g, pare_role role,
                                        void *dy, const void *x) {
    pare_linear l = pare_linear_of(block, role);
    size_t id = pare_tensor_id(block->layer, role);
    const float *keep = output_factors(block, role);
    if (keep) pare_output_factors_multiply(keep, l.tokens, l.out, l.y_by_feature, block->backend->operand, dy);
    PARE_TRY(pare_block_adapter_gradient(block, role, dy, x));
    PARE_TRY(show_gradient(block, g, role, &l, dy));
    PARE_TRY(bias_gradient(block, g, role, &l, dy));
    if (!l.out || !l.in || !g->sink->wants(g->sink->context, id)) return PARE_OK;
    if (g->sink->samples) return weight_samples(block, g, role, dy, x);
    PARE_TRY(pare_linear_rows_gradient(block, g, id, &l, dy, x, g->sums[role], !g->first));
    return g->sums[role] && g->last ? g->sink->rows(g->sink->context, id, 0, l.out, l.in, g->sums[role], NULL)
                                    : PARE_OK;
}
