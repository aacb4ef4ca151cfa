/* Matrices that read the hidden state, fitted to what they read in the pruned model. */
#include "repair/norm_fit.h"
#include "repair/repair_internal.h"
#include "support/memory.h"

#include <cblas.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

/* Norm weights and eps of both models; what: the hidden states, for messages. */
typedef struct norm_pair {
    const float *dense, *pruned;
    double dense_eps, pruned_eps;
    const char *what;
} norm_pair;

/* q and p of the micro-batch at `sequence` as operands, in the activations' normed buffers, and as floats in
 * `difference` and the activations' middle. */
typedef struct normed {
    const void *p_operand, *q_operand;
    const float *p, *q; /* [tokens, d] */
    int64_t tokens;
} normed;

static normed normalize(pare_repair *r, const norm_pair *norms, int64_t sequence) {
    const pare_backend_operations *ops = r->backend->operations;
    pare_activations *a = &r->walk.activations;
    int64_t d = r->hidden, first = sequence * r->job->length, tokens = pare_repair_batch(r, sequence) * r->job->length;
    const pare_norm pruned = {.weight = norms->pruned, .eps = norms->pruned_eps};
    const pare_norm dense = {.weight = norms->dense, .eps = norms->dense_eps};
    ops->norm_forward(r->backend, &pruned, r->pruned + first * d, tokens, d, a->normed1, false, a->inverse1);
    ops->norm_forward(r->backend, &dense, r->dense + first * d, tokens, d, a->normed2, false, a->inverse2);
    ops->from_operand(r->backend, a->normed1, tokens * d, a->middle);
    ops->from_operand(r->backend, a->normed2, tokens * d, r->difference);
    return (normed){
        .p_operand = a->normed1, .q_operand = a->normed2, .p = a->middle, .q = r->difference, .tokens = tokens};
}

/* r->map <- the map from the pruned model's normed hidden state to the dense one's: [d, d], W' = W map. */
static pare_status fit_map(pare_repair *r, const norm_pair *norms, pare_fit *fit) {
    int64_t d = r->hidden, square = d * d;
    float beta = (float)r->job->options.beta;
    double energy = 0.0;
    for (int64_t s = 0; s < r->job->sequences; s += r->micro_batch) {
        normed n = normalize(r, norms, s);
        pare_inputs inputs = {.x = n.p_operand, .tokens = n.tokens, .width = d};
        PARE_TRY(pare_gram_add(r->backend, &inputs, s == 0, r->gram));
        PARE_TRY(pare_cross_add(r->backend, &inputs, n.q_operand, d, s == 0, r->cross));
        for (int64_t i = 0; i < n.tokens * d; i++)
            energy += ((double)n.q[i] - (double)n.p[i]) * ((double)n.q[i] - (double)n.p[i]);
        PARE_TRY(pare_interrupted());
    }
    for (int64_t i = 0; i < square; i++)
        r->cross[i] = beta * (r->cross[i] - r->gram[i]);
    memset(r->map, 0, (size_t)square * sizeof *r->map);
    for (int64_t i = 0; i < d; i++)
        r->map[i * (d + 1)] = 1.0f;
    pare_least_squares problem = {.rows = d,
                                  .columns = {.gram = r->gram,
                                              .width = d,
                                              .kept = r->channels.index,
                                              .count = r->channels.count,
                                              .damping = r->job->options.reader_damping,
                                              .what = norms->what},
                                  .cross = r->cross,
                                  .residual = (double)beta * (double)beta * energy};
    return pare_least_squares_solve(&problem, r->map, fit);
}

/* result <- weights map, `rows` rows */
static void apply_map(pare_repair *r, int64_t rows) {
    int d = (int)r->hidden;
    pare_blas_threads();
    cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, (int)rows, d, d, 1.0f, r->weights, d, r->map, d, 0.0f,
                r->result, d);
}

pare_status pare_repair_readers(pare_repair *r, pare_stage_run *run) {
    char what[96];
    snprintf(what, sizeof what, "the hidden states before layer %u's %s", run->layer,
             run->stage == PARE_STAGE_ATTENTION ? "attention" : "FFN");
    norm_pair norms = {.dense = run->dense.weights.vector[PARE_MATRIX_ROLES + run->norm],
                       .pruned = run->pruned.weights.vector[PARE_MATRIX_ROLES + run->norm],
                       .dense_eps = run->dense.eps,
                       .pruned_eps = run->pruned.eps,
                       .what = what};
    PARE_TRY(fit_map(r, &norms, &run->fit.readers));
    run->fit.readers_fitted = true;
    for (int i = 0; i < run->reader_count; i++) {
        size_t id = pare_tensor_id(run->layer, run->readers[i]);
        int64_t rows, columns;
        pare_tensor_matrix(r->model->tensors[id], &rows, &columns);
        pare_source_rows(r->source, id, 0, rows, r->weights);
        apply_map(r, rows);
        run->pruned.weights.matrix[run->readers[i]] = pare_slot_fill(r, &r->slot[1 + i], id, rows, columns, r->result);
    }
    return PARE_OK;
}

/* factor: double [d] <- sum q p / sum p^2 per channel; 1 where p is nothing. */
static pare_status fit_norm(pare_repair *r, const norm_pair *norms, double *factor) {
    int64_t d = r->hidden;
    double *squares;
    PARE_TRY(pare_alloc(&squares, (size_t)d, sizeof *squares, "final norm"));
    pare_status status = PARE_OK;
    for (int64_t s = 0; s < r->job->sequences && status == PARE_OK; s += r->micro_batch) {
        normed n = normalize(r, norms, s);
        pare_norm_fit_add(n.q, n.p, n.tokens, d, factor, squares);
        status = pare_interrupted();
    }
    pare_norm_fit_end(factor, squares, d);
    pare_free(squares);
    return status;
}

/* The final norm's weights, in: the dense ones, out: fitted as they are stored; the pruned ones of `norms` follow. */
static pare_status replace_norm(pare_repair *r, norm_pair *norms, float *weights) {
    size_t id = pare_tensor_id_final_norm(r->model);
    pare_index_list one = {.count = 1};
    double *factor, eps = 0.0;
    void *out;
    PARE_TRY(pare_alloc(&factor, (size_t)r->hidden, sizeof *factor, "final norm"));
    pare_status status = fit_norm(r, norms, factor);
    for (int64_t i = 0; i < r->hidden; i++)
        weights[i] *= (float)factor[i];
    pare_free(factor);
    PARE_TRY(status);
    pare_slot_fill(r, &r->slot[0], id, 1, r->hidden, weights);
    pare_repair_norm(r, weights, &eps);
    PARE_TRY(pare_repaired_add(r->repaired, r->model, id, 1, (uint64_t)r->channels.count, &out));
    pare_matrix_cut(r->slot[0].stored, r->hidden, pare_dtype_size(r->model->tensors[id]->dtype), one, r->channels, out);
    return PARE_OK;
}

static pare_status replace_head(pare_repair *r, const norm_pair *norms) {
    size_t id = pare_tensor_id_head(r->model), size = pare_dtype_size(r->model->tensors[id]->dtype);
    int64_t vocabulary = r->model->config.vocabulary, d = r->hidden;
    int64_t chunk = r->widest < PARE_HEAD_FIT_ROWS ? r->widest : PARE_HEAD_FIT_ROWS;
    pare_fit fit;
    char *out;
    PARE_TRY(fit_map(r, norms, &fit));
    PARE_TRY(
        pare_repaired_add(r->repaired, r->model, id, (uint64_t)vocabulary, (uint64_t)r->channels.count, (void **)&out));
    for (int64_t first = 0; first < vocabulary; first += chunk) {
        pare_index_list rows = {.count = vocabulary - first < chunk ? vocabulary - first : chunk};
        pare_source_rows(r->source, id, first, rows.count, r->weights);
        apply_map(r, rows.count);
        PARE_TRY(pare_interrupted());
        pare_from_float(r->slot[1].stored, r->model->tensors[id]->dtype, r->result, (size_t)(rows.count * d));
        pare_matrix_cut(r->slot[1].stored, d, size, rows, r->channels,
                        out + (size_t)(first * r->channels.count) * size);
    }
    return PARE_OK;
}

pare_status pare_repair_end(pare_repair *r) {
    const pare_repair_options *o = &r->job->options;
    bool head = o->head && o->beta > 0.0 && !r->model->config.tied;
    if (!r->apart || !r->dense || !(o->final_norm || head)) return PARE_OK;
    double eps = pare_source_eps(r->source);
    norm_pair norms = {.pruned = r->norm, .dense_eps = eps, .what = "the last hidden states"};
    float *weights, *dense;
    PARE_TRY(pare_alloc(&weights, 2 * (size_t)r->hidden, sizeof *weights, "final norm"));
    norms.dense = dense = weights + r->hidden;
    pare_source_rows(r->source, pare_tensor_id_final_norm(r->model), 0, 1, weights);
    memcpy(dense, weights, (size_t)r->hidden * sizeof *dense);
    pare_repair_norm(r, weights, &eps);
    norms.pruned_eps = eps;
    pare_status status = o->final_norm ? replace_norm(r, &norms, weights) : PARE_OK;
    if (status == PARE_OK && head) status = replace_head(r, &norms);
    pare_free(weights);
    return status;
}
