#include "reconstruct/slots.h"
#include "model/expert_tensors.h"
#include "model/latent_tensors.h"
#include "support/memory.h"
#include "surgery/axes.h"
#include "surgery/kept_values.h"

#include <string.h>

static size_t expert_slots(const pare_config *config) {
    return pare_has_experts(config) ? PARE_EXPERT_OWN + (size_t)config->experts.count * PARE_EXPERT_PARTS : 0;
}

size_t pare_slots(const pare_config *config) {
    return PARE_SLOT_EXPERTS + expert_slots(config);
}

bool pare_slots_behind_roles(const pare_config *config) {
    return pare_has_experts(config) || config->latent.queries;
}

size_t pare_slot_id(const pare_config *config, uint32_t layer, size_t slot) {
    if (slot == PARE_SLOT_QUERY_DOWN) return pare_tensor_id_query_down(config, layer);
    return slot < PARE_ALL_ROLES ? pare_tensor_id_in(config, layer, (pare_role)slot)
                                 : pare_tensor_id_router(config, layer) + slot - PARE_SLOT_EXPERTS;
}

bool pare_slot_of(const pare_model *model, uint32_t layer, size_t id, size_t *slot) {
    uint32_t of;
    pare_role role;
    pare_expert_place place;
    if (pare_tensor_id_split_expert(model, id, &place)) {
        *slot = PARE_SLOT_EXPERTS + id - pare_tensor_id_router(&model->config, place.layer);
        return place.layer == layer && *slot < pare_slots(&model->config);
    }
    if (pare_tensor_id_split_latent(model, id, &of)) {
        *slot = PARE_SLOT_QUERY_DOWN;
        return of == layer;
    }
    bool is = pare_tensor_id_split(model, id, &of, &role) && of == layer;
    *slot = is ? (size_t)role : 0;
    return is;
}

/* A correction has no gradient. */
static bool is_trained(const pare_reconstruction *asked, uint32_t layer, size_t slot) {
    if (asked->selection->layer[layer].dropped) return false;
    if (slot < PARE_ALL_ROLES) return pare_has_role(&asked->model->config.architecture, (pare_role)slot);
    if (slot == PARE_SLOT_QUERY_DOWN) return asked->model->config.latent.queries > 0;
    const pare_tensor *tensor = asked->model->tensors[pare_slot_id(&asked->model->config, layer, slot)];
    return slot != PARE_SLOT_EXPERTS + (size_t)PARE_EXPERT_CORRECTION && !pare_tensor_is_absent(tensor);
}

size_t pare_slot_left(const pare_reconstruction *asked, uint32_t layer, size_t slot, int64_t *rows, int64_t *columns) {
    *rows = *columns = 0;
    if (!is_trained(asked, layer, slot)) return 0;
    if (slot < PARE_ALL_ROLES) {
        pare_kept_shape(asked->model, asked->selection, layer, (pare_role)slot, rows, columns);
    } else {
        size_t id = pare_slot_id(&asked->model->config, layer, slot);
        const pare_axes axes = pare_axes_of(asked->model, asked->selection, id);
        pare_tensor_matrix(asked->model->tensors[id], rows, columns);
        *rows = axes.dropped ? 0 : (int64_t)pare_axis_length(&axes.rows, (uint64_t)*rows);
        *columns = (int64_t)pare_axis_length(&axes.columns, (uint64_t)*columns);
    }
    return (size_t)(*rows * *columns);
}

size_t pare_slot_elements(const pare_reconstruction *asked, uint32_t layer, size_t slot, int64_t *rows,
                          int64_t *columns) {
    size_t left = pare_slot_left(asked, layer, slot, rows, columns);
    if (!left || slot < PARE_ALL_ROLES) return left;
    pare_tensor_matrix(asked->model->tensors[pare_slot_id(&asked->model->config, layer, slot)], rows, columns);
    return (size_t)(*rows * *columns);
}

/* Which rows and columns are left, and of how many; lists NULL: all. */
typedef struct left_lists {
    uint32_t *rows, *columns;
    int64_t row_count, column_count, all_rows, all_columns;
} left_lists;

static void lists_free(left_lists *lists) {
    pare_free(lists->rows);
    pare_free(lists->columns);
}

static pare_status lists_of(const pare_reconstruction *asked, size_t id, left_lists *out) {
    const pare_axes axes = pare_axes_of(asked->model, asked->selection, id);
    *out = (left_lists){0};
    pare_tensor_matrix(asked->model->tensors[id], &out->all_rows, &out->all_columns);
    out->row_count = (int64_t)pare_axis_length(&axes.rows, (uint64_t)out->all_rows);
    out->column_count = (int64_t)pare_axis_length(&axes.columns, (uint64_t)out->all_columns);
    pare_status status = pare_axis_list(&axes.rows, &out->rows);
    if (status == PARE_OK) status = pare_axis_list(&axes.columns, &out->columns);
    if (status != PARE_OK) lists_free(out);
    return status;
}

/* Copies what is left between the two forms, as floats. */
static void move(const left_lists *l, float *values, float *left, bool out) {
    for (int64_t i = 0; i < l->row_count; i++) {
        float *row = values + (l->rows ? (int64_t)l->rows[i] : i) * l->all_columns;
        for (int64_t j = 0; j < l->column_count; j++) {
            float *one = row + (l->columns ? (int64_t)l->columns[j] : j);
            if (out)
                left[i * l->column_count + j] = *one;
            else
                *one = left[i * l->column_count + j];
        }
    }
}

typedef void (*with_left)(const left_lists *lists, float *left, const pare_tensor *tensor, float *values, void *stored);

static void gather(const left_lists *lists, float *left, const pare_tensor *tensor, float *values, void *stored) {
    move(lists, values, left, true);
    pare_from_float(stored, tensor->dtype, left, (size_t)(lists->row_count * lists->column_count));
}

static void spread_floats(const left_lists *lists, const float *left, float *values) {
    memset(values, 0, (size_t)(lists->all_rows * lists->all_columns) * sizeof *values);
    move(lists, values, (float *)(uintptr_t)left, false);
}

static void spread(const left_lists *lists, float *left, const pare_tensor *tensor, float *values, void *stored) {
    pare_to_float(left, stored, tensor->dtype, (size_t)(lists->row_count * lists->column_count));
    spread_floats(lists, left, values);
}

static void clear(const left_lists *lists, float *left, const pare_tensor *tensor, float *values, void *stored) {
    (void)tensor;
    (void)stored;
    move(lists, values, left, true);
    spread_floats(lists, left, values);
}

static pare_status run(const pare_reconstruction *asked, size_t id, float *values, void *stored, with_left what) {
    left_lists lists;
    float *left = NULL;
    PARE_TRY(lists_of(asked, id, &lists));
    pare_status status = pare_alloc_uninitialized(&left, (size_t)(lists.row_count * lists.column_count), sizeof *left,
                                                  "weights of an expert");
    if (status == PARE_OK) what(&lists, left, asked->model->tensors[id], values, stored);
    pare_free(left);
    lists_free(&lists);
    return status;
}

pare_status pare_slot_load(const pare_reconstruction *asked, const pare_source *masked, size_t id, float *values) {
    int64_t rows, columns;
    pare_tensor_matrix(asked->model->tensors[id], &rows, &columns);
    pare_source_rows(masked, id, 0, rows, values);
    return run(asked, id, values, NULL, clear);
}

pare_status pare_slot_spread(const pare_reconstruction *asked, size_t id, const void *left, float *values) {
    return run(asked, id, values, (void *)(uintptr_t)left, spread);
}

pare_status pare_slot_gather(const pare_reconstruction *asked, size_t id, const float *values, void *left) {
    return run(asked, id, (float *)(uintptr_t)values, left, gather);
}
