/* From the loss to the gradient of the last block's output: head, projection and final norm. */
#include "model/pass_internal.h"
#include "support/memory.h"

#include <string.h>

/* Gradients of the head's bias add up while the head's tiles are made. */
static pare_status begin_head_bias(pare_pass *pass, const pare_gradient_sink *sink) {
    size_t id = pare_tensor_id_end(pass->model, PARE_END_HEAD_BIAS);
    if (!pass->head_bias || !sink->wants(sink->context, id)) return PARE_OK;
    return pare_alloc(&pass->head_bias_gradient, pass->model->config.vocabulary, sizeof(float), "gradient of the head");
}

static pare_status end_head_bias(pare_pass *pass, const pare_gradient_sink *sink) {
    size_t id = pare_tensor_id_end(pass->model, PARE_END_HEAD_BIAS);
    if (!pass->head_bias_gradient) return PARE_OK;
    pare_status status =
        sink->rows(sink->context, id, 0, 1, pass->model->config.vocabulary, pass->head_bias_gradient, NULL);
    pare_free(pass->head_bias_gradient);
    pass->head_bias_gradient = NULL;
    return status;
}

/* dW [out, in] of a projection: a product for each shard. */
typedef struct projection {
    const void *dy, *x; /* operands [tokens, out], [tokens, in] */
    int64_t out, in;
    float *gradient;
} projection;

static pare_status project_shard(pare_pass *pass, int k, int64_t first, int64_t tokens, void *context) {
    const projection *p = context;
    const pare_backend *backend = pass->backend;
    const pare_matmul shape = {.batch = 1, .m = p->out, .n = p->in, .k = tokens, .transpose_a = true};
    (void)k;
    pass->summed = true;
    return backend->operations->matmul(backend, &shape, pare_operand_at(backend, p->dy, first * p->out),
                                       pare_operand_at(backend, p->x, first * p->in), p->gradient);
}

pare_status pare_pass_projection_gradient(pare_pass *pass, const pare_gradient_sink *sink, size_t id, const void *dy,
                                          const void *x) {
    projection p = {.dy = dy, .x = x};
    pare_tensor_matrix(pass->model->tensors[id], &p.out, &p.in);
    if (!sink->wants(sink->context, id)) return PARE_OK;
    PARE_TRY(pare_alloc_uninitialized(&p.gradient, (size_t)(p.out * p.in), sizeof *p.gradient, "projection"));
    pare_status status = pare_pass_sum_singles(pass, p.gradient, p.out * p.in);
    if (status == PARE_OK) status = pare_pass_sum_shards(pass, project_shard, &p);
    if (status == PARE_OK) status = sink->rows(sink->context, id, 0, p.out, p.in, p.gradient, NULL);
    pare_free(p.gradient);
    return status;
}

pare_status pare_pass_projection_input(const pare_pass *pass, const pare_source *source, size_t id, const void *dy,
                                       void *weight, float *dx) {
    const pare_backend *backend = pass->backend;
    int64_t out, in;
    pare_tensor_matrix(pass->model->tensors[id], &out, &in);
    for (int64_t s = 0, some; s < pass->sequences; s += some) {
        int64_t first = s * pass->layout.length;
        some = pare_pass_stretch_at(pass, s);
        pare_matmul input = {.batch = 1, .m = some * pass->layout.length, .n = in, .k = out};
        PARE_TRY(backend->operations->matmul(backend, &input, pare_operand_at(backend, dy, first * out),
                                             pare_source_operand(source, id, weight), dx + first * in));
    }
    return PARE_OK;
}

/* Through project_out: dnormed, float [tokens, d] = dfinal W, and dW = dfinal^T normed. The final norm, if there is
 * one, is made again. */
static pare_status project_backward(pare_pass *pass, const pare_source *source, const pare_gradient_sink *sink,
                                    float *dnormed) {
    const pare_backend *backend = pass->backend;
    const pare_backend_operations *ops = backend->operations;
    const pare_config *config = &pass->model->config;
    size_t id = pare_tensor_id_end(pass->model, PARE_END_PROJECT_OUT);
    int64_t d = config->hidden, e = config->head_width, n = pare_pass_tokens(pass);
    const float *x = pare_pass_input(pass, config->layers);
    void *room;
    PARE_TRY(
        pare_alloc_uninitialized(&room, (size_t)(n * e + n * d + e * d), pare_operand_size(backend), "projection"));
    void *dy = room, *normed = pare_operand_at(backend, room, n * e), *weight = pare_operand_at(backend, normed, n * d);
    ops->to_operand(backend, pass->dfinal, n * e, dy);
    pare_status status = pare_pass_projection_input(pass, source, id, dy, weight, dnormed);
    if (status == PARE_OK && sink->wants(sink->context, id)) {
        if (config->architecture.no_final_norm)
            ops->to_operand(backend, x, n * d, normed);
        else
            ops->norm_forward(backend, &pass->final_by, x, n, d, normed, false, pass->final_inverse);
        status = pare_pass_projection_gradient(pass, sink, id, dy, normed);
    }
    pare_free(room);
    return status;
}

static pare_status hand_on(pare_pass *pass, const pare_gradient_sink *sink, pare_end end, const double *sums) {
    int64_t d = pass->model->config.hidden;
    if (!sums) return PARE_OK;
    for (int64_t i = 0; i < d; i++)
        pass->gradients.chunk[i] = (float)sums[i];
    return sink->rows(sink->context, pare_tensor_id_end(pass->model, end), 0, 1, d, pass->gradients.chunk, NULL);
}

/* NULL where nobody wants the gradient. */
static double *sums_for(pare_pass *pass, const pare_gradient_sink *sink, pare_end end, double *room) {
    size_t id = pare_tensor_id_end(pass->model, end);
    bool there = pare_has_end(&pass->model->config.architecture, end);
    if (!room || !there || !sink->wants(sink->context, id)) return NULL;
    memset(room, 0, (size_t)pass->model->config.hidden * sizeof *room);
    return room;
}

/* Sums of a norm's weights and biases; NULL: not wanted. */
typedef struct norm_run {
    const float *dy;
    double *weights, *biases;
} norm_run;

static pare_status norm_shard(pare_pass *pass, int k, int64_t first, int64_t tokens, void *context) {
    const norm_run *run = context;
    int64_t d = pass->model->config.hidden, at = first * d;
    const float *x = pare_pass_input(pass, pass->model->config.layers);
    (void)k;
    pass->backend->operations->norm_backward(pass->backend, &pass->final_by, x + at, pass->final_inverse + first,
                                             run->dy + at, tokens, d, pass->dx + at, true, run->weights, run->biases);
    return PARE_OK;
}

/* dx: [tokens, d] of the last block's output, from dy behind the final norm. */
static pare_status norm_backward(pare_pass *pass, const pare_gradient_sink *sink, const float *dy) {
    const pare_config *config = &pass->model->config;
    int64_t d = config->hidden, tokens = pare_pass_tokens(pass);
    double *room = pass->gradients.final_sums;
    if (config->architecture.no_final_norm) {
        memcpy(pass->dx, dy, (size_t)(tokens * d) * sizeof *dy);
        return PARE_OK;
    }
    norm_run run = {.dy = dy,
                    .weights = sums_for(pass, sink, PARE_END_FINAL_NORM, room),
                    .biases = sums_for(pass, sink, PARE_END_FINAL_NORM_BIAS, room ? room + d : NULL)};
    memset(pass->dx, 0, (size_t)(tokens * d) * sizeof *pass->dx);
    PARE_TRY(pare_pass_sum_doubles(pass, run.weights, d));
    PARE_TRY(pare_pass_sum_doubles(pass, run.biases, d));
    PARE_TRY(pare_pass_sum_shards(pass, norm_shard, &run));
    PARE_TRY(hand_on(pass, sink, PARE_END_FINAL_NORM, run.weights));
    return hand_on(pass, sink, PARE_END_FINAL_NORM_BIAS, run.biases);
}

pare_status pare_output_backward(pare_pass *pass, const pare_source *source, const pare_gradient_sink *sink) {
    const pare_model *model = pass->model;
    bool want_head = !model->config.tied && sink->wants(sink->context, pare_tensor_id_head(model));
    float *dnormed = pass->dfinal;
    pare_status status = begin_head_bias(pass, sink);
    if (status == PARE_OK) status = pare_head_backward(pass, source, pass->dfinal, want_head ? sink : NULL, false);
    if (status == PARE_OK) status = end_head_bias(pass, sink);
    pare_free(pass->head_bias_gradient);
    pass->head_bias_gradient = NULL;
    PARE_TRY(status);
    if (!pare_has_end(&model->config.architecture, PARE_END_PROJECT_OUT)) return norm_backward(pass, sink, dnormed);
    size_t elements = (size_t)(pare_pass_tokens(pass) * (int64_t)model->config.hidden);
    PARE_TRY(pare_alloc_uninitialized(&dnormed, elements, sizeof *dnormed, "projection"));
    status = project_backward(pass, source, sink, dnormed);
    if (status == PARE_OK) status = norm_backward(pass, sink, dnormed);
    pare_free(dnormed);
    return status;
}
