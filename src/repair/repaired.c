#include "repair/repaired.h"
#include "model/observer.h"
#include "support/memory.h"

#include <string.h>

uint64_t pare_repaired_bytes(const pare_model *model, size_t id, uint64_t rows, uint64_t columns) {
    uint64_t bytes = rows * columns * pare_dtype_size(model->tensors[id]->dtype), unit = PARE_REPAIRED_ALIGNMENT;
    return (bytes + unit - 1) / unit * unit;
}

uint64_t pare_repaired_bytes_at(const pare_model *model, uint32_t layer, pare_role role, const pare_widths *widths,
                                uint64_t hidden) {
    pare_input_kind kind = pare_input_of(role);
    uint64_t heads = role == PARE_ROLE_K || role == PARE_ROLE_V ? widths->kv_heads : widths->heads;
    bool ffn = kind == PARE_INPUT_GATE_UP || kind == PARE_INPUT_DOWN;
    uint64_t width = ffn ? widths->ffn : heads * model->config.head_size;
    return pare_repaired_bytes(model, pare_tensor_id(layer, role), width, hidden);
}

pare_status pare_repaired_new(const pare_model *model, uint64_t bytes, const char *scratch, pare_repaired *out) {
    *out = (pare_repaired){.count = model->tensor_count};
    pare_status status = pare_alloc(&out->matrix, out->count, sizeof *out->matrix, "repaired matrices");
    if (status == PARE_OK) status = pare_alloc(&out->elements, out->count, sizeof *out->elements, "repaired matrices");
    if (status == PARE_OK) status = pare_scratch_open(&out->memory, bytes, scratch, "the repaired matrices");
    if (status != PARE_OK) pare_repaired_free(out);
    return status;
}

void pare_repaired_free(pare_repaired *repaired) {
    pare_free(repaired->matrix);
    pare_free(repaired->elements);
    pare_scratch_close(&repaired->memory);
    *repaired = (pare_repaired){0};
}

pare_status pare_repaired_add(pare_repaired *repaired, const pare_model *model, size_t id, uint64_t rows,
                              uint64_t columns, void **out) {
    uint64_t bytes = pare_repaired_bytes(model, id, rows, columns);
    if (bytes > repaired->memory.bytes - repaired->used)
        return pare_fail(PARE_OUT_OF_MEMORY, "%.1f MiB were planned for repaired matrices, too few for %s",
                         (double)repaired->memory.bytes / 1048576.0, model->tensors[id]->name);
    *out = repaired->matrix[id] = (char *)repaired->memory.data + repaired->used;
    repaired->elements[id] = rows * columns;
    repaired->used += bytes;
    return PARE_OK;
}

void pare_matrix_cut(const void *matrix, int64_t stride, size_t size, pare_index_list rows, pare_index_list columns,
                     void *out) {
    for (int64_t i = 0; i < rows.count; i++) {
        const char *row = (const char *)matrix + (size_t)((rows.index ? rows.index[i] : i) * stride) * size;
        char *to = (char *)out + (size_t)(i * columns.count) * size;
        if (!columns.index) memcpy(to, row, (size_t)columns.count * size);
        for (int64_t j = 0; columns.index && j < columns.count; j++)
            memcpy(to + (size_t)j * size, row + columns.index[j] * size, size);
    }
}
