#include "model/ends.h"
#include "model/pass_internal.h"
#include "model/patches.h"
#include "support/memory.h"

#include <stdlib.h>
#include <string.h>

static pare_embedded tokens_of(const pare_pass *pass) {
    return (pare_embedded){.ids = pass->ids,
                           .count = pare_pass_tokens(pass),
                           .length = pass->layout.length,
                           .stride = pass->layout.length,
                           .positions = pass->layout.positions};
}

pare_status pare_embedding_forward(const pare_pass *pass, const pare_source *source, float *x) {
    const pare_embedded all = tokens_of(pass);
    for (int64_t s = 0, n; s < pass->sequences; s += n) {
        int64_t first = s * all.length;
        n = pare_pass_stretch_at(pass, s);
        pare_embedded some = all;
        some.ids += first;
        some.count = n * all.length;
        if (all.positions) some.positions += first;
        PARE_TRY(pare_embed(source, &some, x + first * pass->model->config.hidden));
    }
    return PARE_OK;
}

static int compare_ids(const void *a, const void *b, void *ids) {
    const uint32_t *of = ids;
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    if (of[x] != of[y]) return of[x] < of[y] ? -1 : 1;
    return x < y ? -1 : x > y;
}

/* By id, then by position: every row's gradient is a sum in the order of the tokens. */
void pare_embedding_sort(pare_pass *pass) {
    int64_t tokens = pare_pass_tokens(pass);
    for (int64_t t = 0; t < tokens; t++)
        pass->order[t] = t;
    qsort_r(pass->order, (size_t)tokens, sizeof *pass->order, compare_ids, (void *)(uintptr_t)pass->ids);
}

void pare_embedding_scatter(const pare_pass *pass, const pare_embedding_rows *of, float *gradient) {
    int64_t first = of->first, rows = of->rows, d = pass->model->config.embedding_width,
            tokens = pare_pass_tokens(pass), low = 0, high = tokens;
    while (low < high) {
        int64_t middle = (low + high) / 2;
        if ((int64_t)pass->ids[pass->order[middle]] < first)
            low = middle + 1;
        else
            high = middle;
    }
    for (int64_t i = low; i < tokens; i++) {
        int64_t t = pass->order[i], row = (int64_t)pass->ids[t] - first;
        if (row >= rows) break;
        if (t < of->first_token || t >= of->first_token + of->tokens) continue;
        const float *from = pass->dembedded + t * d;
        float *to = gradient + row * d;
        for (int64_t j = 0; j < d; j++)
            to[j] += from[j];
    }
}

/* Of a stretch of rows. */
static pare_status scatter_shard(pare_pass *pass, int k, int64_t first, int64_t tokens, void *context) {
    pare_embedding_rows rows = *(const pare_embedding_rows *)context;
    size_t bytes = (size_t)(rows.rows * pass->model->config.embedding_width) * sizeof *pass->head_gradient;
    (void)k;
    rows.first_token = first;
    rows.tokens = tokens;
    memset(pass->head_gradient, 0, bytes);
    pass->summed = true;
    pare_embedding_scatter(pass, &rows, pass->head_gradient);
    return PARE_OK;
}

pare_status pare_embedding_backward(pare_pass *pass, const pare_gradient_sink *sink) {
    int64_t d = pass->model->config.embedding_width, vocabulary = pass->model->config.vocabulary;
    for (int64_t first = 0; first < vocabulary; first += PARE_HEAD_VOCABULARY) {
        int64_t rows = vocabulary - first < PARE_HEAD_VOCABULARY ? vocabulary - first : PARE_HEAD_VOCABULARY;
        pare_embedding_rows stretch = {.first = first, .rows = rows};
        PARE_TRY(pare_pass_sum_singles(pass, pass->head_gradient, rows * d));
        PARE_TRY(pare_pass_sum_shards(pass, scatter_shard, &stretch));
        PARE_TRY(sink->rows(sink->context, pare_tensor_id_embedding(), first, rows, d, pass->head_gradient, NULL));
    }
    return PARE_OK;
}

/* gradient: float [positions, d], of learned ones: every row sums its tokens in their order. */
static pare_status positions_shard(pare_pass *pass, int k, int64_t first, int64_t tokens, void *context) {
    const pare_embedded all = tokens_of(pass);
    float *gradient = context;
    int64_t d = pass->model->config.hidden, offset = pass->model->config.architecture.position_offset;
    (void)k;
    for (int64_t t = first; t < first + tokens; t++) {
        float *to = gradient + (offset + (all.positions ? all.positions[t] : t % all.length)) * d;
        for (int64_t j = 0; j < d; j++)
            to[j] += pass->dx[t * d + j];
    }
    return PARE_OK;
}

static pare_status positions_backward(pare_pass *pass, const pare_gradient_sink *sink) {
    const pare_model *model = pass->model;
    size_t id = pare_tensor_id_end(model, PARE_END_POSITIONS);
    int64_t d = model->config.hidden, rows, columns;
    float *gradient;
    if (!pare_has_end(&model->config.architecture, PARE_END_POSITIONS) || !sink->wants(sink->context, id))
        return PARE_OK;
    pare_tensor_matrix(model->tensors[id], &rows, &columns);
    PARE_TRY(pare_alloc(&gradient, (size_t)(rows * d), sizeof *gradient, "gradient of the positions"));
    pare_shard_sum sum = {.kind = PARE_SUM_SINGLE, .values = gradient, .count = (size_t)(rows * d)};
    pare_status status = pare_shard_sums_add(&pass->sums, &sum);
    if (status == PARE_OK) status = pare_pass_sum_shards(pass, positions_shard, gradient);
    if (status == PARE_OK) status = sink->rows(sink->context, id, 0, rows, d, gradient, NULL);
    pare_free(gradient);
    return status;
}

typedef struct norm_run {
    const pare_norm *norm;
    const float *x, *inverse; /* [tokens, e], [tokens] */
    double *weights, *biases; /* biases NULL: there are none */
} norm_run;

static pare_status norm_shard(pare_pass *pass, int k, int64_t first, int64_t tokens, void *context) {
    const norm_run *run = context;
    int64_t e = pass->model->config.embedding_width, at = first * e;
    (void)k;
    pass->backend->operations->norm_backward(pass->backend, run->norm, run->x + at, run->inverse + first,
                                             pass->dembedded + at, tokens, e, pass->dembedded + at, false, run->weights,
                                             run->biases);
    return PARE_OK;
}

/* rows: what the embedding's norm reads, or project_in where there is none; pass->dembedded is its gradient. */
static pare_status norm_rows_backward(pare_pass *pass, const pare_source *source, const pare_gradient_sink *sink,
                                      const float *raw) {
    const pare_model *model = pass->model;
    int64_t e = model->config.embedding_width, n = pare_pass_tokens(pass);
    pare_end ends[] = {PARE_END_EMBEDDING_NORM, PARE_END_EMBEDDING_NORM_BIAS};
    float *room, *normed = NULL;
    double *sums = NULL;
    PARE_TRY(pare_alloc(&room, (size_t)(3 * e), sizeof *room, "embedding norm"));
    pare_status status = pare_alloc_uninitialized(&normed, (size_t)(n * (e + 1)), sizeof *normed, "embedding norm");
    if (status == PARE_OK) status = pare_alloc(&sums, (size_t)(2 * e), sizeof *sums, "embedding norm");
    if (status == PARE_OK) {
        const pare_backend_operations *ops = pass->backend->operations;
        float *inverse = normed + n * e;
        pare_norm norm = pare_end_norm(source, ends[0], ends[1], room);
        ops->norm_forward(pass->backend, &norm, raw, n, e, normed, true, inverse);
        norm_run run = {&norm, raw, inverse, sums, norm.bias ? sums + e : NULL};
        status = pare_pass_sum_doubles(pass, run.weights, e);
        if (status == PARE_OK) status = pare_pass_sum_doubles(pass, run.biases, e);
        if (status == PARE_OK) status = pare_pass_sum_shards(pass, norm_shard, &run);
    }
    for (int i = 0; i < 2 && status == PARE_OK; i++) {
        size_t id = pare_tensor_id_end(model, ends[i]);
        if (id >= model->tensor_count || !sink->wants(sink->context, id)) continue;
        for (int64_t j = 0; j < e; j++)
            room[2 * e + j] = (float)sums[i * e + j];
        status = sink->rows(sink->context, id, 0, 1, e, room + 2 * e, NULL);
    }
    pare_free(sums);
    pare_free(normed);
    pare_free(room);
    return status;
}

/* Through project_in: pass->dembedded = dx W, and dW = dx^T rows. rows: what project_in reads. */
static pare_status project_backward(pare_pass *pass, const pare_source *source, const pare_gradient_sink *sink,
                                    const float *rows) {
    const pare_backend *backend = pass->backend;
    const pare_backend_operations *ops = backend->operations;
    size_t id = pare_tensor_id_end(pass->model, PARE_END_PROJECT_IN);
    int64_t d = pass->model->config.hidden, e = pass->model->config.embedding_width, n = pare_pass_tokens(pass);
    size_t operand = pare_operand_size(backend);
    void *room;
    PARE_TRY(pare_alloc_uninitialized(&room, (size_t)(n * d + n * e + d * e), operand, "projection"));
    void *dy = room, *x = pare_operand_at(backend, room, n * d), *weight = pare_operand_at(backend, x, n * e);
    ops->to_operand(backend, pass->dx, n * d, dy);
    ops->to_operand(backend, rows, n * e, x);
    pare_status status = pare_pass_projection_input(pass, source, id, dy, weight, pass->dembedded);
    if (status == PARE_OK) status = pare_pass_projection_gradient(pass, sink, id, dy, x);
    pare_free(room);
    return status;
}

static bool is_direct(const pare_config *config) {
    const pare_architecture *a = &config->architecture;
    bool scaled = a->embedding_scale > 0.0 && a->embedding_scale != 1.0;
    return !scaled && !pare_has_end(a, PARE_END_EMBEDDING_NORM) && !pare_has_end(a, PARE_END_PROJECT_IN);
}

pare_status pare_embedding_enter_backward(pare_pass *pass, const pare_source *source, const pare_gradient_sink *sink) {
    const pare_config *config = &pass->model->config;
    const pare_architecture *a = &config->architecture;
    const pare_embedded tokens = tokens_of(pass);
    int64_t elements = tokens.count * config->embedding_width;
    pass->dembedded = pass->dx;
    PARE_TRY(positions_backward(pass, sink));
    if (pare_reads_pictures(config)) PARE_TRY(pare_patches_backward(pass, sink));
    if (is_direct(config)) return PARE_OK;
    PARE_TRY(pare_alloc_uninitialized(&pass->dembedded, (size_t)elements, sizeof *pass->dembedded, "embeddings"));
    bool normed = pare_has_end(a, PARE_END_EMBEDDING_NORM), projected = pare_has_end(a, PARE_END_PROJECT_IN);
    float *rows = NULL;
    pare_status status = PARE_OK;
    if (!projected) memcpy(pass->dembedded, pass->dx, (size_t)elements * sizeof *pass->dx);
    if (normed || projected) status = pare_alloc_uninitialized(&rows, (size_t)elements, sizeof *rows, "embeddings");
    if (status == PARE_OK && rows) pare_embed_rows(source, &tokens, rows);
    if (status == PARE_OK && projected) status = project_backward(pass, source, sink, rows);
    if (status == PARE_OK && normed) status = norm_rows_backward(pass, source, sink, rows);
    pare_free(rows);
    float scale = pare_scale_or_one(a->embedding_scale);
    for (int64_t i = 0; i < elements; i++)
        pass->dembedded[i] *= scale;
    return status;
}

void pare_embedding_leave_backward(pare_pass *pass) {
    if (pass->dembedded != pass->dx) pare_free(pass->dembedded);
    pass->dembedded = NULL;
}
