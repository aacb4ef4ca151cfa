/* The LM head and its loss. Logits exist in tiles of PARE_HEAD_TOKENS x PARE_HEAD_VOCABULARY only: a first sweep over
 * the vocabulary finds each token's log-sum-exp, a second makes the logits again and turns them into gradients. */
#include "model/pass_internal.h"

#include <math.h>
#include <string.h>

typedef struct vocabulary_chunk {
    int64_t first, rows;
    const void *weights; /* operand [rows, d] */
} vocabulary_chunk;

/* The chunk at `first`, its weights composed into pass->head_rows if need be. */
static vocabulary_chunk chunk_at(const pare_pass *pass, const pare_source *source, int64_t first) {
    int64_t left = (int64_t)pass->model->config.vocabulary - first;
    vocabulary_chunk chunk = {.first = first, .rows = left < PARE_HEAD_VOCABULARY ? left : PARE_HEAD_VOCABULARY};
    chunk.weights =
        pare_source_operand_rows(source, pare_tensor_id_head(pass->model), first, chunk.rows, pass->head_rows);
    return chunk;
}

/* logits: float [tokens, chunk.rows] of tokens [first, first + tokens) */
static pare_status chunk_logits(const pare_pass *pass, const vocabulary_chunk *chunk, int64_t first, int64_t tokens,
                                float *logits) {
    int64_t d = pass->model->config.hidden;
    pare_matmul shape = {.batch = 1, .m = tokens, .n = chunk->rows, .k = d, .transpose_b = true};
    return pass->backend->operations->matmul(
        pass->backend, &shape, pare_operand_at(pass->backend, pass->final, first * d), chunk->weights, logits);
}

static int64_t token_step(int64_t tokens, int64_t first) {
    return tokens - first < PARE_HEAD_TOKENS ? tokens - first : PARE_HEAD_TOKENS;
}

static void set_targets(pare_pass *pass) {
    int64_t length = pass->shape.length, tokens = pare_pass_tokens(pass);
    for (int64_t t = 0; t < tokens; t++) {
        bool last = t % length == length - 1;
        pass->targets[t] = last ? -1 : (int32_t)pass->ids[t + 1];
        pass->maximum[t] = -INFINITY;
        pass->sum[t] = 0.0;
        pass->target_logit[t] = 0.0f;
    }
}

pare_status pare_head_logsum(pare_pass *pass, const pare_source *source) {
    const pare_backend *backend = pass->backend;
    int64_t tokens = pare_pass_tokens(pass);
    set_targets(pass);
    for (int64_t v = 0; v < (int64_t)pass->model->config.vocabulary; v += PARE_HEAD_VOCABULARY) {
        vocabulary_chunk chunk = chunk_at(pass, source, v);
        for (int64_t t = 0; t < tokens; t += PARE_HEAD_TOKENS) {
            int64_t count = token_step(tokens, t);
            PARE_TRY(chunk_logits(pass, &chunk, t, count, pass->logits));
            backend->operations->logsum_update(backend, pass->logits, count, chunk.rows, chunk.first, pass->targets + t,
                                               pass->maximum + t, pass->sum + t, pass->target_logit + t);
        }
    }
    for (int64_t t = 0; t < tokens; t++)
        pass->logsum[t] = (float)((double)pass->maximum[t] + log(pass->sum[t]));
    return PARE_OK;
}

pare_status pare_pass_loss(pare_pass *pass, const pare_source *source, double *nll, double *sum) {
    PARE_TRY(pare_head_logsum(pass, source));
    int64_t length = pass->shape.length;
    double total = 0.0;
    for (int64_t s = 0; s < pass->sequences; s++)
        for (int64_t i = 0; i < length - 1; i++) {
            int64_t t = s * length + i;
            double value = (double)pass->maximum[t] - (double)pass->target_logit[t] + log(pass->sum[t]);
            if (nll) nll[s * (length - 1) + i] = value;
            total += value;
        }
    *sum = total;
    return PARE_OK;
}

pare_status pare_pass_logits(pare_pass *pass, const pare_source *source, int64_t first, int64_t tokens, float *logits) {
    int64_t vocabulary = pass->model->config.vocabulary;
    for (int64_t v = 0; v < vocabulary; v += PARE_HEAD_VOCABULARY) {
        vocabulary_chunk chunk = chunk_at(pass, source, v);
        for (int64_t t = 0; t < tokens; t += PARE_HEAD_TOKENS) {
            int64_t count = token_step(tokens, t);
            PARE_TRY(chunk_logits(pass, &chunk, first + t, count, pass->logits));
            for (int64_t i = 0; i < count; i++)
                memcpy(logits + (t + i) * vocabulary + v, pass->logits + i * chunk.rows,
                       (size_t)chunk.rows * sizeof(float));
        }
    }
    return PARE_OK;
}

/* One tile of dlogits: dfinal += dlogits W, and head_gradient (+)= dlogits^T final. */
static pare_status tile_backward(pare_pass *pass, const vocabulary_chunk *chunk, int64_t t, int64_t count,
                                 float *dfinal, bool weights) {
    const pare_backend *backend = pass->backend;
    int64_t d = pass->model->config.hidden, predictions = pass->sequences * (pass->shape.length - 1);
    PARE_TRY(chunk_logits(pass, chunk, t, count, pass->logits));
    backend->operations->logits_gradient(backend, pass->logits, count, chunk->rows, chunk->first, pass->targets + t,
                                         pass->logsum + t, 1.0f / (float)predictions, pass->dlogits);
    if (dfinal) {
        pare_matmul shape = {.batch = 1, .m = count, .n = d, .k = chunk->rows, .accumulate = chunk->first > 0};
        PARE_TRY(backend->operations->matmul(backend, &shape, pass->dlogits, chunk->weights, dfinal + t * d));
    }
    if (!weights) return PARE_OK;
    pare_matmul shape = {.batch = 1, .m = chunk->rows, .n = d, .k = count, .transpose_a = true, .accumulate = t > 0};
    return backend->operations->matmul(backend, &shape, pass->dlogits, pare_operand_at(backend, pass->final, t * d),
                                       pass->head_gradient);
}

pare_status pare_head_backward(pare_pass *pass, const pare_source *source, float *dfinal,
                               const pare_gradient_sink *sink, bool embedding_too) {
    size_t id = pare_tensor_id_head(pass->model);
    int64_t tokens = pare_pass_tokens(pass), d = pass->model->config.hidden;
    for (int64_t v = 0; v < (int64_t)pass->model->config.vocabulary; v += PARE_HEAD_VOCABULARY) {
        vocabulary_chunk chunk = chunk_at(pass, source, v);
        for (int64_t t = 0; t < tokens; t += PARE_HEAD_TOKENS)
            PARE_TRY(tile_backward(pass, &chunk, t, token_step(tokens, t), dfinal, sink != NULL));
        if (!sink) continue;
        if (embedding_too) pare_embedding_scatter(pass, chunk.first, chunk.rows, pass->head_gradient);
        PARE_TRY(sink->rows(sink->context, id, chunk.first, chunk.rows, d, pass->head_gradient, NULL));
    }
    return PARE_OK;
}
