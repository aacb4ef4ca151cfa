#include "checkpoint/view.h"

#include <string.h>

int64_t pare_tensor_rows(const pare_tensor *tensor) {
    return tensor->rank == 2 ? (int64_t)tensor->shape[0] : 1;
}

int64_t pare_tensor_columns(const pare_tensor *tensor) {
    return (int64_t)tensor->shape[tensor->rank - 1];
}

static int64_t row_begin(const pare_view *view, int64_t row) {
    return view->first + row / view->block * view->block_step + row % view->block * view->row_step;
}

/* Elements [column, column + count) of a row. */
static void gather_row(const pare_tensor *tensor, int64_t row, int64_t column, int64_t count, char *out) {
    const pare_view *view = tensor->view;
    size_t size = pare_dtype_size(tensor->dtype);
    const char *from =
        (const char *)tensor->data + (size_t)(row_begin(view, row) + column * view->column_step) * size;
    if (view->column_step == 1) {
        memcpy(out, from, (size_t)count * size);
        return;
    }
    for (int64_t i = 0; i < count; i++)
        memcpy(out + (size_t)i * size, from + (size_t)(i * view->column_step) * size, size);
}

const void *pare_tensor_elements(const pare_tensor *tensor, uint64_t first, uint64_t count, void *buffer) {
    size_t size = pare_dtype_size(tensor->dtype);
    if (!tensor->view) return (const char *)tensor->data + first * size;
    int64_t columns = tensor->rank == 2 ? (int64_t)tensor->shape[1] : 1;
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
