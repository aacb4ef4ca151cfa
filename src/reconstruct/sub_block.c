#include "reconstruct/sub_block.h"
#include "support/memory.h"
#include "surgery/kept_values.h"

#include <string.h>

size_t pare_sub_block_elements(const pare_reconstruction *asked, uint32_t layer, pare_role role) {
    int64_t rows, columns;
    if (!pare_has_role(&asked->model->config.architecture, role) || asked->selection->layer[layer].dropped) return 0;
    pare_kept_shape(asked->model, asked->selection, layer, role, &rows, &columns);
    return (size_t)(rows * columns);
}

static size_t largest_layer(const pare_reconstruction *asked) {
    size_t most = 1;
    for (uint32_t layer = 0; layer < asked->selection->layers; layer++) {
        size_t total = 0;
        for (pare_role role = 0; role < PARE_ALL_ROLES; role++)
            total += pare_sub_block_elements(asked, layer, role);
        most = total > most ? total : most;
    }
    return most;
}

/* Of the roles from `first` to before `end`, over all layers. */
static size_t largest_tensor(const pare_reconstruction *asked, pare_role first, pare_role end) {
    size_t most = 1;
    for (uint32_t layer = 0; layer < asked->selection->layers; layer++)
        for (pare_role role = first; role < end; role++) {
            size_t elements = pare_sub_block_elements(asked, layer, role);
            most = elements > most ? elements : most;
        }
    return most;
}

/* Sums of gradients, of every vector that the family has. */
static uint64_t vector_sums_bytes(const pare_reconstruction *asked) {
    uint64_t elements = 0;
    for (pare_role role = PARE_MATRIX_ROLES; role < PARE_ALL_ROLES; role++)
        if (pare_has_role(&asked->model->config.architecture, role)) elements += largest_tensor(asked, role, role + 1);
    return elements * sizeof(double);
}

/* Numbers in place of a layer's weights, of the layer that has most; and of the largest factor. */
static uint64_t most_numbers(const pare_reconstruction *asked, uint64_t *factor) {
    uint64_t most = 1;
    *factor = 1;
    for (uint32_t layer = 0; layer < asked->selection->layers; layer++) {
        uint64_t total = 0;
        for (pare_role role = 0; role < PARE_ALL_ROLES; role++) {
            int64_t rows, columns;
            if (!pare_sub_block_elements(asked, layer, role)) continue;
            pare_kept_shape(asked->model, asked->selection, layer, role, &rows, &columns);
            uint64_t longer = (uint64_t)(rows > columns ? rows : columns) * asked->rank;
            total += pare_factors_numbers(rows, columns, asked->rank);
            *factor = longer > *factor ? longer : *factor;
        }
        most = total > most ? total : most;
    }
    return most;
}

/* Numbers that are trained, their gradients and moments: without factors the weights themselves. */
static uint64_t trained_bytes(const pare_reconstruction *asked) {
    uint64_t factor, weights = largest_layer(asked);
    if (!asked->rank) return weights * 4 * sizeof(float);
    uint64_t numbers = most_numbers(asked, &factor);
    return (2 * weights + 4 * numbers + factor) * sizeof(float);
}

/* Rows of dW in flight are all of a matrix. */
uint64_t pare_sub_block_bytes(const pare_reconstruction *asked, int64_t batch) {
    const pare_config *config = &asked->model->config;
    uint64_t elements = largest_layer(asked), operand = pare_operand_size(asked->backend);
    return elements * (3 * sizeof(float) + operand) + trained_bytes(asked) +
           largest_tensor(asked, 0, PARE_ALL_ROLES) * sizeof(float) + vector_sums_bytes(asked) +
           pare_activations_bytes(asked->backend, config, batch * asked->length, true) +
           pare_attention_workspace_bytes(asked->backend, config, batch, asked->length, true);
}

static bool wants(void *context, size_t id) {
    const pare_sub_block *sub = context;
    uint32_t layer;
    pare_role role;
    if (!pare_tensor_id_split(sub->asked->model, id, &layer, &role) || !sub->size[role]) return false;
    return sub->whole || pare_roles[role].part == sub->part;
}

static pare_status take(void *context, size_t id, int64_t first, int64_t rows, int64_t columns, const float *gradient,
                        const float *samples) {
    pare_sub_block *sub = context;
    uint32_t layer;
    pare_role role;
    (void)samples;
    if (pare_tensor_id_split(sub->asked->model, id, &layer, &role))
        memcpy(sub->gradient + sub->at[role] + first * columns, gradient, (size_t)(rows * columns) * sizeof *gradient);
    return PARE_OK;
}

static pare_status allocate(pare_sub_block *sub) {
    const pare_reconstruction *asked = sub->asked;
    const pare_config *config = &asked->model->config;
    size_t room = sub->room, largest = largest_tensor(asked, 0, PARE_ALL_ROLES);
    float **arrays[] = {&sub->values, &sub->gradient, &sub->start, &sub->trained, &sub->vectors};
    for (size_t i = 0; i < sizeof arrays / sizeof *arrays; i++)
        PARE_TRY(pare_alloc(arrays[i], room, sizeof(float), "weights of a block"));
    PARE_TRY(pare_alloc(&sub->operands, room, pare_operand_size(asked->backend), "weights of a block"));
    if (asked->rank) {
        uint64_t factor, numbers = most_numbers(asked, &factor);
        PARE_TRY(pare_factors_new(numbers, factor, asked->rank, &sub->factors));
    }
    PARE_TRY(pare_alloc(&sub->gradients.chunk, largest, sizeof(float), "gradients of weights"));
    sub->gradients.chunk_elements = (int64_t)largest;
    for (pare_role role = PARE_MATRIX_ROLES; role < PARE_ALL_ROLES; role++)
        if (pare_has_role(&config->architecture, role))
            PARE_TRY(pare_alloc(&sub->gradients.vector_sums[role], largest_tensor(asked, role, role + 1),
                                sizeof(double), "gradients of norms"));
    return pare_activations_new(asked->backend, config, sub->batch * sub->asked->length, true, &sub->activations);
}

pare_status pare_sub_block_new(const pare_reconstruction *asked, int64_t batch, pare_sub_block *out) {
    *out = (pare_sub_block){.asked = asked, .batch = batch, .room = largest_layer(asked)};
    pare_status status = allocate(out);
    if (status != PARE_OK) pare_sub_block_free(out);
    return status;
}

void pare_sub_block_free(pare_sub_block *sub) {
    pare_free(sub->values);
    pare_free(sub->gradient);
    pare_free(sub->start);
    pare_free(sub->trained);
    pare_free(sub->vectors);
    pare_free(sub->operands);
    pare_free(sub->gradients.chunk);
    for (pare_role role = 0; role < PARE_ALL_ROLES; role++)
        pare_free(sub->gradients.vector_sums[role]);
    pare_activations_free(&sub->activations);
    pare_factors_free(&sub->factors);
    *sub = (pare_sub_block){0};
}

static char *operands_of(const pare_sub_block *sub, pare_role role) {
    return sub->operands + sub->at[role] * pare_operand_size(sub->asked->backend);
}

/* What the block computes with, from the values of a role. */
static void refresh_role(pare_sub_block *sub, pare_role role) {
    const pare_backend *backend = sub->asked->backend;
    const float *values = sub->values + sub->at[role];
    if (!sub->size[role]) return;
    if (pare_role_is_matrix(role)) {
        backend->operations->to_operand(backend, values, (int64_t)sub->size[role], operands_of(sub, role));
        sub->block.weights.matrix[role] = operands_of(sub, role);
        return;
    }
    bool unit = sub->block.config->architecture.norm_unit && !pare_role_is_bias(role);
    float *vector = sub->vectors + sub->at[role];
    for (size_t i = 0; i < sub->size[role]; i++)
        vector[i] = values[i] + (unit ? 1.0f : 0.0f);
    sub->block.weights.vector[role] = vector;
}

static void refresh(pare_sub_block *sub) {
    for (pare_role role = 0; role < PARE_ALL_ROLES; role++)
        if (sub->whole || pare_roles[role].part == sub->part) refresh_role(sub, role);
}

static pare_status load_role(pare_sub_block *sub, pare_role role, size_t *end) {
    const pare_reconstruction *r = sub->asked;
    uint32_t layer = sub->block.layer;
    pare_values values;
    sub->at[role] = *end;
    sub->size[role] = pare_sub_block_elements(r, layer, role);
    if (!sub->size[role]) return PARE_OK;
    PARE_TRY(pare_kept_values(r->model, r->selection, r->repaired, layer, role, &values));
    memcpy(sub->values + *end, values.data, sub->size[role] * sizeof(float));
    pare_values_free(&values);
    *end += sub->size[role];
    refresh_role(sub, role);
    return PARE_OK;
}

pare_status pare_sub_block_enter(pare_sub_block *sub, const pare_block *base, uint32_t layer) {
    const pare_kept *kept = &sub->asked->selection->layer[layer];
    size_t end = 0;
    sub->block = *base;
    sub->block.widths = pare_kept_widths(kept);
    sub->block.activations = &sub->activations;
    sub->block.observer = NULL;
    for (int part = PARE_PART_ATTENTION; part <= PARE_PART_FFN; part++)
        for (pare_role role = 0; role < PARE_ALL_ROLES; role++)
            if (pare_roles[role].part == (pare_part)part) PARE_TRY(load_role(sub, role, &end));
    return PARE_OK;
}

void pare_sub_block_replace(pare_sub_block *sub, pare_role role, const void *stored) {
    size_t id = pare_tensor_id_in(&sub->asked->model->config, sub->block.layer, role);
    pare_to_float(sub->values + sub->at[role], stored, sub->asked->model->tensors[id]->dtype, sub->size[role]);
    refresh_role(sub, role);
}

static void begin_factors(pare_sub_block *sub) {
    const pare_reconstruction *r = sub->asked;
    uint32_t layer = sub->block.layer;
    for (pare_role role = 0; role < PARE_ALL_ROLES; role++) {
        pare_factored *m = &sub->factors.role[role];
        *m = (pare_factored){.chosen = sub->size[role] && (sub->whole || pare_roles[role].part == sub->part),
                             .start = sub->start + sub->at[role],
                             .gradient = sub->gradient + sub->at[role],
                             .value = sub->values + sub->at[role]};
        if (m->chosen) pare_kept_shape(r->model, r->selection, layer, role, &m->rows, &m->columns);
    }
    sub->factors.keep_zeros = r->keep_zeros;
    pare_factors_begin(&sub->factors, r->seed, layer);
}

void pare_sub_block_choose(pare_sub_block *sub, pare_part part) {
    sub->part = part;
    sub->whole = sub->block.config->architecture.parallel;
    sub->begin = SIZE_MAX;
    sub->count = 0;
    for (pare_role role = 0; role < PARE_ALL_ROLES; role++) {
        if (!sub->size[role] || (!sub->whole && pare_roles[role].part != part)) continue;
        sub->begin = sub->at[role] < sub->begin ? sub->at[role] : sub->begin;
        sub->count += sub->size[role];
    }
    sub->begin = sub->count ? sub->begin : 0;
    memcpy(sub->start, sub->values, sub->room * sizeof *sub->start);
    if (sub->asked->rank) begin_factors(sub);
}

size_t pare_sub_block_numbers(const pare_sub_block *sub) {
    return sub->asked->rank ? sub->factors.count : sub->count;
}

pare_status pare_sub_block_forward(pare_sub_block *sub, int64_t sequences, const float *x, float *out) {
    sub->block.batch = sequences;
    if (sub->whole) return pare_block_forward(&sub->block, x, out);
    return sub->part == PARE_PART_ATTENTION ? pare_block_attention_forward(&sub->block, x, out)
                                            : pare_block_ffn_forward(&sub->block, x, out);
}

pare_status pare_sub_block_backward(pare_sub_block *sub, const float *x, float *dout) {
    pare_block_gradients *g = &sub->gradients;
    sub->sink = (pare_gradient_sink){.wants = wants, .rows = take, .context = sub};
    g->sink = &sub->sink;
    g->sequences = sub->block.batch;
    g->first = g->last = true;
    memset(sub->gradient + sub->begin, 0, sub->count * sizeof *sub->gradient);
    if (sub->whole) return pare_block_backward(&sub->block, g, x, dout, false);
    return sub->part == PARE_PART_ATTENTION ? pare_block_attention_backward(&sub->block, g, x, dout, false)
                                            : pare_block_ffn_backward(&sub->block, g, x, dout);
}

pare_status pare_sub_block_step(pare_sub_block *sub, pare_adamw *optimizer, double rate) {
    float *values = sub->values + sub->begin, *gradient = sub->gradient + sub->begin;
    for (size_t i = 0; sub->asked->keep_zeros && i < sub->count; i++)
        if (sub->start[sub->begin + i] == 0.0f) gradient[i] = 0.0f;
    if (sub->asked->rank) {
        pare_factors_gradient(&sub->factors);
        pare_adamw_step(optimizer, rate, sub->factors.gradient, sub->factors.values);
        pare_factors_apply(&sub->factors);
    } else {
        pare_adamw_step(optimizer, rate, gradient, values);
    }
    refresh(sub);
    return pare_interrupted();
}

void pare_sub_block_finish(pare_sub_block *sub) {
    memcpy(sub->trained + sub->begin, sub->values + sub->begin, sub->count * sizeof *sub->values);
}

/* By way of the gradients' room: a stored number is no wider than a float. */
static void round_role(pare_sub_block *sub, pare_role role) {
    size_t id = pare_tensor_id_in(&sub->asked->model->config, sub->block.layer, role);
    pare_dtype dtype = sub->asked->model->tensors[id]->dtype;
    float *values = sub->values + sub->at[role], *stored = sub->gradient + sub->at[role];
    pare_from_float(stored, dtype, values, sub->size[role]);
    pare_to_float(values, stored, dtype, sub->size[role]);
}

void pare_sub_block_take(pare_sub_block *sub, float share) {
    for (size_t i = sub->begin; i < sub->begin + sub->count; i++)
        sub->values[i] = sub->start[i] + share * (sub->trained[i] - sub->start[i]);
    for (pare_role role = 0; role < PARE_ALL_ROLES; role++)
        if (sub->size[role] && (sub->whole || pare_roles[role].part == sub->part)) round_role(sub, role);
    refresh(sub);
}

pare_status pare_sub_block_deliver(const pare_sub_block *sub, pare_repaired *out) {
    const pare_reconstruction *r = sub->asked;
    for (pare_role role = 0; role < PARE_ALL_ROLES; role++) {
        if (!sub->size[role]) continue;
        size_t id = pare_tensor_id_in(&r->model->config, sub->block.layer, role);
        int64_t rows, columns;
        void *matrix;
        pare_kept_shape(r->model, r->selection, sub->block.layer, role, &rows, &columns);
        PARE_TRY(pare_repaired_add(out, r->model, id, (uint64_t)rows, (uint64_t)columns, &matrix));
        pare_from_float(matrix, r->model->tensors[id]->dtype, sub->values + sub->at[role], sub->size[role]);
    }
    return PARE_OK;
}
