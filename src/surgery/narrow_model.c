#include "surgery/narrow_model.h"
#include "support/memory.h"
#include "surgery/axes.h"

uint64_t pare_narrow_model_bytes(const pare_model *model) {
    uint64_t each = sizeof(pare_tensor) + sizeof(pare_tensor *) + sizeof(pare_taken);
    return model->config.layers * sizeof(pare_widths) + model->tensor_count * each;
}

static pare_status repaired_tensor(const pare_tensor *whole, const void *matrix, pare_tensor *out) {
    if (!matrix)
        return pare_fail(PARE_BAD_ARGUMENT, "a narrow model's %s loses columns and is not repaired", whole->name);
    out->data = matrix;
    out->view = NULL;
    return PARE_OK;
}

static pare_status narrow_tensor(const pare_model *model, const pare_selection *selection,
                                 const pare_repaired *repaired, size_t id, pare_narrow_model *out) {
    const pare_tensor *whole = model->tensors[id];
    const pare_axes axes = pare_axes_of(model, selection, id);
    const void *matrix = id < repaired->count ? repaired->matrix[id] : NULL;
    bool vector = whole->rank != 2;
    const pare_axis *taken = vector ? &axes.columns : &axes.rows;
    int64_t rows, columns;
    out->list[id] = whole;
    if (pare_tensor_is_absent(whole) || (!axes.rows.units && !axes.columns.units && !matrix)) return PARE_OK;
    pare_tensor_matrix(whole, &rows, &columns);
    pare_tensor *tensor = &out->tensors[id];
    *tensor = *whole;
    pare_tensor_resize(tensor, (int64_t)pare_axis_length(&axes.rows, (uint64_t)rows),
                       (int64_t)pare_axis_length(&axes.columns, (uint64_t)columns));
    out->list[id] = tensor;
    if (matrix || (!vector && axes.columns.units)) return repaired_tensor(whole, matrix, tensor);
    out->taken[id] = (pare_taken){
        .whole = whole, .units = taken->units, .width = (int64_t)taken->width, .columns = vector ? 1 : columns};
    return PARE_OK;
}

static pare_status fill(const pare_model *model, const pare_selection *selection, const pare_repaired *repaired,
                        pare_narrow_model *out) {
    PARE_TRY(pare_alloc(&out->widths, model->config.layers, sizeof *out->widths, "a narrow model"));
    PARE_TRY(pare_alloc(&out->tensors, model->tensor_count, sizeof *out->tensors, "a narrow model"));
    PARE_TRY(pare_alloc(&out->list, model->tensor_count, sizeof *out->list, "a narrow model"));
    PARE_TRY(pare_alloc(&out->taken, model->tensor_count, sizeof *out->taken, "a narrow model"));
    for (size_t id = 0; id < model->tensor_count; id++)
        PARE_TRY(narrow_tensor(model, selection, repaired, id, out));
    pare_selection_widths(selection, out->widths);
    out->model = *model;
    out->model.tensors = out->list;
    out->model.config.widths = out->widths;
    return PARE_OK;
}

pare_status pare_narrow_model_new(const pare_model *model, const pare_selection *selection,
                                  const pare_repaired *repaired, pare_narrow_model *out) {
    *out = (pare_narrow_model){0};
    pare_status status = fill(model, selection, repaired, out);
    if (status != PARE_OK) pare_narrow_model_free(out);
    return status;
}

void pare_narrow_model_free(pare_narrow_model *narrow) {
    pare_free(narrow->widths);
    pare_free(narrow->tensors);
    pare_free(narrow->list);
    pare_free(narrow->taken);
    *narrow = (pare_narrow_model){0};
}

void pare_narrow_model_apply(const pare_narrow_model *narrow, pare_source *source) {
    source->model = &narrow->model;
    source->taken = narrow->taken;
}
