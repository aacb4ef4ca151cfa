#include "model/ends.h"
#include "model/patches.h"
#include "support/memory.h"
#include "support/vectorize.h"

#include <math.h>
#include <omp.h>

static int64_t id_index(const pare_embedded *tokens, int64_t t) {
    return t / tokens->length * tokens->stride + t % tokens->length;
}

static int64_t position_of(const pare_embedded *tokens, int64_t t) {
    return tokens->positions ? tokens->positions[t] : tokens->first + t % tokens->length;
}

PARE_VECTORIZE static void multiply_by(float *x, float factor, int64_t n) {
    for (int64_t i = 0; i < n; i++)
        x[i] *= factor;
}

PARE_VECTORIZE static void add_to(float *restrict x, const float *restrict y, int64_t n) {
    for (int64_t i = 0; i < n; i++)
        x[i] += y[i];
}

void pare_embed_rows(const pare_source *source, const pare_embedded *tokens, float *rows) {
    const pare_config *config = &source->model->config;
    int64_t e = config->embedding_width;
    double scale = config->architecture.embedding_scale;
    bool scaled = scale > 0.0 && scale != 1.0;
    if (pare_reads_pictures(config)) {
        pare_patches_rows(source, tokens, rows);
        return;
    }
#pragma omp parallel for schedule(static) if (tokens->count * e > 8192)
    for (int64_t t = 0; t < tokens->count; t++) {
        float *row = rows + t * e;
        pare_source_rows(source, pare_tensor_id_embedding(), tokens->ids[id_index(tokens, t)], 1, row);
        if (scaled) multiply_by(row, (float)scale, e);
    }
}

static bool has(const pare_config *config, pare_end end) {
    return pare_has_end(&config->architecture, end);
}

/* Tokens of whole sequences that are projected at a time. */
static int64_t projected_tokens(int64_t tokens, int64_t length) {
    enum { TOKENS = 4096 };
    int64_t step = length < TOKENS ? TOKENS / length * length : length;
    return tokens < step ? tokens : step;
}

uint64_t pare_embed_floats(const pare_config *config, int64_t tokens, int64_t length, bool backward) {
    uint64_t e = config->embedding_width, d = config->hidden, n = (uint64_t)tokens, total = 0;
    uint64_t step = backward ? n : (uint64_t)projected_tokens(tokens, length);
    if (has(config, PARE_END_EMBEDDING_NORM)) total += n * e + n + 2 * e;
    if (has(config, PARE_END_PROJECT_IN)) total += 2 * step * e + d * e;
    if (pare_reads_pictures(config)) total += (1 + config->vision.prefix) * d;
    if (has(config, PARE_END_PROJECT_OUT)) total += n * (d + e) + d * e;
    return has(config, PARE_END_POSITIONS) ? total + (uint64_t)omp_get_max_threads() * d : total;
}

static pare_status add_positions(const pare_source *source, const pare_embedded *tokens, float *x) {
    const pare_model *model = source->model;
    int64_t d = model->config.hidden, offset = model->config.architecture.position_offset;
    size_t id = pare_tensor_id_end(model, PARE_END_POSITIONS);
    float *rows; /* one for each thread */
    PARE_TRY(pare_alloc_uninitialized(&rows, (size_t)omp_get_max_threads(), (size_t)d * sizeof *rows, "positions"));
#pragma omp parallel for schedule(static) if (tokens->count * d > 8192)
    for (int64_t t = 0; t < tokens->count; t++) {
        float *row = rows + omp_get_thread_num() * d;
        pare_source_rows(source, id, position_of(tokens, t) + offset, 1, row);
        add_to(x + t * d, row, d);
    }
    pare_free(rows);
    return PARE_OK;
}

pare_norm pare_end_norm(const pare_source *source, pare_end weight, pare_end bias, float *room) {
    const pare_model *model = source->model;
    const pare_architecture *a = &model->config.architecture;
    bool final = weight == PARE_END_FINAL_NORM;
    int64_t width = final ? model->config.hidden : model->config.embedding_width;
    pare_norm norm = {
        .kind = a->norm, .eps = model->config.rms_eps, .kept = source->hidden_kept, .kept_count = source->hidden_count};
    if (has(&model->config, weight)) {
        pare_source_rows(source, pare_tensor_id_end(model, weight), 0, 1, room);
        for (int64_t i = 0; a->norm_unit && i < width; i++)
            room[i] += 1.0f;
        norm.weight = room;
    }
    if (!has(&model->config, bias)) return norm;
    pare_source_rows(source, pare_tensor_id_end(model, bias), 0, 1, room + width);
    norm.bias = room + width;
    return norm;
}

static pare_status norm_rows(const pare_source *source, int64_t n, float *rows) {
    int64_t e = source->model->config.embedding_width;
    float *room, *inverse = NULL;
    PARE_TRY(pare_alloc(&room, (size_t)(2 * e), sizeof *room, "embedding norm"));
    pare_status status = pare_alloc_uninitialized(&inverse, (size_t)n, sizeof *inverse, "embedding norm");
    if (status == PARE_OK) {
        pare_norm norm = pare_end_norm(source, PARE_END_EMBEDDING_NORM, PARE_END_EMBEDDING_NORM_BIAS, room);
        source->backend->operations->norm_forward(source->backend, &norm, rows, n, e, rows, true, inverse);
    }
    pare_free(inverse);
    pare_free(room);
    return status;
}

/* y: float [n, out] = x W^T, W the matrix at an end, [out, in]; x: operand [n, in]. */
static pare_status project(const pare_source *source, pare_end end, const void *x, int64_t n, float *y) {
    const pare_backend *backend = source->backend;
    size_t id = pare_tensor_id_end(source->model, end);
    int64_t out, in;
    void *room;
    pare_tensor_matrix(source->model->tensors[id], &out, &in);
    PARE_TRY(pare_alloc_uninitialized(&room, (size_t)(out * in), pare_operand_size(backend), "projection"));
    pare_matmul shape = {.batch = 1, .m = n, .n = out, .k = in, .transpose_b = true};
    pare_status status = backend->operations->matmul(backend, &shape, x, pare_source_operand(source, id, room), y);
    pare_free(room);
    return status;
}

/* The same from floats. */
static pare_status project_floats(const pare_source *source, pare_end end, const float *x, int64_t elements, int64_t n,
                                  float *y) {
    const pare_backend *backend = source->backend;
    void *operands;
    PARE_TRY(pare_alloc_uninitialized(&operands, (size_t)elements, pare_operand_size(backend), "projection"));
    backend->operations->to_operand(backend, x, elements, operands);
    pare_status status = project(source, end, operands, n, y);
    pare_free(operands);
    return status;
}

/* rows: float [count, embedding_width], x itself where nothing projects them. Sequences begin with the first token. */
static pare_status embed_some(const pare_source *source, const pare_embedded *tokens, float *rows, float *x) {
    const pare_config *config = &source->model->config;
    int64_t n = tokens->count, elements = n * config->embedding_width;
    pare_embed_rows(source, tokens, rows);
    if (has(config, PARE_END_EMBEDDING_NORM)) PARE_TRY(norm_rows(source, n, rows));
    if (rows != x) PARE_TRY(project_floats(source, PARE_END_PROJECT_IN, rows, elements, n, x));
    return pare_reads_pictures(config) ? pare_patches_finish(source, tokens, x) : PARE_OK;
}

static pare_status embed_projected(const pare_source *source, const pare_embedded *tokens, float *x) {
    const pare_config *config = &source->model->config;
    int64_t step = projected_tokens(tokens->count, tokens->length);
    float *rows;
    pare_status status =
        pare_alloc_uninitialized(&rows, (size_t)step * config->embedding_width, sizeof *rows, "embeddings");
    for (int64_t first = 0; first < tokens->count && status == PARE_OK; first += step) {
        pare_embedded some = *tokens;
        some.ids += first / tokens->length * tokens->stride;
        some.count = tokens->count - first < step ? tokens->count - first : step;
        status = embed_some(source, &some, rows, x + first * (int64_t)config->hidden);
    }
    pare_free(rows);
    return status;
}

pare_status pare_embed(const pare_source *source, const pare_embedded *tokens, float *x) {
    const pare_config *config = &source->model->config;
    PARE_TRY(has(config, PARE_END_PROJECT_IN) ? embed_projected(source, tokens, x) : embed_some(source, tokens, x, x));
    return has(config, PARE_END_POSITIONS) ? add_positions(source, tokens, x) : PARE_OK;
}

static void final_norm(const pare_source *source, const pare_norm *norm, const float *x, int64_t n, void *out,
                       float *inverse) {
    const pare_backend *backend = source->backend;
    const pare_config *config = &source->model->config;
    int64_t d = config->hidden;
    if (config->architecture.no_final_norm)
        backend->operations->to_operand(backend, x, n * d, out);
    else
        backend->operations->norm_forward(backend, norm, x, n, d, out, false, inverse);
}

pare_status pare_final_forward(const pare_source *source, const pare_norm *norm, const float *x, int64_t n, void *out,
                               float *inverse) {
    const pare_backend *backend = source->backend;
    const pare_config *config = &source->model->config;
    int64_t e = config->head_width;
    if (!has(config, PARE_END_PROJECT_OUT)) {
        final_norm(source, norm, x, n, out, inverse);
        return PARE_OK;
    }
    void *normed;
    float *projected = NULL;
    PARE_TRY(pare_alloc_uninitialized(&normed, (size_t)n * config->hidden, pare_operand_size(backend), "final norm"));
    pare_status status = pare_alloc_uninitialized(&projected, (size_t)(n * e), sizeof *projected, "projection");
    final_norm(source, norm, x, n, normed, inverse);
    if (status == PARE_OK) status = project(source, PARE_END_PROJECT_OUT, normed, n, projected);
    if (status == PARE_OK) backend->operations->to_operand(backend, projected, n * e, out);
    pare_free(projected);
    pare_free(normed);
    return status;
}

static void finish_row(const float *bias, float scale, float cap, int64_t n, float *row) {
    for (int64_t i = 0; i < n; i++) {
        float value = scale * row[i] + (bias ? bias[i] : 0.0f);
        row[i] = cap > 0.0f ? cap * tanhf(value / cap) : value;
    }
}

void pare_logits_finish(const pare_config *config, const float *bias, int64_t first, int64_t n, int64_t columns,
                        float *logits) {
    float scale = pare_scale_or_one(config->architecture.logit_scale), cap = (float)config->architecture.logit_cap;
    if (!bias && scale == 1.0f && cap <= 0.0f) return;
#pragma omp parallel for schedule(static) if (n * columns > 8192)
    for (int64_t i = 0; i < n; i++)
        finish_row(bias ? bias + first : NULL, scale, cap, columns, logits + i * columns);
}

void pare_logits_unfinish(const pare_config *config, pare_dtype operand, int64_t n, int64_t columns,
                          const float *logits, void *dlogits) {
    enum { PIECE = 512 };
    float scale = pare_scale_or_one(config->architecture.logit_scale), cap = (float)config->architecture.logit_cap;
    int64_t elements = n * columns;
    if (scale == 1.0f && cap <= 0.0f) return;
#pragma omp parallel for schedule(static) if (elements > 8192)
    for (int64_t at = 0; at < elements; at += PIECE) {
        float piece[PIECE];
        int64_t count = elements - at < PIECE ? elements - at : PIECE;
        char *here = (char *)dlogits + (size_t)at * pare_dtype_size(operand);
        pare_to_float(piece, here, operand, (size_t)count);
        for (int64_t i = 0; i < count; i++) {
            float share = cap > 0.0f ? logits[at + i] / cap : 0.0f;
            piece[i] *= scale * (1.0f - share * share);
        }
        pare_from_float(here, operand, piece, (size_t)count);
    }
}
