#include "generate/generate_internal.h"
#include "model/ends.h"

#include <string.h>

void pare_generator_use(pare_generator *g, const pare_backend *backend) {
    g->source.backend = backend;
}

void pare_generator_reset(pare_generator *g) {
    g->tokens = 0;
}

int64_t pare_generator_tokens(const pare_generator *g) {
    return g->tokens;
}

/* x: float [batch, count, d] of tokens [first, first + count) of each row of `tokens`. */
static pare_status embed(pare_generator *g, const uint32_t *tokens, int64_t stride, int64_t first, int64_t count) {
    const pare_embedded embedded = {
        .ids = tokens + first, .count = g->batch * count, .length = count, .stride = stride, .first = g->tokens};
    return pare_embed(&g->source, &embedded, g->x);
}

static pare_block block_of(pare_generator *g, uint32_t layer, int64_t count) {
    const pare_config *config = &g->source.model->config;
    pare_generator_layer *own = &g->layers[layer];
    pare_block block = {.backend = g->source.backend,
                        .batch = g->batch,
                        .length = count,
                        .hidden = config->hidden,
                        .head = config->head_size,
                        .eps = config->rms_eps,
                        .hidden_kept = g->source.hidden_kept,
                        .hidden_count = g->source.hidden_count,
                        .config = config,
                        .source = &g->source,
                        .layer = layer,
                        .widths = config->widths[layer],
                        .weights = own->weights,
                        .activations = &g->activations,
                        .adapters = g->adapters,
                        .adapter_room = &g->adapter_room,
                        .cache_k = own->keys,
                        .cache_v = own->values,
                        .cache_capacity = g->capacity,
                        .cache_tokens = g->tokens};
    pare_block_place(&block, &g->positions, g->tokens, g->reach);
    for (int role = 0; role < PARE_MATRIX_ROLES; role++)
        if (!block.weights.matrix[role] && pare_has_role(&config->architecture, (pare_role)role))
            block.weights.matrix[role] =
                pare_source_operand(&g->source, pare_tensor_id(layer, (pare_role)role), g->matrices[role]);
    return block;
}

static pare_status run_blocks(pare_generator *g, int64_t count) {
    const pare_model *model = g->source.model;
    pare_residency_measure(&g->residency);
    pare_residency_want(&g->residency, &g->source, 0);
    for (uint32_t layer = 0; layer < model->config.layers; layer++) {
        PARE_TRY(pare_interrupted());
        pare_residency_want(&g->residency, &g->source, (int64_t)layer + 1);
        pare_block block = block_of(g, layer, count);
        PARE_TRY(pare_block_forward(&block, g->x, g->x));
        pare_residency_leave(&g->residency, &g->source, layer, false);
    }
    g->tokens += count;
    return PARE_OK;
}

/* final: what the head reads of each sequence's last token of the `count` that have just run. */
static pare_status final_norm(pare_generator *g, int64_t count) {
    int64_t d = g->source.model->config.hidden;
    for (int64_t b = 0; b < g->batch; b++)
        memcpy(g->last + b * d, g->x + ((b + 1) * count - 1) * d, (size_t)d * sizeof *g->x);
    return pare_final_forward(&g->source, &g->final_by, g->last, g->batch, g->final, g->inverse);
}

static pare_status head(pare_generator *g, float *logits) {
    const pare_backend *backend = g->source.backend;
    const pare_model *model = g->source.model;
    int64_t vocabulary = model->config.vocabulary, d = model->config.head_width;
    for (int64_t v = 0; v < vocabulary; v += PARE_GENERATOR_VOCABULARY) {
        int64_t rows = vocabulary - v < PARE_GENERATOR_VOCABULARY ? vocabulary - v : PARE_GENERATOR_VOCABULARY;
        const void *weights =
            g->head ? pare_operand_at(backend, g->head, v * d)
                    : pare_source_operand_rows(&g->source, pare_tensor_id_head(model), v, rows, g->head_rows);
        pare_matmul shape = {.batch = 1, .m = g->batch, .n = rows, .k = d, .transpose_b = true};
        float *tile = g->logits ? g->logits : logits;
        PARE_TRY(backend->operations->matmul(backend, &shape, g->final, weights, tile));
        pare_logits_finish(&model->config, g->head_bias, v, g->batch, rows, tile);
        for (int64_t b = 0; b < g->batch && g->logits; b++)
            memcpy(logits + b * vocabulary + v, tile + b * rows, (size_t)rows * sizeof *tile);
    }
    return PARE_OK;
}

static void remember(pare_generator *g, const uint32_t *tokens, int64_t count) {
    for (int64_t b = 0; b < g->batch; b++)
        memcpy(g->history + b * g->capacity + g->tokens, tokens + b * count, (size_t)count * sizeof *tokens);
}

/* The cached keys have turned by other factors than those that hold from now on. */
static bool must_begin_again(const pare_generator *g) {
    const pare_rope_config *rope = &g->source.model->config.rope[0];
    return g->tokens && !pare_rope_is_beyond(rope, g->tokens) && pare_rope_is_beyond(rope, g->reach);
}

pare_status pare_generator_step(pare_generator *g, const uint32_t *tokens, int64_t count, float *logits) {
    if (count > g->capacity - g->tokens)
        return pare_fail(PARE_BAD_ARGUMENT, "a sequence of %lld tokens cannot take %lld more; there is room for %lld",
                         (long long)g->tokens, (long long)count, (long long)g->capacity);
    int64_t stride = count;
    g->reach = g->tokens + count;
    if (g->history) {
        remember(g, tokens, count);
        if (must_begin_again(g)) {
            tokens = g->history;
            stride = g->capacity;
            count = g->reach;
            g->tokens = 0;
        }
    }
    for (int64_t first = 0, take; first < count; first += take) {
        take = count - first < g->chunk ? count - first : g->chunk;
        PARE_TRY(embed(g, tokens, stride, first, take));
        PARE_TRY(run_blocks(g, take));
        if (first + take == count && logits) PARE_TRY(final_norm(g, take));
    }
    return logits ? head(g, logits) : PARE_OK;
}
