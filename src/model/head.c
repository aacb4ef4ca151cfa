/* The LM head and its loss. Logits exist in tiles of PARE_HEAD_TOKENS x PARE_HEAD_VOCABULARY only: a first sweep over
 * the vocabulary finds the log-sum-exp of each token that has a target, a second makes the logits again and turns them
 * into gradients. Tokens without a target have no logits: the rows of the others are gathered tile by tile. */
#include "model/head.h"
#include "model/ends.h"
#include "model/patches.h"
#include "model/teaching.h"

#include <math.h>
#include <string.h>

static int64_t ids_in_hand(const pare_pass *pass) {
    return pass->listed ? pass->listed->count : (int64_t)pass->model->config.vocabulary;
}

/* Rows of listed ids, one behind the other. */
static const void *gather_rows(const pare_pass *pass, const pare_source *source, const pare_head_chunk *chunk) {
    size_t id = pare_tensor_id_head(pass->model);
    int64_t d = pass->model->config.head_width;
    for (int64_t i = 0; i < chunk->rows; i++) {
        void *to = pare_operand_at(pass->backend, pass->head_rows, i * d);
        const void *row = pare_source_operand_rows(source, id, pass->listed->id[chunk->first + i], 1, to);
        if (row != to) memcpy(to, row, (size_t)d * pare_operand_size(pass->backend));
    }
    return pass->head_rows;
}

pare_head_chunk pare_head_chunk_at(const pare_pass *pass, const pare_source *source, int64_t first) {
    int64_t left = ids_in_hand(pass) - first;
    pare_head_chunk chunk = {.first = first, .rows = left < PARE_HEAD_VOCABULARY ? left : PARE_HEAD_VOCABULARY};
    size_t id = pare_tensor_id_head(pass->model);
    chunk.weights = pass->listed ? gather_rows(pass, source, &chunk)
                                 : pare_source_operand_rows(source, id, first, chunk.rows, pass->head_rows);
    return chunk;
}

/* logits: float [tokens, chunk.rows]; final: operand [tokens, d] */
static pare_status chunk_logits(const pare_pass *pass, const pare_head_chunk *chunk, const void *final, int64_t tokens,
                                float *logits) {
    const pare_config *config = &pass->model->config;
    pare_matmul shape = {.batch = 1, .m = tokens, .n = chunk->rows, .k = config->head_width, .transpose_b = true};
    PARE_TRY(pass->backend->operations->matmul(pass->backend, &shape, final, chunk->weights, logits));
    const float *bias = pass->listed ? pass->listed_bias : pass->head_bias;
    pare_logits_finish(config, bias, chunk->first, tokens, chunk->rows, logits);
    return PARE_OK;
}

static int64_t token_step(int64_t tokens, int64_t first) {
    return tokens - first < PARE_HEAD_TOKENS ? tokens - first : PARE_HEAD_TOKENS;
}

/* The final norm's output of predictions [first, first + count), one behind the other. */
static const void *final_rows(const pare_pass *pass, int64_t first, int64_t count) {
    const pare_backend *backend = pass->backend;
    const int64_t *tokens = pass->predicted + first;
    int64_t d = pass->model->config.head_width;
    if (tokens[count - 1] - tokens[0] == count - 1) return pare_operand_at(backend, pass->final, tokens[0] * d);
    for (int64_t i = 0; i < count; i++)
        memcpy(pare_operand_at(backend, pass->gathered, i * d), pare_operand_at(backend, pass->final, tokens[i] * d),
               (size_t)d * pare_operand_size(backend));
    return pass->gathered;
}

pare_status pare_head_logits(const pare_pass *pass, const pare_head_chunk *chunk, int64_t first, int64_t count,
                             float *logits) {
    return chunk_logits(pass, chunk, final_rows(pass, first, count), count, logits);
}

/* What is the output's own, as its entropy, has any label for one. */
static int32_t label_of(const pare_pass *pass, uint32_t id) {
    int32_t label = pare_patches_label(pass->model, id);
    return label < 0 && pass->shape.objective ? 0 : label;
}

/* The id or the label predicted at token t, or -1. */
static int32_t target_of(const pare_pass *pass, int64_t t) {
    int64_t length = pass->layout.length;
    if (pass->layout.targets) return pass->layout.targets[t];
    if (pare_reads_pictures(&pass->model->config)) return t % length == 0 ? label_of(pass, pass->ids[t]) : -1;
    return t % length == length - 1 ? -1 : (int32_t)pass->ids[t + 1];
}

void pare_head_set_targets(pare_pass *pass) {
    int64_t tokens = pare_pass_tokens(pass), n = 0;
    for (int64_t t = 0; t < tokens; t++) {
        int32_t target = target_of(pass, t);
        if (target == -1) continue;
        pass->predicted[n] = t;
        pass->targets[n] = target;
        pass->maximum[n] = -INFINITY;
        pass->sum[n] = 0.0;
        pass->target_logit[n++] = 0.0f;
    }
    pass->predictions = n;
    pare_pass_shards_mark(pass);
}

double pare_head_divisor(const pare_pass *pass) {
    if (pass->layout.predictions > 0.0) return pass->layout.predictions;
    return pass->all_predictions ? (double)pass->all_predictions : 1.0;
}

/* Of the tile in pass->logits. */
static pare_status update_sums(pare_pass *pass, const pare_head_chunk *chunk, int64_t first, int64_t count) {
    if (pass->look)
        PARE_TRY(pass->look(pass->look_context, first, count, chunk->first, chunk->rows, pass->logits, NULL));
    if (pass->teaching.teacher) return pare_teaching_update(pass, chunk->first, chunk->rows, first, count);
    pass->backend->operations->logsum_update(pass->backend, pass->logits, count, chunk->rows, chunk->first,
                                             pass->targets + first, pass->maximum + first, pass->sum + first,
                                             pass->target_logit + first);
    return PARE_OK;
}

pare_status pare_head_logsum(pare_pass *pass, const pare_source *source) {
    pare_head_set_targets(pass);
    pass->teaching.sums = (pare_taught){0};
    if (!pass->predictions) return PARE_OK;
    if (pass->teaching.teacher) PARE_TRY(pare_teaching_begin(pass));
    for (int64_t v = 0; v < ids_in_hand(pass); v += PARE_HEAD_VOCABULARY) {
        pare_head_chunk chunk = pare_head_chunk_at(pass, source, v);
        for (int64_t i = 0, count; i < pass->predictions; i += count) {
            count = pare_pass_tile_at(pass, i);
            PARE_TRY(pare_head_logits(pass, &chunk, i, count, pass->logits));
            PARE_TRY(update_sums(pass, &chunk, i, count));
        }
    }
    for (int64_t i = 0; i < pass->predictions; i++)
        pass->logsum[i] = (float)((double)pass->maximum[i] + log(pass->sum[i]));
    if (pass->teaching.teacher) pare_teaching_end(pass);
    return PARE_OK;
}

pare_status pare_head_observe(pare_pass *pass, const pare_source *source) {
    const pare_objective *objective = pass->shape.objective;
    if (!objective || !pass->predictions) return PARE_OK;
    memset(pass->sum, 0, (size_t)pass->predictions * sizeof *pass->sum);
    for (int64_t v = 0; v < (int64_t)pass->model->config.vocabulary; v += PARE_HEAD_VOCABULARY) {
        pare_head_chunk chunk = pare_head_chunk_at(pass, source, v);
        for (int64_t i = 0, count; i < pass->predictions; i += count) {
            count = pare_pass_tile_at(pass, i);
            PARE_TRY(pare_head_logits(pass, &chunk, i, count, pass->logits));
            objective->observe(pass->backend, pass->logits, count, chunk.rows, pass->logsum + i, pass->sum + i);
        }
    }
    return PARE_OK;
}

/* pass->dlogits of the tile whose logits are in pass->logits. */
static pare_status tile_gradient(pare_pass *pass, const pare_head_chunk *chunk, int64_t first, int64_t count) {
    const pare_backend *backend = pass->backend;
    const pare_objective *objective = pass->shape.objective;
    float scale = 1.0f / (float)pare_head_divisor(pass);
    if (pass->teaching.teacher) return pare_teaching_gradient(pass, chunk->first, chunk->rows, first, count, scale);
    if (objective)
        objective->gradient(backend, pass->logits, count, chunk->rows, pass->logsum + first, pass->sum + first, scale,
                            pass->dlogits);
    else
        backend->operations->logits_gradient(backend, pass->logits, count, chunk->rows, chunk->first,
                                             pass->targets + first, pass->logsum + first, scale, pass->dlogits);
    return PARE_OK;
}

/* Of predictions [first, end). */
static double add_losses(pare_pass *pass, int64_t first, int64_t end, double *nll) {
    bool by_token = pass->layout.targets != NULL;
    double total = 0.0;
    for (int64_t i = first; i < end; i++) {
        double value = (double)pass->maximum[i] - (double)pass->target_logit[i] + log(pass->sum[i]);
        if (nll) nll[by_token ? pass->predicted[i] : i] = value;
        total += pass->teaching.teacher ? pare_teaching_loss(pass, i, value) : value;
    }
    return total;
}

pare_status pare_pass_loss(pare_pass *pass, const pare_source *source, double *nll, double *sum) {
    PARE_TRY(pare_head_logsum(pass, source));
    if (nll && pass->layout.targets) memset(nll, 0, (size_t)pare_pass_tokens(pass) * sizeof *nll);
    *sum = 0.0;
    pass->all_predictions = 0;
    PARE_TRY(pare_shard_sums_add_double(&pass->sums, sum, 1));
    PARE_TRY(pare_shard_sums_add(
        &pass->sums, &(pare_shard_sum){.kind = PARE_SUM_COUNT, .values = &pass->all_predictions, .count = 1}));
    for (int shard = pass->shards.first, k = 0; shard < pass->shards.last; shard++, k++) {
        PARE_TRY(pare_shard_sums_enter(&pass->sums, &pass->shards, shard));
        *sum += add_losses(pass, pass->border[k], pass->border[k + 1], nll);
        pass->all_predictions += pass->border[k + 1] - pass->border[k];
        pare_shard_sums_leave(&pass->sums, &pass->shards, shard);
    }
    PARE_TRY(pare_shard_sums_finish(&pass->sums, &pass->shards));
    pare_shard_sums_clear(&pass->sums);
    return PARE_OK;
}

pare_status pare_pass_logits(pare_pass *pass, const pare_source *source, int64_t first, int64_t tokens, float *logits) {
    int64_t vocabulary = pass->model->config.vocabulary;
    for (int64_t v = 0; v < vocabulary; v += PARE_HEAD_VOCABULARY) {
        pare_head_chunk chunk = pare_head_chunk_at(pass, source, v);
        for (int64_t t = 0; t < tokens; t += PARE_HEAD_TOKENS) {
            int64_t count = token_step(tokens, t);
            const void *final =
                pare_operand_at(pass->backend, pass->final, (first + t) * (int64_t)pass->model->config.head_width);
            PARE_TRY(chunk_logits(pass, &chunk, final, count, pass->logits));
            for (int64_t i = 0; i < count; i++)
                memcpy(logits + (t + i) * vocabulary + v, pass->logits + i * chunk.rows,
                       (size_t)chunk.rows * sizeof(float));
        }
    }
    return PARE_OK;
}

static void add_bias_gradient(pare_pass *pass, const pare_head_chunk *chunk, int64_t count) {
    pare_dtype operand = pass->backend->operand;
    float *row = pass->logits;
    for (int64_t i = 0; i < count; i++) {
        const char *from = (const char *)pass->dlogits + (size_t)(i * chunk->rows) * pare_dtype_size(operand);
        pare_to_float(row, from, operand, (size_t)chunk->rows);
        for (int64_t j = 0; j < chunk->rows; j++)
            pass->head_bias_gradient[chunk->first + j] += row[j];
    }
}

/* One tile of dlogits, of predictions [first, first + count): dfinal += dlogits W, and head_gradient (+)= dlogits^T
 * final. dfinal: [predictions, d] */
static pare_status tile_backward(pare_pass *pass, const pare_head_chunk *chunk, int64_t first, int64_t count,
                                 float *dfinal, bool weights) {
    const pare_backend *backend = pass->backend;
    int64_t d = pass->model->config.head_width;
    const void *final = final_rows(pass, first, count);
    PARE_TRY(chunk_logits(pass, chunk, final, count, pass->logits));
    PARE_TRY(tile_gradient(pass, chunk, first, count));
    pare_logits_unfinish(&pass->model->config, backend->operand, count, chunk->rows, pass->logits, pass->dlogits);
    if (pass->head_bias_gradient) add_bias_gradient(pass, chunk, count);
    if (dfinal) {
        pare_matmul shape = {.batch = 1, .m = count, .n = d, .k = chunk->rows, .accumulate = chunk->first > 0};
        PARE_TRY(backend->operations->matmul(backend, &shape, pass->dlogits, chunk->weights, dfinal + first * d));
    }
    if (!weights) return PARE_OK;
    pare_matmul shape = {
        .batch = 1, .m = chunk->rows, .n = d, .k = count, .transpose_a = true, .accumulate = pass->summed};
    return backend->operations->matmul(backend, &shape, pass->dlogits, final, pass->head_gradient);
}

/* dfinal: from [predictions, d] to [tokens, d] in place, zeros where nothing is predicted. A token is never in front of
 * its prediction, so from the last one on nothing is overwritten that is still needed. */
static void spread_rows(const pare_pass *pass, float *dfinal) {
    int64_t d = pass->model->config.head_width, end = pare_pass_tokens(pass);
    for (int64_t i = pass->predictions - 1; i >= 0; i--) {
        int64_t token = pass->predicted[i];
        if (token == i && end == i + 1) return;
        memmove(dfinal + token * d, dfinal + i * d, (size_t)d * sizeof *dfinal);
        memset(dfinal + (token + 1) * d, 0, (size_t)((end - token - 1) * d) * sizeof *dfinal);
        end = token;
    }
    memset(dfinal, 0, (size_t)(end * d) * sizeof *dfinal);
}

/* What a stretch of the vocabulary gets its gradient from. */
typedef struct head_run {
    const pare_head_chunk *chunk;
    float *dfinal;
    bool weights, embedding_too;
} head_run;

static pare_status shard_backward(pare_pass *pass, int k, int64_t first, int64_t tokens, void *context) {
    const head_run *run = context;
    const pare_head_chunk *chunk = run->chunk;
    const pare_embedding_rows rows = {chunk->first, chunk->rows, first, tokens};
    size_t bytes = (size_t)(chunk->rows * pass->model->config.head_width) * sizeof *pass->head_gradient;
    for (int64_t i = pass->border[k], count; i < pass->border[k + 1]; i += count) {
        count = pare_pass_tile_at(pass, i);
        PARE_TRY(tile_backward(pass, chunk, i, count, run->dfinal, run->weights));
        pass->summed = run->weights;
    }
    if (!run->embedding_too) return PARE_OK;
    if (!pass->summed) memset(pass->head_gradient, 0, bytes);
    pass->summed = true;
    pare_embedding_scatter(pass, &rows, pass->head_gradient);
    return PARE_OK;
}

/* What adds up over the shards of one stretch of the vocabulary. */
static pare_status list_sums(pare_pass *pass, const head_run *run) {
    const pare_head_chunk *chunk = run->chunk;
    pare_shard_sum biases = {.kind = PARE_SUM_SINGLE, .count = (size_t)chunk->rows};
    if (pass->head_bias_gradient) {
        biases.values = pass->head_bias_gradient + chunk->first;
        PARE_TRY(pare_shard_sums_add(&pass->sums, &biases));
    }
    if (!run->weights) return PARE_OK;
    return pare_pass_sum_singles(pass, pass->head_gradient, chunk->rows * (int64_t)pass->model->config.head_width);
}

pare_status pare_head_backward(pare_pass *pass, const pare_source *source, float *dfinal,
                               const pare_gradient_sink *sink, bool embedding_too) {
    size_t id = pare_tensor_id_head(pass->model);
    int64_t d = pass->model->config.head_width;
    for (int64_t v = 0; v < (int64_t)pass->model->config.vocabulary; v += PARE_HEAD_VOCABULARY) {
        pare_head_chunk chunk = pare_head_chunk_at(pass, source, v);
        head_run run = {&chunk, dfinal, sink != NULL, sink && embedding_too};
        PARE_TRY(list_sums(pass, &run));
        PARE_TRY(pare_pass_sum_shards(pass, shard_backward, &run));
        if (!sink) continue;
        if (!pass->summed) memset(pass->head_gradient, 0, (size_t)(chunk.rows * d) * sizeof(float));
        PARE_TRY(sink->rows(sink->context, id, chunk.first, chunk.rows, d, pass->head_gradient, NULL));
    }
    if (dfinal) spread_rows(pass, dfinal);
    return PARE_OK;
}
