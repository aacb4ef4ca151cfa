#include "model/gguf_write.h"
#include "model/expert_tensors.h"
#include "model/gguf_items.h"
#include "model/gguf_keys.h"
#include "model/gguf_padding.h"
#include "model/latent_tensors.h"
#include "model/names.h"
#include "support/memory.h"
#include "support/progress.h"

#include <stdio.h>
#include <string.h>

enum { ROOM = 1 << 20 };

/* Row `row` of what is written, as the model has it. */
static int64_t source_row(const pare_gguf_item *item, int64_t row) {
    int64_t head = item->head;
    if (!head) return row;
    int64_t begin = row / head * head, at = row % head;
    return begin + at % 2 * (head / 2) + at / 2;
}

/* Rows [first, first + count) of a part; a vector is one row, whose elements a head's rows are. */
static void take(const pare_gguf_item *item, const pare_tensor *tensor, int64_t first, int64_t count, float *out) {
    int64_t rows, columns;
    pare_tensor_matrix(tensor, &rows, &columns);
    bool vector = tensor->rank != 2;
    int64_t width = vector ? 1 : columns, n = vector ? columns : count;
    for (int64_t i = 0; item->head && i < n; i++)
        pare_tensor_values(tensor, (uint64_t)(source_row(item, first + i) * width), (size_t)width, out + i * width);
    if (!item->head) pare_tensor_values(tensor, (uint64_t)(first * columns), (size_t)(count * columns), out);
    for (int64_t i = 0; i < count * columns; i++)
        out[i] += item->shift;
}

/* What is asked for of one block of rows, into the second half of the room, where it is turned. */
static const float *take_block(const pare_gguf_item *item, const pare_tensor *tensor, int64_t block, int64_t columns,
                               float *room) {
    int64_t rows = item->rows;
    float *turned = room + rows * columns;
    take(item, tensor, block * item->block + item->first, rows, room);
    if (!item->turned) return room;
    for (int64_t row = 0; row < rows; row++)
        for (int64_t column = 0; column < columns; column++)
            turned[column * rows + row] = room[row * columns + column];
    return turned;
}

static pare_status write_blocks(pare_gguf_writer *writer, const pare_gguf_item *item, const pare_tensor *tensor,
                                float *room) {
    int64_t rows, columns;
    pare_tensor_matrix(tensor, &rows, &columns);
    for (int64_t block = 0; block < rows / item->block; block++) {
        const float *values = take_block(item, tensor, block, columns, room);
        PARE_TRY(pare_gguf_writer_write(writer, values, (uint64_t)(item->rows * columns)));
    }
    return PARE_OK;
}

static pare_status write_part(pare_gguf_writer *writer, const pare_gguf_item *item, const pare_tensor *tensor,
                              float *room) {
    int64_t rows, columns;
    if (item->block) return write_blocks(writer, item, tensor, room);
    pare_tensor_matrix(tensor, &rows, &columns);
    int64_t step = columns ? ROOM / columns : 1;
    for (int64_t first = 0, n; first < rows; first += n) {
        n = rows - first < step ? rows - first : step;
        take(item, tensor, first, n, room);
        PARE_TRY(pare_gguf_writer_write(writer, room, (uint64_t)(n * columns)));
    }
    return PARE_OK;
}

static pare_status write_item(pare_gguf_writer *writer, const pare_gguf_item *item,
                              const pare_gguf_declaration *declaration, float *room) {
    uint64_t columns = declaration->shape[declaration->rank - 1],
             rows = declaration->rank == 2 ? declaration->shape[0] : 1;
    const pare_tensor *const *tensors = item->experts ? item->experts : item->tensor;
    if (item->values) return pare_gguf_writer_write(writer, item->values, columns);
    if (!tensors[0]) memset(room, 0, columns * sizeof *room);
    for (uint64_t row = 0; row < rows && !tensors[0]; row++)
        PARE_TRY(pare_gguf_writer_write(writer, room, columns));
    if (!tensors[0]) return PARE_OK;
    for (uint32_t part = 0; part < item->parts; part++)
        PARE_TRY(write_part(writer, item, tensors[part], room));
    return PARE_OK;
}

pare_status pare_gguf_plan_write(const pare_gguf_plan *plan, const pare_gguf_metadata *metadata, const char *path,
                                 const pare_runtime *runtime) {
    pare_gguf_writer *writer;
    float *room = NULL;
    PARE_TRY(pare_gguf_writer_begin(path, metadata, plan->declarations, plan->count, &writer));
    pare_status status = pare_alloc_uninitialized(&room, ROOM, sizeof *room, "rows to write");
    for (size_t i = 0; i < plan->count && status == PARE_OK; i++) {
        status = write_item(writer, &plan->items[i], &plan->declarations[i], room);
        if (status == PARE_OK) status = pare_progress_report(runtime, "writing GGUF", i + 1, plan->count);
    }
    if (status == PARE_OK) status = pare_gguf_writer_finish(writer);
    pare_free(room);
    pare_gguf_writer_close(writer);
    return status;
}

/* NULL: zeros are written. */
static const pare_tensor *tensor_of(const pare_model *model, uint32_t layer, pare_role role) {
    if (!pare_has_role(&model->config.architecture, role)) return NULL;
    const pare_tensor *tensor = pare_model_tensor(model, layer, role);
    return tensor->count ? tensor : NULL;
}

pare_status pare_gguf_plan_declare(pare_gguf_plan *plan, pare_gguf_shape shape, pare_gguf_place *place) {
    pare_gguf_item *item = &plan->items[plan->count];
    pare_gguf_declaration *d = &plan->declarations[plan->count];
    uint64_t columns = shape.size[shape.rank - 1];
    bool narrow = false, matrix = shape.rank > 1 && !shape.exact;
    place->columns = columns;
    place->weighed = plan->imatrix != NULL;
    place->experts = plan->config.experts.count;
    item->place = *place;
    *d = (pare_gguf_declaration){.name = item->name, .rank = shape.rank};
    memcpy(d->shape, shape.size, sizeof shape.size);
    d->type = matrix ? pare_gguf_form_type(plan->form, place, &narrow) : pare_ggml_type_named("F32");
    plan->matrices += matrix;
    plan->narrow += narrow;
    plan->count++;
    uint64_t room = item->block ? shape.size[1] * columns * (item->turned ? 2 : 1) : columns;
    if (room <= ROOM) return PARE_OK;
    return pare_fail(PARE_UNSUPPORTED, "tensor %s has rows of %llu elements, more than pare writes as GGUF", item->name,
                     (unsigned long long)columns);
}

/* Vectors are always F32. */
static pare_status declare(pare_gguf_plan *plan, uint64_t rows, uint64_t columns, bool matrix, pare_gguf_place *place) {
    const pare_gguf_shape vector = {.rank = 1, .size = {columns}}, two = {.rank = 2, .size = {rows, columns}};
    return pare_gguf_plan_declare(plan, matrix ? two : vector, place);
}

static pare_status add_role(pare_gguf_plan *plan, uint32_t layer, pare_role role) {
    const pare_model *model = plan->model;
    const pare_widths *widths = &plan->config.widths[layer];
    const pare_gguf_architecture *row = plan->target.row;
    const pare_fused *fused = pare_family_fused(row->family, role);
    pare_gguf_item *item = &plan->items[plan->count];
    *item = (pare_gguf_item){.parts = 1, .tensor = {tensor_of(model, layer, role)}};
    const pare_gguf_layer in = pare_gguf_layer_of(&plan->config, layer);
    bool named = pare_gguf_role_name(row, in, role, item->name);
    if (!named && plan->config.latent.keys) return pare_gguf_plan_add_latent(plan, layer);
    if (fused && fused->parts[0] != pare_roles[role].of) return PARE_OK;
    if (fused && !named) /* it has the name of another part */
        for (int i = 1; i < fused->count && !named; i++)
            named = pare_gguf_role_name(row, in, fused->parts[i], item->name);
    pare_role of = pare_roles[role].of;
    bool rotated = of == PARE_ROLE_Q || of == PARE_ROLE_K;
    if (rotated && row->paired) item->head = model->config.head_size;
    if (model->config.architecture.norm_unit && pare_role_is_norm(role)) item->shift = 1;
    int64_t rows, columns, total;
    if (row->layered && pare_widths_lack_norm(&model->config.architecture, widths, role)) return PARE_OK;
    pare_config_role_shape(&model->config, widths, role, &rows, &columns);
    if (!pare_has_role(&model->config.architecture, role)) {
        pare_config_role_shape(&model->config, widths, of, &columns, &rows);
        rows = 1;
    }
    total = rows;
    for (int i = 1; fused && i < fused->count; i++) {
        int64_t more, same;
        item->tensor[item->parts++] = tensor_of(model, layer, fused->parts[i]);
        pare_config_role_shape(&model->config, widths, fused->parts[i], &more, &same);
        total += more;
    }
    if (!total || !columns) return PARE_OK; /* of a layer that has none of it */
    pare_gguf_place place = {.layered = true,
                             .role = role,
                             .fused = fused != NULL,
                             .latent = model->config.latent.keys,
                             .layer = layer,
                             .layers = model->config.layers};
    return declare(plan, (uint64_t)total, (uint64_t)columns, pare_role_is_matrix(role), &place);
}

static pare_status add_end(pare_gguf_plan *plan, pare_end end) {
    const pare_model *model = plan->model;
    pare_gguf_item *item = &plan->items[plan->count];
    size_t id = pare_tensor_id_end(model, end);
    if (!pare_has_end(&model->config.architecture, end) || (end == PARE_END_HEAD && model->config.tied)) return PARE_OK;
    *item = (pare_gguf_item){.parts = 1, .tensor = {model->tensors[id]}};
    if (!pare_gguf_end_name(end, item->name))
        return pare_fail(PARE_UNSUPPORTED, "%s has a tensor outside its layers that has no place in a GGUF file",
                         pare_checkpoint_directory(model->checkpoint));
    if (model->config.architecture.norm_unit && end == PARE_END_FINAL_NORM) item->shift = 1;
    int64_t rows, columns;
    pare_tensor_matrix(item->tensor[0], &rows, &columns);
    pare_gguf_place place = {.head = end == PARE_END_HEAD || (end == PARE_END_EMBEDDING && model->config.tied)};
    return declare(plan, (uint64_t)rows, (uint64_t)columns, item->tensor[0]->rank == 2, &place);
}

static pare_status add_factors(pare_gguf_plan *plan) {
    for (size_t i = 0; i < plan->factor_count; i++) {
        pare_gguf_place place = {0};
        pare_gguf_item *item = &plan->items[plan->count];
        *item = (pare_gguf_item){.values = plan->factors[i].values};
        snprintf(item->name, sizeof item->name, "%s", plan->factors[i].name);
        PARE_TRY(declare(plan, 1, plan->factors[i].count, false, &place));
    }
    return PARE_OK;
}

static pare_status fill(pare_gguf_plan *plan) {
    const pare_config *config = &plan->config;
    size_t most = (size_t)config->layers * (PARE_ALL_ROLES + PARE_GGUF_MORE_ITEMS) + PARE_ENDS + PARE_GGUF_FACTORS;
    PARE_TRY(pare_alloc(&plan->config.widths, config->layers, sizeof *config->widths, "widths"));
    pare_gguf_pad_widths(&plan->model->config, plan->config.widths);
    PARE_TRY(pare_gguf_target_find(config, pare_checkpoint_directory(plan->model->checkpoint), &plan->target));
    PARE_TRY(pare_alloc(&plan->items, most, sizeof *plan->items, "tensor list"));
    PARE_TRY(pare_alloc(&plan->experts, (size_t)config->layers * config->experts.count * PARE_EXPERT_PARTS,
                        sizeof *plan->experts, "tensor list"));
    PARE_TRY(pare_alloc(&plan->declarations, most, sizeof *plan->declarations, "tensor list"));
    PARE_TRY(pare_alloc(&plan->factors, PARE_GGUF_FACTORS, sizeof *plan->factors, "rotary factors"));
    PARE_TRY(pare_gguf_factors_make(config, plan->factors, &plan->factor_count));
    PARE_TRY(add_end(plan, PARE_END_EMBEDDING));
    PARE_TRY(add_factors(plan));
    for (uint32_t layer = 0; layer < config->layers; layer++) {
        for (pare_role role = 0; role < PARE_ALL_ROLES; role++)
            if (plan->target.roles & pare_role_bit(role)) PARE_TRY(add_role(plan, layer, role));
        PARE_TRY(pare_gguf_plan_add_experts(plan, layer));
    }
    for (pare_end end = 0; end < PARE_ENDS; end++)
        if (end != PARE_END_EMBEDDING) PARE_TRY(add_end(plan, end));
    return PARE_OK;
}

/* Mean squares of what enters each column, expert by expert; where one has seen nothing, all columns are alike. */
static pare_status take_importance(const pare_imatrix_file *imatrix, const pare_gguf_item *item, float **out) {
    size_t columns = (size_t)item->place.columns;
    uint32_t matrices = item->experts ? item->parts : 1;
    double *squares, tokens = 0;
    PARE_TRY(pare_alloc(out, matrices * columns, sizeof **out, "the importance of columns"));
    PARE_TRY(pare_alloc(&squares, columns, sizeof *squares, "the importance of columns"));
    pare_status status = PARE_OK;
    for (uint32_t m = 0; m < matrices && status == PARE_OK; m++) {
        status = item->experts
                     ? pare_imatrix_take_one(imatrix, item->name, matrices, m, (int64_t)columns, squares, &tokens)
                     : pare_imatrix_take(imatrix, item->name, (int64_t)columns, squares, &tokens);
        for (size_t i = 0; i < columns && status == PARE_OK; i++)
            (*out)[m * columns + i] = tokens > 0 ? (float)squares[i] / (float)tokens : 1;
    }
    pare_free(squares);
    return status;
}

/* What is no matrix of a layer may be missing: llama-imatrix leaves the head out. */
static pare_status weigh(pare_gguf_plan *plan) {
    if (!plan->imatrix) return PARE_OK;
    PARE_TRY(pare_alloc(&plan->importance, plan->count, sizeof *plan->importance, "the importance of columns"));
    for (size_t i = 0; i < plan->count; i++) {
        const pare_gguf_item *item = &plan->items[i];
        pare_gguf_declaration *d = &plan->declarations[i];
        bool matrix = d->rank > 1 && d->type->weighed;
        bool layered = pare_gguf_plan_reads(plan, i) && item->place.layered;
        if (!matrix || (!layered && !pare_imatrix_has(plan->imatrix, item->name))) continue;
        PARE_TRY(take_importance(plan->imatrix, item, &plan->importance[i]));
        d->importance = plan->importance[i];
        d->alike = item->experts ? d->shape[1] : 0;
    }
    return PARE_OK;
}

pare_status pare_gguf_plan_make(const pare_model *model, const pare_gguf_form *form, const pare_imatrix_file *imatrix,
                                pare_gguf_plan *out) {
    *out = (pare_gguf_plan){.model = model, .config = model->config, .form = form, .imatrix = imatrix};
    out->config.widths = NULL;
    if (imatrix) PARE_TRY(pare_latents_refuse(model, "an importance matrix"));
    pare_status status = fill(out);
    if (status == PARE_OK) status = weigh(out);
    if (status != PARE_OK) pare_gguf_plan_free(out);
    return status;
}

bool pare_gguf_plan_reads(const pare_gguf_plan *plan, size_t index) {
    const pare_gguf_place *place = &plan->items[index].place;
    return plan->declarations[index].rank > 1 && (place->layered || (place->head && !plan->model->config.tied));
}

void pare_gguf_plan_free(pare_gguf_plan *plan) {
    if (plan->factors) pare_gguf_factors_free(plan->factors, plan->factor_count);
    pare_free(plan->factors);
    for (size_t i = 0; plan->importance && i < plan->count; i++)
        pare_free(plan->importance[i]);
    pare_free(plan->importance);
    pare_free(plan->items);
    pare_free(plan->experts);
    pare_free(plan->config.widths);
    pare_free(plan->declarations);
    *plan = (pare_gguf_plan){0};
}
