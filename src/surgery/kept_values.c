#include "surgery/kept_values.h"
#include "model/config_latent.h"
#include "support/memory.h"

#include <string.h>

void pare_values_free(pare_values *values) {
    pare_free(values->data);
    pare_free(values->room);
    *values = (pare_values){0};
}

static int64_t span_left(const pare_model *model, const pare_selection *selection, uint32_t layer, pare_span span) {
    const pare_widths widths = pare_kept_widths(&selection->layer[layer]);
    return span == PARE_SPAN_HIDDEN ? (int64_t)selection->hidden : pare_config_span(&model->config, &widths, span);
}

void pare_kept_shape(const pare_model *model, const pare_selection *selection, uint32_t layer, pare_role role,
                     int64_t *rows, int64_t *columns) {
    pare_config left = model->config;
    left.hidden = selection->hidden;
    const pare_widths widths = pare_kept_widths(&selection->layer[layer]);
    if (pare_config_latent_shape(&left, &widths, role, rows, columns)) return;
    pare_span under = pare_config_columns(&model->config, role);
    bool matrix = pare_role_is_matrix(role);
    *rows = span_left(model, selection, layer, matrix ? pare_roles[role].rows : under);
    *columns = matrix ? span_left(model, selection, layer, under) : 1;
}

void pare_kept_end_shape(const pare_model *model, const pare_selection *selection, pare_end end, int64_t *rows,
                         int64_t *columns) {
    size_t id = pare_tensor_id_end(model, end);
    const pare_axes axes = pare_axes_of(model, selection, id);
    int64_t all = model->config.vocabulary, width = selection->hidden;
    *rows = 1;
    *columns = end == PARE_END_HEAD_BIAS ? all : width;
    if (id >= model->tensor_count || pare_tensor_is_absent(model->tensors[id])) return;
    pare_tensor_matrix(model->tensors[id], rows, columns);
    *rows = (int64_t)pare_axis_length(&axes.rows, (uint64_t)*rows);
    *columns = (int64_t)pare_axis_length(&axes.columns, (uint64_t)*columns);
}

static pare_status allocate(pare_values *out) {
    size_t elements = (size_t)(out->rows * out->columns);
    PARE_TRY(pare_alloc(&out->data, elements, sizeof *out->data, "tensor"));
    return pare_alloc(&out->room, elements, sizeof *out->room, "tensor");
}

pare_status pare_kept_elements(const pare_tensor *tensor, const pare_axes *axes, void *out) {
    bool vector = tensor->rank != 2;
    const pare_axis *down = vector ? &axes->columns : &axes->rows;
    uint64_t all = vector ? 1 : tensor->shape[1], across = vector ? 1 : pare_axis_length(&axes->columns, all);
    uint64_t count = pare_axis_length(down, tensor->shape[0]);
    size_t size = pare_dtype_size(tensor->dtype);
    uint32_t *rows = NULL, *columns = NULL;
    pare_status status = pare_axis_list(down, &rows);
    if (status == PARE_OK && !vector) status = pare_axis_list(&axes->columns, &columns);
    for (uint64_t row = 0; row < count && status == PARE_OK; row++) {
        char gathered[PARE_VIEW_ROW_BYTES], *to = (char *)out + row * across * size;
        const char *whole = pare_tensor_elements(tensor, (rows ? rows[row] : row) * all, all, gathered);
        for (uint64_t i = 0; i < across && columns; i++)
            memcpy(to + i * size, whole + columns[i] * size, size);
        if (!columns) memcpy(to, whole, across * size);
    }
    pare_free(rows);
    pare_free(columns);
    return status;
}

static pare_status take(const pare_model *model, const pare_selection *selection, const pare_repaired *repaired,
                        size_t id, pare_values *out) {
    const pare_tensor *tensor = model->tensors[id];
    const pare_axes axes = pare_axes_of(model, selection, id);
    const void *instead = repaired && id < repaired->count ? repaired->matrix[id] : NULL;
    PARE_TRY(allocate(out));
    if (!instead) PARE_TRY(pare_kept_elements(tensor, &axes, out->room));
    pare_to_float(out->data, instead ? instead : out->room, tensor->dtype, (size_t)(out->rows * out->columns));
    return PARE_OK;
}

pare_status pare_kept_values(const pare_model *model, const pare_selection *selection, const pare_repaired *repaired,
                             uint32_t layer, pare_role role, pare_values *out) {
    *out = (pare_values){0};
    pare_kept_shape(model, selection, layer, role, &out->rows, &out->columns);
    pare_status status;
    if (pare_has_role(&model->config.architecture, role)) {
        status = take(model, selection, repaired, pare_tensor_id_in(&model->config, layer, role), out);
    } else {
        status = allocate(out);
        for (int64_t i = 0; i < out->rows && status == PARE_OK && !pare_role_is_bias(role); i++)
            out->data[i] = 1.0f;
    }
    if (status != PARE_OK) pare_values_free(out);
    return status;
}

pare_status pare_kept_end_values(const pare_model *model, const pare_selection *selection,
                                 const pare_repaired *repaired, pare_end end, pare_values *out) {
    *out = (pare_values){0};
    size_t id = pare_tensor_id_end(model, end);
    bool there = id < model->tensor_count && !pare_tensor_is_absent(model->tensors[id]);
    pare_kept_end_shape(model, selection, end, &out->rows, &out->columns);
    bool vector = there && model->tensors[id]->rank != 2;
    if (vector) {
        out->rows = out->columns;
        out->columns = 1;
    }
    pare_status status = there ? take(model, selection, repaired, id, out) : allocate(out);
    if (status != PARE_OK) pare_values_free(out);
    return status;
}
