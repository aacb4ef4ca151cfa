#include "checkpoint/view.h"
#include "checkpoint/ggml_decode.h"

#include <string.h>

int64_t pare_tensor_rows(const pare_tensor *tensor) {
    return tensor->rank == 2 ? (int64_t)tensor->shape[0] : 1;
}

int64_t pare_tensor_columns(const pare_tensor *tensor) {
    return (int64_t)tensor->shape[tensor->rank - 1];
}

pare_view pare_view_of_rows(int64_t columns) {
    return (pare_view){.block = 1, .block_step = columns, .row_step = columns, .column_step = 1};
}

pare_view pare_view_of_pairs(int64_t columns, int64_t head) {
    return (pare_view){.block = head,
                       .block_step = head * columns,
                       .part = head / 2,
                       .part_step = columns,
                       .row_step = 2 * columns,
                       .column_step = 1};
}

/* Columns of a matrix, or of several in one tensor; 1 of a vector, whose elements count as rows. */
static int64_t row_length(const pare_tensor *tensor) {
    return tensor->rank > 1 ? (int64_t)tensor->shape[tensor->rank - 1] : 1;
}

bool pare_tensor_is_run(const pare_tensor *tensor) {
    const pare_view *view = tensor->view;
    int64_t columns = row_length(tensor);
    return !view || (!view->part && !view->shards && !view->halves && view->column_step == 1 &&
                     view->row_step == columns && view->block_step == view->block * columns);
}

static double bits_of(const pare_tensor *tensor) {
    return tensor->count ? (double)pare_tensor_stored_bytes(tensor) / (double)tensor->count : 0;
}

/* What is stored are not elements of the dtype. */
static bool is_packed(const pare_view *view) {
    return view->type || view->exponents;
}

const char *pare_tensor_type_name(const pare_tensor *tensor) {
    const pare_tensor *halves = tensor->view ? tensor->view->halves : NULL;
    if (halves) return pare_tensor_type_name(&halves[bits_of(&halves[1]) < bits_of(&halves[0])]);
    if (tensor->view && tensor->view->exponents) return "MXFP4";
    return tensor->view && tensor->view->type ? tensor->view->type->name : pare_dtype_name(tensor->dtype);
}

uint64_t pare_tensor_stored_bytes(const pare_tensor *tensor) {
    const pare_ggml_type *type = tensor->view ? tensor->view->type : NULL;
    const pare_tensor *halves = tensor->view ? tensor->view->halves : NULL;
    if (halves) return pare_tensor_stored_bytes(&halves[0]) + pare_tensor_stored_bytes(&halves[1]);
    if (tensor->view && tensor->view->exponents) return tensor->count / 2; /* exponents lie elsewhere */
    return type ? tensor->count / type->elements * type->bytes : tensor->bytes;
}

static int64_t row_begin(const pare_view *view, int64_t row) {
    int64_t inside = row % view->block;
    int64_t step = view->part ? inside / view->part * view->part_step + inside % view->part * view->row_step
                              : inside * view->row_step;
    return view->first + row / view->block * view->block_step + step;
}

static bool is_shifted(const pare_view *view) {
    return view->shift < 0 || view->shift > 0;
}

/* `count` stored elements from `begin` on, which are packed or shifted. */
static void convert_run(const pare_tensor *tensor, int64_t begin, int64_t count, char *out) {
    enum { STEP = 1024 };
    const pare_view *view = tensor->view;
    size_t size = pare_dtype_size(tensor->dtype);
    float values[STEP];
    for (int64_t done = 0, take; done < count; done += take) {
        take = count - done < STEP ? count - done : STEP;
        if (view->exponents)
            pare_mxfp4_values(tensor->data, view->exponents, (uint64_t)(begin + done), (uint64_t)take, values);
        else if (view->type)
            pare_ggml_values(view->type, tensor->data, (uint64_t)(begin + done), (uint64_t)take, values);
        else
            pare_to_float(values, (const char *)tensor->data + (size_t)(begin + done) * size, tensor->dtype,
                          (size_t)take);
        for (int64_t i = 0; i < take && is_shifted(view); i++)
            values[i] += view->shift;
        pare_from_float(out + (size_t)done * size, tensor->dtype, values, (size_t)take);
    }
}

/* `count` stored elements from `begin` on, `step` apart. */
static void copy_elements(const pare_tensor *tensor, int64_t begin, int64_t count, int64_t step, char *out) {
    size_t size = pare_dtype_size(tensor->dtype);
    bool converted = is_packed(tensor->view) || is_shifted(tensor->view);
    const char *from = (const char *)tensor->data + (size_t)begin * size;
    if (!converted && step == 1)
        memcpy(out, from, (size_t)count * size);
    else if (step == 1)
        convert_run(tensor, begin, count, out);
    else
        for (int64_t i = 0; i < count; i++)
            if (converted)
                convert_run(tensor, begin + i * step, 1, out + (size_t)i * size);
            else
                memcpy(out + (size_t)i * size, from + (size_t)(i * step) * size, size);
}

/* The same elements as `dtype`; out: of that. */
static void take_as(const pare_tensor *tensor, uint64_t first, uint64_t count, pare_dtype dtype, char *out) {
    enum { STEP = 1024 };
    size_t size = pare_dtype_size(dtype);
    if (tensor->dtype == dtype) {
        const void *found = pare_tensor_elements(tensor, first, count, out);
        if (found != out) memcpy(out, found, count * size);
        return;
    }
    for (uint64_t done = 0, take; done < count; done += take) {
        float values[STEP];
        take = count - done < STEP ? count - done : STEP;
        pare_tensor_values(tensor, first + done, take, values);
        pare_from_float(out + done * size, dtype, values, take);
    }
}

/* Elements [column, column + count) of a row that is one of one half's. */
static void gather_half(const pare_tensor *tensor, int64_t row, int64_t column, int64_t count, char *out) {
    const pare_view *view = tensor->view;
    int64_t at = row + view->skipped, inside = at % view->block;
    bool second = inside >= view->split;
    int64_t each = second ? view->block - view->split : view->split, before = second ? view->split : 0;
    int64_t there = at / view->block * each + inside - before;
    take_as(&view->halves[second], (uint64_t)(there * row_length(tensor) + column), (uint64_t)count, tensor->dtype,
            out);
}

/* The same of a row that both halves have a part of. */
static void gather_columns(const pare_tensor *tensor, int64_t row, int64_t column, int64_t count, char *out) {
    const pare_view *view = tensor->view;
    int64_t length = row_length(tensor), left = view->split - column,
            first = left < 0       ? 0
                    : left < count ? left
                                   : count;
    int64_t behind = column + first - view->split, more = length - view->split;
    if (first) take_as(&view->halves[0], (uint64_t)(row * view->split + column), (uint64_t)first, tensor->dtype, out);
    if (first < count)
        take_as(&view->halves[1], (uint64_t)(row * more + behind), (uint64_t)(count - first), tensor->dtype,
                out + (size_t)first * pare_dtype_size(tensor->dtype));
}

/* Elements [column, column + count) of a row, which may be divided among shards. */
static void gather_row(const pare_tensor *tensor, int64_t row, int64_t column, int64_t count, char *out) {
    const pare_view *view = tensor->view;
    if (view->halves) {
        (view->by_columns ? gather_columns : gather_half)(tensor, row, column, count, out);
        return;
    }
    if (!view->shards) {
        copy_elements(tensor, row_begin(view, row) + column * view->column_step, count, view->column_step, out);
        return;
    }
    int64_t length = pare_tensor_columns(tensor) / (view->by_columns ? view->shard_count : 1);
    int64_t rows = pare_tensor_rows(tensor) / (view->by_columns ? 1 : view->shard_count);
    pare_tensor shard = *tensor;
    for (int64_t take; count; column += take, count -= take, out += (size_t)take * pare_dtype_size(tensor->dtype)) {
        int64_t within = column % length;
        take = length - within < count ? length - within : count;
        shard.data = view->shards[view->by_columns ? column / length : row / rows];
        copy_elements(&shard, row_begin(view, row % rows) + within * view->column_step, take, view->column_step, out);
    }
}

const void *pare_tensor_elements(const pare_tensor *tensor, uint64_t first, uint64_t count, void *buffer) {
    const pare_view *view = tensor->view;
    size_t size = pare_dtype_size(tensor->dtype);
    if (!view) return (const char *)tensor->data + first * size;
    if (pare_tensor_is_run(tensor)) {
        copy_elements(tensor, view->first + (int64_t)first, (int64_t)count, 1, buffer);
        return buffer;
    }
    int64_t columns = row_length(tensor);
    for (uint64_t done = 0, take; done < count; done += take) {
        int64_t row = (int64_t)(first + done) / columns, column = (int64_t)(first + done) % columns;
        take = (uint64_t)(columns - column) < count - done ? (uint64_t)(columns - column) : count - done;
        gather_row(tensor, row, column, (int64_t)take, (char *)buffer + done * size);
    }
    return buffer;
}

void pare_tensor_values(const pare_tensor *tensor, uint64_t first, size_t count, float *out) {
    enum { STEP = 1024 };
    char piece[STEP * sizeof(float)];
    for (size_t done = 0, take; done < count; done += take) {
        take = count - done < STEP && tensor->view ? count - done : tensor->view ? STEP : count;
        pare_to_float(out + done, pare_tensor_elements(tensor, first + done, take, piece), tensor->dtype, take);
    }
}

void pare_tensor_stored_values(const pare_tensor *tensor, uint64_t first, size_t count, float *out) {
    pare_tensor as_stored = *tensor;
    pare_view run;
    if (tensor->view) {
        run = pare_view_of_rows(row_length(tensor));
        run.type = tensor->view->type;
        run.exponents = tensor->view->exponents;
        run.shift = tensor->view->shift;
        as_stored.view = &run;
    }
    pare_tensor_values(&as_stored, first, count, out);
}

int pare_tensor_run_count(const pare_tensor *tensor) {
    if (tensor->view && tensor->view->halves) return 2;
    return tensor->view && tensor->view->shards ? tensor->view->shard_count : 1;
}

pare_stored_run pare_tensor_run(const pare_tensor *tensor, int index) {
    const pare_view *view = tensor->view;
    if (view && view->halves) return pare_tensor_run(&view->halves[index], 0);
    uint64_t bytes = pare_tensor_stored_bytes(tensor);
    if (!view || !view->shards) return (pare_stored_run){tensor->data, bytes, tensor->file, tensor};
    return (pare_stored_run){view->shards[index], bytes / (uint64_t)view->shard_count, (size_t)index, tensor};
}
