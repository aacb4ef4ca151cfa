#include "reconstruct/sub_block.h"
#include "support/memory.h"
#include "surgery/kept_values.h"

#include <string.h>

static size_t elements_of(const pare_reconstruction *asked, uint32_t layer, size_t slot) {
    int64_t rows, columns;
    return pare_slot_elements(asked, layer, slot, &rows, &columns);
}

static size_t largest_layer(const pare_reconstruction *asked) {
    size_t most = 1;
    for (uint32_t layer = 0; layer < asked->selection->layers; layer++) {
        size_t total = 0;
        for (size_t slot = 0; slot < pare_slots(&asked->model->config); slot++)
            total += elements_of(asked, layer, slot);
        most = total > most ? total : most;
    }
    return most;
}

/* Of the slots from `first` to before `end`, over all layers. */
static size_t largest_tensor(const pare_reconstruction *asked, size_t first, size_t end) {
    size_t most = 1;
    for (uint32_t layer = 0; layer < asked->selection->layers; layer++)
        for (size_t slot = first; slot < end; slot++) {
            size_t elements = elements_of(asked, layer, slot);
            most = elements > most ? elements : most;
        }
    return most;
}

static size_t largest_of_all(const pare_reconstruction *asked) {
    return largest_tensor(asked, 0, pare_slots(&asked->model->config));
}

/* Sums of gradients, of every vector that the family has. */
static uint64_t vector_sums_bytes(const pare_reconstruction *asked) {
    uint64_t elements = 0;
    for (pare_role role = PARE_MATRIX_ROLES; role < PARE_ALL_ROLES; role++)
        if (pare_has_role(&asked->model->config.architecture, role))
            elements += largest_tensor(asked, role, (size_t)role + 1);
    return elements * sizeof(double);
}

/* Numbers in place of a layer's weights, of the layer that has most; and of the largest factor. */
static uint64_t most_numbers(const pare_reconstruction *asked, uint64_t *factor) {
    uint64_t most = 1;
    *factor = 1;
    for (uint32_t layer = 0; layer < asked->selection->layers; layer++) {
        uint64_t total = 0;
        for (size_t slot = 0; slot < pare_slots(&asked->model->config); slot++) {
            int64_t rows, columns;
            if (!pare_slot_elements(asked, layer, slot, &rows, &columns)) continue;
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

/* Of the mask and the values beside it: what each tensor may have, and the columns of what writes to the stream. */
static uint64_t mask_bytes(const pare_reconstruction *asked) {
    const pare_config *config = &asked->model->config;
    uint64_t columns = config->hidden;
    if (!pare_slots_behind_roles(config)) return 0;
    for (uint32_t layer = 0; layer < config->layers; layer++) {
        const pare_widths *w = &config->widths[layer];
        columns += (uint64_t)w->heads * config->head_size + w->ffn + w->experts + (uint64_t)w->experts * w->expert_ffn;
    }
    return asked->model->tensor_count * (sizeof(pare_replacement) + 5 * sizeof(void *)) + 2 * columns * sizeof(float);
}

/* Rows of dW in flight are all of a matrix. */
uint64_t pare_sub_block_bytes(const pare_reconstruction *asked, int64_t batch) {
    const pare_config *config = &asked->model->config;
    uint64_t elements = largest_layer(asked), operand = pare_operand_size(asked->backend);
    return elements * (3 * sizeof(float) + operand) + trained_bytes(asked) + mask_bytes(asked) +
           largest_of_all(asked) * sizeof(float) + vector_sums_bytes(asked) +
           pare_activations_bytes(asked->backend, config, batch * asked->length, true) +
           pare_attention_workspace_bytes(asked->backend, config, batch, asked->length, true);
}

static bool is_chosen(const pare_sub_block *sub, size_t slot) {
    return sub->size[slot] && (sub->whole || pare_slot_part(slot) == sub->part);
}

static bool wants(void *context, size_t id) {
    const pare_sub_block *sub = context;
    size_t slot;
    return pare_slot_of(sub->asked->model, sub->block.layer, id, &slot) && is_chosen(sub, slot);
}

static pare_status take(void *context, size_t id, int64_t first, int64_t rows, int64_t columns, const float *gradient,
                        const float *samples) {
    pare_sub_block *sub = context;
    size_t slot;
    (void)samples;
    if (pare_slot_of(sub->asked->model, sub->block.layer, id, &slot))
        memcpy(sub->gradient + sub->at[slot] + first * columns, gradient, (size_t)(rows * columns) * sizeof *gradient);
    return PARE_OK;
}

static pare_status allocate_source(pare_sub_block *sub) {
    const pare_reconstruction *r = sub->asked;
    if (!pare_slots_behind_roles(&r->model->config)) return PARE_OK;
    PARE_TRY(pare_alloc(&sub->stored, r->model->tensor_count, sizeof *sub->stored, "weights of a layer"));
    return pare_mask_new(r->model, r->selection, r->repaired, &sub->mask);
}

static pare_status allocate(pare_sub_block *sub) {
    const pare_reconstruction *asked = sub->asked;
    const pare_config *config = &asked->model->config;
    size_t room = sub->room, largest = largest_of_all(asked);
    float **arrays[] = {&sub->values, &sub->gradient, &sub->start, &sub->trained, &sub->vectors};
    for (size_t i = 0; i < sizeof arrays / sizeof *arrays; i++)
        PARE_TRY(pare_alloc(arrays[i], room, sizeof(float), "weights of a block"));
    PARE_TRY(pare_alloc(&sub->at, sub->slots, sizeof *sub->at, "weights of a block"));
    PARE_TRY(pare_alloc(&sub->size, sub->slots, sizeof *sub->size, "weights of a block"));
    PARE_TRY(allocate_source(sub));
    PARE_TRY(pare_alloc(&sub->operands, room, pare_operand_size(asked->backend), "weights of a block"));
    if (asked->rank) {
        uint64_t factor, numbers = most_numbers(asked, &factor);
        PARE_TRY(pare_factors_new(sub->slots, numbers, factor, asked->rank, &sub->factors));
    }
    PARE_TRY(pare_alloc(&sub->gradients.chunk, largest, sizeof(float), "gradients of weights"));
    sub->gradients.chunk_elements = (int64_t)largest;
    for (pare_role role = PARE_MATRIX_ROLES; role < PARE_ALL_ROLES; role++)
        if (pare_has_role(&config->architecture, role))
            PARE_TRY(pare_alloc(&sub->gradients.vector_sums[role], largest_tensor(asked, role, (size_t)role + 1),
                                sizeof(double), "gradients of norms"));
    return pare_activations_new(asked->backend, config, sub->batch * sub->asked->length, true, &sub->activations);
}

pare_status pare_sub_block_new(const pare_reconstruction *asked, int64_t batch, pare_sub_block *out) {
    *out = (pare_sub_block){
        .asked = asked, .batch = batch, .room = largest_layer(asked), .slots = pare_slots(&asked->model->config)};
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
    pare_free(sub->at);
    pare_free(sub->size);
    pare_free(sub->stored);
    pare_mask_free(&sub->mask);
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

static pare_status load_role(pare_sub_block *sub, pare_role role, size_t end) {
    const pare_reconstruction *r = sub->asked;
    pare_values values;
    PARE_TRY(pare_kept_values(r->model, r->selection, r->repaired, sub->block.layer, role, &values));
    memcpy(sub->values + end, values.data, sub->size[role] * sizeof(float));
    pare_values_free(&values);
    refresh_role(sub, role);
    return PARE_OK;
}

/* From now on the values stand for what the file has, and for what was repaired. */
static pare_status load_behind(pare_sub_block *sub, size_t slot, size_t end) {
    const pare_reconstruction *r = sub->asked;
    size_t id = pare_slot_id(&r->model->config, sub->block.layer, slot);
    pare_source masked = {.model = r->model, .backend = r->backend};
    pare_mask_apply(&sub->mask, &masked);
    PARE_TRY(pare_slot_load(r, &masked, id, sub->values + end));
    if (sub->mask.replacement) sub->mask.replacement[id] = (pare_replacement){0};
    sub->stored[id] = sub->values + end;
    return PARE_OK;
}

static pare_status load(pare_sub_block *sub, size_t slot, size_t *end) {
    size_t at = *end;
    sub->at[slot] = at;
    sub->size[slot] = elements_of(sub->asked, sub->block.layer, slot);
    *end += sub->size[slot];
    if (!sub->size[slot]) return PARE_OK;
    return slot < PARE_ALL_ROLES ? load_role(sub, (pare_role)slot, at) : load_behind(sub, slot, at);
}

/* Experts keep their numbers: those that go are off. */
static void enter_experts(pare_sub_block *sub, const pare_block *base) {
    const pare_reconstruction *r = sub->asked;
    sub->narrow = sub->block.widths.expert_ffn < base->widths.expert_ffn;
    sub->block.widths.experts = base->widths.experts;
    sub->block.widths.expert_ffn = base->widths.expert_ffn;
    if (!sub->stored) return;
    sub->source = (pare_source){.model = r->model, .backend = r->backend};
    pare_mask_apply(&sub->mask, &sub->source);
    sub->source.stored = sub->stored;
    sub->block.source = &sub->source;
}

pare_status pare_sub_block_enter(pare_sub_block *sub, const pare_block *base, uint32_t layer) {
    const pare_kept *kept = &sub->asked->selection->layer[layer];
    size_t end = 0;
    sub->block = *base;
    sub->block.widths = pare_kept_widths(kept);
    sub->block.activations = &sub->activations;
    sub->block.observer = NULL;
    enter_experts(sub, base);
    for (int part = PARE_PART_ATTENTION; part <= PARE_PART_FFN; part++)
        for (size_t slot = 0; slot < PARE_SLOT_EXPERTS; slot++)
            if (pare_slot_part(slot) == (pare_part)part) PARE_TRY(load(sub, slot, &end));
    sub->experts = end;
    for (size_t slot = PARE_SLOT_EXPERTS; slot < sub->slots; slot++)
        PARE_TRY(load(sub, slot, &end));
    return PARE_OK;
}

pare_status pare_sub_block_replace(pare_sub_block *sub, size_t slot, const void *stored) {
    const pare_reconstruction *r = sub->asked;
    size_t id = pare_slot_id(&r->model->config, sub->block.layer, slot);
    if (slot >= PARE_ALL_ROLES) return pare_slot_spread(r, id, stored, sub->values + sub->at[slot]);
    pare_to_float(sub->values + sub->at[slot], stored, r->model->tensors[id]->dtype, sub->size[slot]);
    refresh_role(sub, (pare_role)slot);
    return PARE_OK;
}

/* Zeros at `at` stay: those of sparse weights, and channels of experts that go. */
static bool keeps_zeros(const pare_sub_block *sub, size_t at) {
    return sub->asked->keep_zeros || (sub->narrow && at >= sub->experts);
}

static void begin_factors(pare_sub_block *sub) {
    const pare_reconstruction *r = sub->asked;
    uint32_t layer = sub->block.layer;
    for (size_t slot = 0; slot < sub->slots; slot++) {
        pare_factored *m = &sub->factors.slot[slot];
        *m = (pare_factored){.chosen = is_chosen(sub, slot),
                             .keep_zeros = keeps_zeros(sub, sub->at[slot]),
                             .draw = (uint64_t)layer * PARE_ALL_ROLES + slot,
                             .start = sub->start + sub->at[slot],
                             .gradient = sub->gradient + sub->at[slot],
                             .value = sub->values + sub->at[slot]};
        if (slot >= PARE_ALL_ROLES)
            m->draw = (uint64_t)1 << 32 | pare_slot_id(&r->model->config, layer, slot); /* no role's */
        if (m->chosen) pare_slot_elements(r, layer, slot, &m->rows, &m->columns);
    }
    pare_factors_begin(&sub->factors, r->seed);
}

void pare_sub_block_choose(pare_sub_block *sub, pare_part part) {
    sub->part = part;
    sub->whole = sub->block.config->architecture.parallel;
    sub->begin = SIZE_MAX;
    sub->count = 0;
    for (size_t slot = 0; slot < sub->slots; slot++) {
        if (!is_chosen(sub, slot)) continue;
        sub->begin = sub->at[slot] < sub->begin ? sub->at[slot] : sub->begin;
        sub->count += sub->size[slot];
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

static pare_status backward(pare_sub_block *sub, const float *x, float *dout) {
    const pare_block_gradients *g = &sub->gradients;
    if (sub->whole) return pare_block_backward(&sub->block, g, x, dout, false);
    return sub->part == PARE_PART_ATTENTION ? pare_block_attention_backward(&sub->block, g, x, dout, false)
                                            : pare_block_ffn_backward(&sub->block, g, x, dout);
}

pare_status pare_sub_block_backward(pare_sub_block *sub, const float *x, float *dout) {
    pare_block_gradients *g = &sub->gradients;
    sub->sink = (pare_gradient_sink){.wants = wants, .rows = take, .context = sub};
    g->sink = &sub->sink;
    g->sequences = sub->block.batch;
    g->first = g->last = true;
    memset(sub->gradient + sub->begin, 0, sub->count * sizeof *sub->gradient);
    PARE_TRY(backward(sub, x, dout));
    for (size_t i = sub->begin; (sub->asked->keep_zeros || sub->narrow) && i < sub->begin + sub->count; i++)
        if (keeps_zeros(sub, i) && sub->start[i] == 0.0f) sub->gradient[i] = 0.0f;
    return PARE_OK;
}

pare_status pare_sub_block_step(pare_sub_block *sub, pare_adamw *optimizer, double rate) {
    float *values = sub->values + sub->begin, *gradient = sub->gradient + sub->begin;
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
static void round_slot(pare_sub_block *sub, size_t slot) {
    size_t id = pare_slot_id(&sub->asked->model->config, sub->block.layer, slot);
    pare_dtype dtype = sub->asked->model->tensors[id]->dtype;
    float *values = sub->values + sub->at[slot], *stored = sub->gradient + sub->at[slot];
    pare_from_float(stored, dtype, values, sub->size[slot]);
    pare_to_float(values, stored, dtype, sub->size[slot]);
}

void pare_sub_block_take(pare_sub_block *sub, float share) {
    for (size_t i = sub->begin; i < sub->begin + sub->count; i++)
        sub->values[i] = sub->start[i] + share * (sub->trained[i] - sub->start[i]);
    for (size_t slot = 0; slot < sub->slots; slot++)
        if (is_chosen(sub, slot)) round_slot(sub, slot);
    refresh(sub);
}

pare_status pare_sub_block_deliver(const pare_sub_block *sub, pare_repaired *out) {
    const pare_reconstruction *r = sub->asked;
    for (size_t slot = 0; slot < sub->slots; slot++) {
        if (!sub->size[slot]) continue;
        size_t id = pare_slot_id(&r->model->config, sub->block.layer, slot);
        const float *values = sub->values + sub->at[slot];
        int64_t rows, columns;
        void *matrix;
        pare_slot_left(r, sub->block.layer, slot, &rows, &columns);
        PARE_TRY(pare_repaired_add(out, r->model, id, (uint64_t)rows, (uint64_t)columns, &matrix));
        if (slot < PARE_ALL_ROLES)
            pare_from_float(matrix, r->model->tensors[id]->dtype, values, sub->size[slot]);
        else
            PARE_TRY(pare_slot_gather(r, id, values, matrix));
    }
    return PARE_OK;
}
