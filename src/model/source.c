#include "model/source.h"

#include <math.h>
#include <string.h>

/* NULL if the stored tensor holds. */
static const pare_replacement *replacement_of(const pare_source *source, size_t id) {
    return source->replacement && source->replacement[id].matrix ? &source->replacement[id] : NULL;
}

/* NULL if it is not made of another tensor's rows. */
static const pare_taken *taken_of(const pare_source *source, size_t id) {
    return source->taken && source->taken[id].whole ? &source->taken[id] : NULL;
}

/* Where the elements lie. */
static const pare_tensor *tensor_of(const pare_source *source, size_t id) {
    const pare_taken *taken = taken_of(source, id);
    return taken ? taken->whole : source->model->tensors[id];
}

static pare_weight_view view_of(const pare_source *source, size_t id) {
    const pare_tensor *tensor = tensor_of(source, id);
    bool noisy = !source->perturbed || source->perturbed[id];
    const float *instead = source->stored && !replacement_of(source, id) ? source->stored[id] : NULL;
    return (pare_weight_view){
        .stored = instead ? instead : tensor->data,
        .dtype = instead ? PARE_DTYPE_F32 : tensor->dtype,
        .delta = source->displacement ? source->displacement[id] : NULL,
        .sigma = noisy ? source->sigma : 0.0f,
        .seed = source->seed,
        .draw = source->draw,
        .tensor = id,
        .column_scale = source->column_scale ? source->column_scale[id] : NULL,
        .low_rank = source->low_rank && source->low_rank[id].rank ? &source->low_rank[id] : NULL,
    };
}

static const float *row_scale_of(const pare_source *source, size_t id) {
    return source->row_scale ? source->row_scale[id] : NULL;
}

bool pare_source_is_composed(const pare_source *source) {
    return source->displacement || source->column_scale || source->row_scale || source->replacement ||
           source->low_rank || source->stored || source->sigma > 0.0f;
}

/* Elements that lie scattered are gathered first; what stands for the file's values does not. */
static const pare_tensor *scattered_of(const pare_source *source, size_t id) {
    const pare_tensor *tensor = tensor_of(source, id);
    bool instead = replacement_of(source, id) || (source->stored && source->stored[id]);
    return tensor->view && !instead ? tensor : NULL;
}

bool pare_source_is_mapped(const pare_source *source, size_t id) {
    pare_weight_view view = view_of(source, id);
    if (scattered_of(source, id) || taken_of(source, id)) return false;
    return view.dtype == source->backend->operand && !view.delta && view.sigma <= 0.0f && !view.column_scale &&
           !view.low_rank && !row_scale_of(source, id) && !replacement_of(source, id) &&
           (uintptr_t)view.stored % pare_dtype_size(view.dtype) == 0;
}

/* Where `wanted` stands in the ascending list, or where it would. */
static int64_t place_of(const uint32_t *list, int64_t count, int64_t wanted) {
    int64_t low = 0, high = count;
    while (low < high) {
        int64_t middle = (low + high) / 2;
        if ((int64_t)list[middle] < wanted)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* One row of a replaced tensor. out: [columns] of type `dtype`. */
static void scatter_row(const pare_replacement *from, const pare_weight_view *view, int64_t row, int64_t columns,
                        pare_dtype dtype, char *out) {
    enum { PIECE = 256 };
    int64_t place = from->rows ? place_of(from->rows, from->row_count, row) : row, next = 0;
    bool kept = place < from->row_count && (!from->rows || from->rows[place] == row);
    const char *stored = (const char *)from->matrix;
    if (kept) stored += (size_t)(place * from->column_count) * pare_dtype_size(view->dtype);
    for (int64_t first = 0; first < columns; first += PIECE) {
        int64_t count = columns - first < PIECE ? columns - first : PIECE, begin = next;
        float piece[PIECE] = {0}, values[PIECE];
        while (kept && next < from->column_count && (from->columns ? from->columns[next] : next) < first + count)
            next++;
        pare_to_float(values, stored + (size_t)begin * pare_dtype_size(view->dtype), view->dtype,
                      (size_t)(next - begin));
        for (int64_t i = begin; i < next; i++)
            piece[(from->columns ? from->columns[i] : i) - first] = values[i - begin];
        for (int64_t i = 0; i < count && view->column_scale; i++)
            piece[i] *= view->column_scale[first + i];
        pare_from_float(out + (size_t)first * pare_dtype_size(dtype), dtype, piece, (size_t)count);
    }
}

static void scatter_rows(const pare_replacement *from, const pare_weight_view *view, int64_t first, int64_t rows,
                         int64_t columns, pare_dtype dtype, char *out) {
#pragma omp parallel for schedule(static) if (rows * columns > 8192)
    for (int64_t i = 0; i < rows; i++)
        scatter_row(from, view, first + i, columns, dtype, out + (size_t)(i * columns) * pare_dtype_size(dtype));
}

/* Rows whose factor is zero. */
static void clear_rows(const float *scale, int64_t first, int64_t rows, size_t row_bytes, char *out) {
    for (int64_t i = 0; scale && i < rows; i++)
        if (!(fabsf(scale[first + i]) > 0.0f)) memset(out + (size_t)i * row_bytes, 0, row_bytes);
}

/* Rows [first, first + rows) as the pass sees them, operands or floats. */
static void compose(const pare_source *source, const pare_weight_view *view, int64_t first, int64_t rows,
                    int64_t columns, bool operands, void *out) {
    const pare_backend_operations *ops = source->backend->operations;
    if (operands)
        ops->compose(source->backend, view, first, rows, columns, out);
    else
        ops->compose_float(source->backend, view, first, rows, columns, out);
}

/* The same of a tensor whose elements are scattered: some rows at a time, gathered where `first` says they would be. */
static void compose_scattered(const pare_source *source, const pare_tensor *tensor, const pare_weight_view *view,
                              int64_t first, int64_t rows, int64_t columns, bool operands, void *out) {
    size_t row_bytes = (size_t)columns * pare_dtype_size(tensor->dtype);
    size_t out_bytes = (size_t)columns * (operands ? pare_operand_size(source->backend) : sizeof(float));
    int64_t step = row_bytes ? PARE_VIEW_ROW_BYTES / (int64_t)row_bytes : rows;
#pragma omp parallel for schedule(static) if (rows * columns > 8192)
    for (int64_t at = 0; at < rows; at += step) {
        char gathered[PARE_VIEW_ROW_BYTES];
        int64_t take = rows - at < step ? rows - at : step;
        pare_weight_view here = *view;
        pare_tensor_elements(tensor, (uint64_t)((first + at) * columns), (uint64_t)(take * columns), gathered);
        here.stored = (const void *)((uintptr_t)gathered - (size_t)(first + at) * row_bytes);
        compose(source, &here, first + at, take, columns, operands, (char *)out + (size_t)at * out_bytes);
    }
}

/* Rows [first, first + rows) of what is taken. A run of rows stays one; what is an operand already is copied. */
static void compose_taken(const pare_source *source, size_t id, int64_t first, int64_t rows, bool operands, char *out) {
    const pare_taken *taken = taken_of(source, id);
    const pare_tensor *scattered = scattered_of(source, id);
    pare_weight_view view = view_of(source, id);
    size_t size = operands ? pare_operand_size(source->backend) : sizeof(float);
    bool alike = !scattered && view.dtype == (operands ? source->backend->operand : PARE_DTYPE_F32);
    int64_t columns = taken->columns, width = taken->width, end = first + rows;
#pragma omp parallel for schedule(static) if (rows * columns > 8192)
    for (int64_t unit = first / width; unit < (end + width - 1) / width; unit++) {
        int64_t from = unit * width > first ? unit * width : first;
        int64_t count = ((unit + 1) * width < end ? (unit + 1) * width : end) - from;
        int64_t row = (int64_t)taken->units[unit] * width + from - unit * width;
        char *to = out + (size_t)((from - first) * columns) * size;
        if (alike)
            memcpy(to, (const char *)view.stored + (size_t)(row * columns) * size, (size_t)(count * columns) * size);
        else if (scattered)
            compose_scattered(source, scattered, &view, row, count, columns, operands, to);
        else
            compose(source, &view, row, count, columns, operands, to);
    }
}

static void compose_rows(const pare_source *source, size_t id, int64_t first, int64_t rows, int64_t columns,
                         bool operands, void *out) {
    pare_weight_view view = view_of(source, id);
    const pare_taken *taken = taken_of(source, id);
    const pare_tensor *scattered = scattered_of(source, id);
    if (taken)
        compose_taken(source, id, first * columns / taken->columns, rows * columns / taken->columns, operands, out);
    else if (scattered)
        compose_scattered(source, scattered, &view, first, rows, columns, operands, out);
    else
        compose(source, &view, first, rows, columns, operands, out);
}

const void *pare_source_operand_rows(const pare_source *source, size_t id, int64_t first, int64_t rows, void *buffer) {
    const pare_backend *backend = source->backend;
    const pare_replacement *replacement = replacement_of(source, id);
    pare_weight_view view = view_of(source, id);
    int64_t all, columns;
    pare_tensor_matrix(source->model->tensors[id], &all, &columns);
    if (pare_source_is_mapped(source, id)) return pare_operand_at(backend, view.stored, first * columns);
    if (replacement)
        scatter_rows(replacement, &view, first, rows, columns, backend->operand, buffer);
    else
        compose_rows(source, id, first, rows, columns, true, buffer);
    clear_rows(row_scale_of(source, id), first, rows, (size_t)columns * pare_operand_size(backend), buffer);
    return buffer;
}

const void *pare_source_operand(const pare_source *source, size_t id, void *buffer) {
    int64_t rows, columns;
    pare_tensor_matrix(source->model->tensors[id], &rows, &columns);
    return pare_source_operand_rows(source, id, 0, rows, buffer);
}

void pare_source_rows(const pare_source *source, size_t id, int64_t first, int64_t rows, float *out) {
    const pare_replacement *replacement = replacement_of(source, id);
    pare_weight_view view = view_of(source, id);
    int64_t all, columns;
    pare_tensor_matrix(source->model->tensors[id], &all, &columns);
    if (replacement)
        scatter_rows(replacement, &view, first, rows, columns, PARE_DTYPE_F32, (char *)out);
    else
        compose_rows(source, id, first, rows, columns, false, out);
    clear_rows(row_scale_of(source, id), first, rows, (size_t)columns * sizeof *out, (char *)out);
}
