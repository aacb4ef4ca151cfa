/* Behind the last layer: the final norm, fitted to what the dense model has there (c_j = sum q_j p_j / sum p_j^2 per
 * channel), and the head as a reader. */
#include "layerwise/layerwise.h"
#include "model/ends.h"
#include "model/patches.h"
#include "repair/norm_fit.h"
#include "support/memory.h"

#include <math.h>
#include <string.h>

/* The norm in both models, and the factors that bring one to the other. */
typedef struct last_norm {
    pare_norm dense, pruned;   /* pruned: with the weights that are fitted, as the pruned model computes with them */
    float *vectors;            /* [2, d] of the dense one */
    float *fitted;             /* [d] weights as they multiply: of the dense norm, then fitted */
    double *factors, *squares; /* [d] */
    double energy;
    float *gram; /* [d, d] */
    bool seen;   /* it holds something */
} last_norm;

/* out: what the head reads of x, as operands. */
static void end_norm(const pare_layerwise *l, const pare_norm *norm, const float *x, int64_t tokens, void *out,
                     float *inverse) {
    const pare_backend_operations *ops = l->backend->operations;
    if (l->model->config.architecture.no_final_norm)
        ops->to_operand(l->backend, x, tokens * l->hidden, out);
    else
        ops->norm_forward(l->backend, norm, x, tokens, l->hidden, out, false, inverse);
}

/* Of the final norm's outputs [tokens, d], those that the head reads move to the front: of pictures the first token
 * of each. Returns their number. */
static int64_t take_read(const pare_layerwise *l, void *rows, int64_t tokens) {
    size_t bytes = (size_t)l->hidden * pare_operand_size(l->backend);
    if (!pare_reads_pictures(&l->model->config)) return tokens;
    for (int64_t i = 0; i < tokens / l->asked.length; i++)
        memmove((char *)rows + (size_t)i * bytes, (const char *)rows + (size_t)(i * l->asked.length) * bytes, bytes);
    return tokens / l->asked.length;
}

/* q and p, normed by the dense and the pruned model, as operands in normed2 and normed1, and in fp32, of tokens that
 * the head reads. Returns how many these are. */
static int64_t normalize(pare_layerwise *l, const last_norm *n, int64_t first, int64_t tokens, const float **q,
                         const float **p) {
    const pare_backend_operations *ops = l->backend->operations;
    pare_activations *a = l->block.activations;
    int64_t d = l->hidden;
    const float *dense = pare_layer_load(&l->dense, first, tokens);
    const float *pruned = pare_layer_load(&l->pruned, first, tokens);
    end_norm(l, &n->pruned, pruned, tokens, a->normed1, a->inverse1);
    end_norm(l, &n->dense, dense, tokens, a->normed2, a->inverse2);
    take_read(l, a->normed1, tokens);
    int64_t count = take_read(l, a->normed2, tokens);
    ops->from_operand(l->backend, a->normed2, count * d, l->difference);
    ops->from_operand(l->backend, a->normed1, count * d, a->middle);
    *q = l->difference;
    *p = a->middle;
    return count;
}

static pare_status see_norm(pare_layerwise *l, int64_t first, int64_t tokens, void *context) {
    last_norm without_bias = *(const last_norm *)context, *n = &without_bias; /* that is no factor's */
    const float *q, *p;
    n->dense.bias = n->pruned.bias = NULL;
    int64_t count = normalize(l, n, first, tokens, &q, &p);
    pare_norm_fit_add(q, p, count, l->hidden, n->factors, n->squares);
    return PARE_OK;
}

static pare_status see_head(pare_layerwise *l, int64_t first, int64_t tokens, void *context) {
    last_norm *n = context;
    const pare_activations *a = l->block.activations;
    const float *q, *p;
    int64_t count = normalize(l, n, first, tokens, &q, &p);
    pare_inputs inputs = {.x = a->normed1, .tokens = count, .width = l->hidden};
    for (int64_t i = 0; i < count * l->hidden; i++)
        n->energy += ((double)q[i] - (double)p[i]) * ((double)q[i] - (double)p[i]);
    pare_layerwise_halve(l, first, n->gram);
    bool begins = !n->seen;
    n->seen = true;
    PARE_TRY(pare_gram_add(l->backend, &inputs, begins, n->gram));
    return pare_cross_add(l->backend, &inputs, a->normed2, l->hidden, begins, l->cross);
}

/* What the pruned model computes with: of its channels, where it has fewer. */
static void enter_pruned(const pare_layerwise *l, last_norm *n) {
    n->pruned.weight = n->fitted;
    n->pruned.kept = l->block.hidden_kept;
    n->pruned.kept_count = l->block.hidden_count;
}

static pare_index_list channels_of(const pare_layerwise *l) {
    return l->asked.channels.index ? l->asked.channels : (pare_index_list){.count = l->hidden};
}

static pare_status replace_norm(pare_layerwise *l, last_norm *n) {
    size_t id = pare_tensor_id_final_norm(l->model), d = (size_t)l->hidden;
    pare_dtype dtype = l->model->tensors[id]->dtype;
    pare_index_list one = {.count = 1}, channels = channels_of(l);
    bool unit = l->model->config.architecture.norm_unit; /* it multiplies by 1 + w */
    void *out, *whole;
    PARE_TRY(pare_shard_sums_add_double(&l->sums, n->factors, d));
    PARE_TRY(pare_shard_sums_add_double(&l->sums, n->squares, d));
    PARE_TRY(pare_layerwise_batches(l, see_norm, n));
    pare_norm_fit_end(n->factors, n->squares, l->hidden);
    for (size_t i = 0; i < d; i++) {
        n->fitted[i] *= (float)n->factors[i];
        if (!isfinite(n->fitted[i]))
            return pare_fail(PARE_NUMERIC_ERROR, "the final norm cannot be fitted: the last hidden states are not "
                                                 "finite; calibrate with other data, or take --final-norm no");
    }
    for (size_t i = 0; i < d && unit; i++)
        n->fitted[i] -= 1.0f;
    PARE_TRY(pare_repaired_add(l->repaired, l->model, id, 1, (uint64_t)channels.count, &out));
    PARE_TRY(pare_alloc_uninitialized(&whole, d, pare_dtype_size(dtype), "final norm"));
    pare_from_float(whole, dtype, n->fitted, d);
    pare_to_float(n->fitted, whole, dtype, d);
    for (size_t i = 0; i < d && unit; i++)
        n->fitted[i] += 1.0f;
    pare_matrix_cut(whole, l->hidden, pare_dtype_size(dtype), one, channels, out);
    pare_free(whole);
    enter_pruned(l, n);
    return PARE_OK;
}

/* Rows of the head that are fitted at a time. */
static int64_t rows_at_once(const pare_model *model) {
    enum { ROWS = 1024 };
    int64_t widest = pare_layerwise_widest(model);
    return widest < ROWS ? widest : ROWS;
}

uint64_t pare_layerwise_finish_bytes(const pare_model *model, bool head) {
    uint64_t d = model->config.hidden, norms = d * (3 * sizeof(float) + 2 * sizeof(double));
    return norms + (head ? 3 * (uint64_t)rows_at_once(model) * d * sizeof(float) : 0);
}

/* Rows of the head that are in hand: as they are, through the map, and in their own type. */
typedef struct head_rows {
    float *weights, *result;
    void *stored;
} head_rows;

static pare_status fit_rows(pare_layerwise *l, size_t id, const head_rows *rows, char *out) {
    int64_t vocabulary = l->model->config.vocabulary, d = l->hidden, chunk = rows_at_once(l->model);
    pare_dtype dtype = l->model->tensors[id]->dtype;
    pare_index_list channels = channels_of(l);
    for (int64_t first = 0; first < vocabulary; first += chunk) {
        pare_index_list all = {.count = vocabulary - first < chunk ? vocabulary - first : chunk};
        pare_source_rows(l->asked.source, id, first, all.count, rows->weights);
        pare_layerwise_apply_map(l, rows->weights, all.count, rows->result);
        PARE_TRY(pare_interrupted());
        pare_from_float(rows->stored, dtype, rows->result, (size_t)(all.count * d));
        pare_matrix_cut(rows->stored, d, pare_dtype_size(dtype), all, channels,
                        out + (size_t)(first * channels.count) * pare_dtype_size(dtype));
    }
    return PARE_OK;
}

static pare_status replace_head(pare_layerwise *l, last_norm *n) {
    size_t id = pare_tensor_id_head(l->model), elements = (size_t)(rows_at_once(l->model) * l->hidden);
    head_rows rows = {0};
    pare_fit fit;
    void *out;
    PARE_TRY(pare_shard_sums_add_double(&l->sums, &n->energy, 1));
    PARE_TRY(pare_layerwise_sum_products(l, n->gram, &n->seen));
    PARE_TRY(pare_layerwise_batches(l, see_head, n));
    double share = l->asked.reader_share;
    PARE_TRY(pare_layerwise_fit_map(l, PARE_INPUT_KINDS, n->gram, "the last hidden states", share * share * n->energy,
                                    &fit));
    PARE_TRY(pare_repaired_add(l->repaired, l->model, id, l->model->config.vocabulary, (uint64_t)channels_of(l).count,
                               &out));
    pare_status status = pare_alloc_uninitialized(&rows.weights, elements, sizeof(float), "head");
    if (status == PARE_OK) status = pare_alloc_uninitialized(&rows.result, elements, sizeof(float), "head");
    if (status == PARE_OK)
        status =
            pare_alloc_uninitialized(&rows.stored, elements, pare_dtype_size(l->model->tensors[id]->dtype), "head");
    if (status == PARE_OK) status = fit_rows(l, id, &rows, out);
    pare_free(rows.weights);
    pare_free(rows.result);
    pare_free(rows.stored);
    return status;
}

/* The head reads the final norm, and nothing between them projects it. */
static bool reads_norm(const pare_architecture *a) {
    return !pare_has_end(a, PARE_END_PROJECT_OUT);
}

static pare_status begin(pare_layerwise *l, last_norm *n) {
    size_t d = (size_t)l->hidden;
    PARE_TRY(pare_alloc(&n->vectors, 2 * d, sizeof *n->vectors, "final norm"));
    PARE_TRY(pare_alloc(&n->fitted, d, sizeof *n->fitted, "final norm"));
    PARE_TRY(pare_alloc(&n->factors, d, sizeof *n->factors, "final norm"));
    PARE_TRY(pare_alloc(&n->squares, d, sizeof *n->squares, "final norm"));
    n->gram = l->gram_room[PARE_INPUT_QKV];
    n->dense = n->pruned = pare_end_norm(l->asked.source, PARE_END_FINAL_NORM, PARE_END_FINAL_NORM_BIAS, n->vectors);
    for (size_t i = 0; i < d; i++)
        n->fitted[i] = n->dense.weight ? n->dense.weight[i] : 1.0f;
    enter_pruned(l, n);
    return PARE_OK;
}

pare_status pare_layerwise_finish(pare_layerwise *l, bool norm, bool head) {
    last_norm n = {0};
    const pare_architecture *a = &l->model->config.architecture;
    bool fits_norm = norm && pare_has_end(a, PARE_END_FINAL_NORM);
    bool fits_head = head && l->asked.reader_share > 0.0 && !l->model->config.tied && reads_norm(a);
    if (!l->asked.two || !l->apart || !(fits_norm || fits_head)) return PARE_OK;
    pare_status status = begin(l, &n);
    if (status == PARE_OK && fits_norm) status = replace_norm(l, &n);
    if (status == PARE_OK && fits_head) status = replace_head(l, &n);
    pare_free(n.vectors);
    pare_free(n.fitted);
    pare_free(n.factors);
    pare_free(n.squares);
    return status;
}
