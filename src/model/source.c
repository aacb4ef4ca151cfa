#include "model/source.h"

static pare_weight_view view_of(const pare_source *source, size_t id) {
    const pare_tensor *tensor = source->model->tensors[id];
    bool noisy = !source->perturbed || source->perturbed[id];
    return (pare_weight_view){
        .stored = tensor->data,
        .dtype = tensor->dtype,
        .delta = source->displacement ? source->displacement[id] : NULL,
        .sigma = noisy ? source->sigma : 0.0f,
        .seed = source->seed,
        .draw = source->draw,
        .tensor = id,
        .column_scale = source->column_scale ? source->column_scale[id] : NULL,
    };
}

bool pare_source_is_mapped(const pare_source *source, size_t id) {
    pare_weight_view view = view_of(source, id);
    return view.dtype == source->backend->operand && !view.delta && view.sigma <= 0.0f && !view.column_scale &&
           (uintptr_t)view.stored % pare_dtype_size(view.dtype) == 0;
}

const void *pare_source_operand_rows(const pare_source *source, size_t id, int64_t first, int64_t rows, void *buffer) {
    pare_weight_view view = view_of(source, id);
    int64_t all, columns;
    pare_tensor_matrix(source->model->tensors[id], &all, &columns);
    if (pare_source_is_mapped(source, id)) return pare_operand_at(source->backend, view.stored, first * columns);
    source->backend->operations->compose(source->backend, &view, first, rows, columns, buffer);
    return buffer;
}

const void *pare_source_operand(const pare_source *source, size_t id, void *buffer) {
    int64_t rows, columns;
    pare_tensor_matrix(source->model->tensors[id], &rows, &columns);
    return pare_source_operand_rows(source, id, 0, rows, buffer);
}

void pare_source_rows(const pare_source *source, size_t id, int64_t first, int64_t rows, float *out) {
    pare_weight_view view = view_of(source, id);
    int64_t all, columns;
    pare_tensor_matrix(source->model->tensors[id], &all, &columns);
    source->backend->operations->compose_float(source->backend, &view, first, rows, columns, out);
}
