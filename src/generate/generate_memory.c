/* How much a generator holds, and getting it. */
#include "generate/generate_internal.h"
#include "model/ends.h"
#include "support/memory.h"

#include <stdlib.h>

/* a * b, or the largest number there is. */
static uint64_t product(uint64_t a, uint64_t b) {
    uint64_t result;
    return pare_multiply_size(a, b, &result) ? result : UINT64_MAX;
}

static uint64_t sum(uint64_t a, uint64_t b) {
    return a > UINT64_MAX - b ? UINT64_MAX : a + b;
}

static uint64_t cache_bytes(const pare_source *source, const pare_generator_shape *shape) {
    const pare_config *config = &source->model->config;
    uint64_t groups = 0;
    for (uint32_t layer = 0; layer < config->layers; layer++)
        groups += config->widths[layer].kv_heads;
    uint64_t token = groups * config->head_size * 2 * pare_operand_size(source->backend);
    return product(product((uint64_t)shape->batch, (uint64_t)shape->capacity), token);
}

static uint64_t operand_bytes(const pare_source *source, size_t id) {
    return pare_source_is_mapped(source, id) ? 0
                                             : source->model->tensors[id]->count * pare_operand_size(source->backend);
}

static uint64_t head_tile_rows(const pare_model *model) {
    return model->config.vocabulary < PARE_GENERATOR_VOCABULARY ? model->config.vocabulary : PARE_GENERATOR_VOCABULARY;
}

/* Composed weights: all of them, or the widest of each role and a tile of the LM head. */
static uint64_t weight_bytes(const pare_source *source, bool resident) {
    const pare_model *model = source->model;
    uint64_t total = operand_bytes(source, pare_tensor_id_head(model));
    uint64_t tile = head_tile_rows(model) * model->config.head_width * pare_operand_size(source->backend);
    if (!resident && total > tile) total = tile;
    for (int role = 0; role < PARE_MATRIX_ROLES; role++) {
        uint64_t widest = 0;
        for (uint32_t layer = 0; layer < model->config.layers; layer++) {
            uint64_t bytes = operand_bytes(source, pare_tensor_id(layer, (pare_role)role));
            widest = resident ? widest + bytes : bytes > widest ? bytes : widest;
        }
        total += widest;
    }
    return total;
}

static bool renews_keys(const pare_config *config, int64_t capacity) {
    return config->rope[0].renews_keys && pare_rope_is_beyond(&config->rope[0], capacity);
}

static pare_adapter_shape adapter_shape(const pare_generator_shape *shape, int64_t chunk) {
    return (pare_adapter_shape){.tokens = shape->batch * chunk, .rank = shape->adapters ? shape->adapters->rank : 0};
}

/* Everything but cache and weights, with `chunk` tokens of each sequence at a time. */
static uint64_t activation_bytes(const pare_source *source, const pare_generator_shape *shape, int64_t chunk) {
    const pare_config *config = &source->model->config;
    uint64_t d = config->hidden, batch = (uint64_t)shape->batch, real = sizeof(float);
    uint64_t fixed = (pare_config_vector_elements(config) * config->layers + 2 * d) * real;
    if (pare_has_end(&config->architecture, PARE_END_HEAD_BIAS)) fixed += config->vocabulary * real;
    fixed += pare_embed_floats(config, shape->batch * chunk, chunk, false) * real;
    uint64_t sequence = d * real + config->head_width * pare_operand_size(source->backend) + real;
    if (config->vocabulary > PARE_GENERATOR_VOCABULARY) sequence += PARE_GENERATOR_VOCABULARY * real;
    uint64_t rotation = pare_position_tables_bytes(config, shape->capacity);
    if (renews_keys(config, shape->capacity)) rotation += batch * (uint64_t)shape->capacity * sizeof(uint32_t);
    uint64_t block = pare_activations_bytes(source->backend, config, shape->batch * chunk, false);
    pare_adapter_shape adapters = adapter_shape(shape, chunk);
    block += pare_adapter_room_bytes(source->backend, config, &adapters);
    block += pare_attention_cached_bytes(source->backend, config, shape->batch, chunk, shape->capacity);
    return sum(sum(fixed + block, rotation), batch * (sequence + (uint64_t)chunk * d * real));
}

static pare_status check_shape(const pare_source *source, const pare_generator_shape *shape) {
    const pare_config *config = &source->model->config;
    if (shape->batch < 1 || shape->batch > 1 << 20 || shape->capacity < 1)
        return pare_fail(PARE_BAD_ARGUMENT, "%lld sequences of %lld tokens cannot be generated at a time",
                         (long long)shape->batch, (long long)shape->capacity);
    if (shape->capacity <= (int64_t)config->max_positions) return PARE_OK;
    char *positions = pare_config_positions(config, pare_checkpoint_directory(source->model->checkpoint));
    pare_fail(PARE_BAD_ARGUMENT, "%lld tokens are more than %s", (long long)shape->capacity, positions);
    free(positions);
    return PARE_BAD_ARGUMENT;
}

pare_status pare_generator_measure(const pare_source *source, const pare_generator_shape *shape,
                                   pare_generator_memory *out) {
    PARE_TRY(check_shape(source, shape));
    int64_t chunk = PARE_GENERATOR_TOKENS / shape->batch;
    chunk = chunk < 1 ? 1 : chunk > shape->capacity ? shape->capacity : chunk;
    uint64_t generators = 1 + (uint64_t)shape->beside;
    *out = (pare_generator_memory){
        .cache = product(generators, cache_bytes(source, shape)), .chunk = chunk, .resident = true};
    for (;;) {
        out->weights = weight_bytes(source, out->resident);
        out->activations = product(generators, activation_bytes(source, shape, out->chunk));
        uint64_t total = sum(out->cache, sum(out->weights, out->activations));
        if (!shape->limit || total <= shape->limit) return PARE_OK;
        if (!out->resident && out->chunk == 1)
            return pare_fail(
                PARE_OUT_OF_MEMORY,
                "generating %lld sequences of up to %lld tokens needs %.1f MiB, but the limit is %.1f MiB; "
                "raise --memory or ask for fewer tokens",
                (long long)generators * shape->batch, (long long)shape->capacity, (double)total / 1048576.0,
                (double)shape->limit / 1048576.0);
        if (out->resident)
            out->resident = false;
        else
            out->chunk /= 2;
    }
}

static pare_status allocate_weights(pare_generator *g) {
    const pare_model *model = g->source.model;
    size_t operand = pare_operand_size(g->source.backend), id = pare_tensor_id_head(model);
    for (int role = 0; role < PARE_MATRIX_ROLES && !g->resident; role++) {
        uint64_t widest = 0;
        for (uint32_t layer = 0; layer < model->config.layers; layer++) {
            uint64_t bytes = operand_bytes(&g->source, pare_tensor_id(layer, (pare_role)role));
            widest = bytes > widest ? bytes : widest;
        }
        PARE_TRY(pare_alloc_uninitialized(&g->matrices[role], widest, 1, "block weights"));
    }
    bool mapped = pare_source_is_mapped(&g->source, id);
    uint64_t rows = mapped ? 0 : g->resident ? model->config.vocabulary : head_tile_rows(model);
    PARE_TRY(pare_alloc_uninitialized(&g->head_rows, rows * model->config.head_width, operand, "LM head"));
    if (mapped || g->resident) g->head = pare_source_operand(&g->source, id, g->head_rows);
    return PARE_OK;
}

static pare_status prepare_weights(pare_generator *g, uint32_t layer) {
    const pare_config *config = &g->source.model->config;
    pare_generator_layer *own = &g->layers[layer];
    pare_block_vectors(&g->source, layer, g->vectors + layer * pare_config_vector_elements(config),
                       own->weights.vector);
    for (int role = 0; role < PARE_MATRIX_ROLES; role++) {
        size_t id = pare_tensor_id(layer, (pare_role)role);
        bool mapped = pare_source_is_mapped(&g->source, id);
        if ((!mapped && !g->resident) || !pare_has_role(&config->architecture, (pare_role)role)) continue;
        if (!mapped)
            PARE_TRY(pare_alloc_uninitialized(&own->owned[role], g->source.model->tensors[id]->count,
                                              pare_operand_size(g->source.backend), "block weights"));
        own->weights.matrix[role] = pare_source_operand(&g->source, id, own->owned[role]);
    }
    return PARE_OK;
}

/* All that does not depend on the tokens. */
static pare_status own_weights(pare_generator *g) {
    const pare_config *config = &g->source.model->config;
    size_t final = (size_t)pare_config_vector_elements(config) * config->layers;
    size_t bias = pare_tensor_id_end(g->source.model, PARE_END_HEAD_BIAS);
    PARE_TRY(pare_alloc_uninitialized(&g->vectors, final + 2 * (size_t)config->hidden, sizeof(float), "norms"));
    PARE_TRY(pare_position_tables_new(config, g->capacity, &g->positions));
    PARE_TRY(allocate_weights(g));
    for (uint32_t layer = 0; layer < config->layers; layer++)
        PARE_TRY(prepare_weights(g, layer));
    g->final_by = pare_end_norm(&g->source, PARE_END_FINAL_NORM, PARE_END_FINAL_NORM_BIAS, g->vectors + final);
    if (!pare_has_end(&config->architecture, PARE_END_HEAD_BIAS)) return PARE_OK;
    PARE_TRY(pare_alloc_uninitialized(&g->head_bias, config->vocabulary, sizeof(float), "LM head"));
    pare_source_rows(&g->source, bias, 0, 1, g->head_bias);
    return PARE_OK;
}

static pare_status borrow_weights(pare_generator *g, const pare_generator *from) {
    if (!from->head || !from->resident || from->capacity != g->capacity)
        return pare_fail(PARE_BAD_ARGUMENT, "a generator's weights cannot be used by another of %lld tokens",
                         (long long)g->capacity);
    g->borrows = true;
    g->vectors = from->vectors;
    g->final_by = from->final_by;
    g->head_bias = from->head_bias;
    g->positions = from->positions;
    g->head = from->head;
    for (uint32_t layer = 0; layer < g->source.model->config.layers; layer++)
        g->layers[layer].weights = from->layers[layer].weights;
    return PARE_OK;
}

static pare_status allocate(pare_generator *g, const pare_generator *weights_of, const pare_adapter_shape *adapters) {
    const pare_config *config = &g->source.model->config;
    size_t d = config->hidden, batch = (size_t)g->batch, operand = pare_operand_size(g->source.backend);
    size_t slots = batch * (size_t)g->capacity * config->head_size;
    PARE_TRY(pare_alloc(&g->layers, config->layers, sizeof *g->layers, "layers"));
    PARE_TRY(weights_of ? borrow_weights(g, weights_of) : own_weights(g));
    for (uint32_t layer = 0; layer < config->layers; layer++) {
        size_t slot = config->widths[layer].kv_heads * operand;
        PARE_TRY(pare_alloc_uninitialized(&g->layers[layer].keys, slots, slot, "keys of earlier tokens"));
        PARE_TRY(pare_alloc_uninitialized(&g->layers[layer].values, slots, slot, "values of earlier tokens"));
    }
    if (renews_keys(config, g->capacity))
        PARE_TRY(pare_alloc_uninitialized(&g->history, batch * (size_t)g->capacity, sizeof *g->history, "tokens"));
    PARE_TRY(pare_alloc_uninitialized(&g->x, batch * (size_t)g->chunk * d, sizeof(float), "block inputs"));
    PARE_TRY(pare_alloc_uninitialized(&g->last, batch * d, sizeof(float), "final norm"));
    PARE_TRY(pare_alloc_uninitialized(&g->inverse, batch, sizeof(float), "final norm"));
    PARE_TRY(pare_alloc_uninitialized(&g->final, batch * config->head_width, operand, "final norm"));
    if (config->vocabulary > PARE_GENERATOR_VOCABULARY)
        PARE_TRY(pare_alloc_uninitialized(&g->logits, batch * PARE_GENERATOR_VOCABULARY, sizeof(float), "logits"));
    PARE_TRY(pare_adapter_room_new(g->source.backend, config, adapters, &g->adapter_room));
    return pare_activations_new(g->source.backend, config, g->batch * g->chunk, false, &g->activations);
}

pare_status pare_generator_new(const pare_source *source, const pare_generator_shape *shape, pare_generator **out) {
    pare_generator_memory plan;
    *out = NULL;
    if (shape->weights_of)
        plan = (pare_generator_memory){.chunk = shape->weights_of->chunk, .resident = true};
    else
        PARE_TRY(pare_generator_measure(source, shape, &plan));
    pare_adapter_shape adapters = adapter_shape(shape, plan.chunk);
    PARE_TRY(pare_adapters_check(shape->adapters, adapters.rank, adapters.dropout));
    pare_generator *g;
    PARE_TRY(pare_alloc(&g, 1, sizeof *g, "generator"));
    g->source = *source;
    g->adapters = shape->adapters;
    if (!shape->weights_of && !shape->beside) pare_residency_open(source->model, &g->residency);
    g->batch = shape->batch;
    g->capacity = shape->capacity;
    g->chunk = plan.chunk;
    g->resident = plan.resident;
    pare_status status = allocate(g, shape->weights_of, &adapters);
    if (status != PARE_OK) {
        pare_generator_free(g);
        return status;
    }
    *out = g;
    return PARE_OK;
}

void pare_generator_free(pare_generator *g) {
    if (!g) return;
    pare_residency_close(&g->residency);
    if (g->borrows) {
        g->vectors = g->head_bias = NULL;
        g->positions = (pare_position_tables){0};
    }
    pare_position_tables_free(&g->positions);
    for (uint32_t layer = 0; g->layers && layer < g->source.model->config.layers; layer++) {
        for (int role = 0; role < PARE_MATRIX_ROLES; role++)
            pare_free(g->layers[layer].owned[role]);
        pare_free(g->layers[layer].keys);
        pare_free(g->layers[layer].values);
    }
    for (int role = 0; role < PARE_MATRIX_ROLES; role++)
        pare_free(g->matrices[role]);
    pare_activations_free(&g->activations);
    pare_adapter_room_free(&g->adapter_room);
    void *all[] = {g->layers,  g->vectors, g->head_bias, g->x,      g->last,
                   g->inverse, g->final,   g->head_rows, g->logits, g->history};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        pare_free(all[i]);
    pare_free(g);
}
