#include "surgery/cut.h"
#include "checkpoint/writer.h"
#include "support/memory.h"
#include "support/progress.h"

#include <string.h>

/* Kept units along one axis of a matrix, each `width` rows or columns wide. units NULL: all. */
typedef struct cut_axis {
    const uint32_t *units;
    uint64_t count, width;
} cut_axis;

typedef struct cut {
    cut_axis rows, columns;
} cut;

static cut cut_of(const pare_model *model, const pare_selection *selection, size_t id) {
    cut none = {.rows = {.width = 1}, .columns = {.width = 1}}, c = none;
    uint32_t layer;
    pare_role role;
    if (!pare_tensor_id_split(model, id, &layer, &role) || role >= PARE_MATRIX_ROLES) return none;
    const pare_kept *kept = &selection->layer[layer];
    const pare_widths *w = &model->config.widths[layer];
    uint64_t head = model->config.head_size, group = head * pare_widths_shared(w);
    bool query = role == PARE_ROLE_Q || role == PARE_ROLE_O;
    cut_axis heads = {.units = kept->kv_head, .count = kept->kv_heads, .width = query ? group : head};
    cut_axis channels = {.units = kept->ffn_channel, .count = kept->ffn, .width = 1};
    if (role < PARE_ROLE_GATE ? kept->kv_heads == w->kv_heads : kept->ffn == w->ffn) return none;
    cut_axis *axis = role == PARE_ROLE_O || role == PARE_ROLE_DOWN ? &c.columns : &c.rows;
    *axis = role < PARE_ROLE_GATE ? heads : channels;
    return c;
}

/* The id of a tensor of the checkpoint; tensor_count for those a LLaMA does not use, which are copied. */
static size_t id_of(const pare_model *model, const pare_tensor *tensor) {
    size_t id = 0;
    while (id < model->tensor_count && model->tensors[id] != tensor)
        id++;
    return id;
}

static pare_declaration declare(const pare_tensor *tensor, const cut *c) {
    pare_declaration d = {.name = tensor->name, .dtype = tensor->dtype, .rank = tensor->rank};
    memcpy(d.shape, tensor->shape, sizeof d.shape);
    if (c->rows.units) d.shape[0] = c->rows.count * c->rows.width;
    if (c->columns.units) d.shape[1] = c->columns.count * c->columns.width;
    return d;
}

static pare_status declare_all(const pare_model *model, const pare_selection *selection, pare_declaration **out) {
    size_t count = pare_checkpoint_count(model->checkpoint);
    PARE_TRY(pare_alloc(out, count, sizeof **out, "tensor list"));
    for (size_t i = 0; i < count; i++) {
        const pare_tensor *tensor = pare_checkpoint_at(model->checkpoint, i);
        cut c = cut_of(model, selection, id_of(model, tensor));
        (*out)[i] = declare(tensor, &c);
    }
    return PARE_OK;
}

pare_status pare_cut_need(const pare_model *model, const pare_selection *selection, uint64_t *bytes) {
    pare_declaration *list;
    PARE_TRY(declare_all(model, selection, &list));
    pare_status status = pare_writer_need(list, pare_checkpoint_count(model->checkpoint), bytes);
    pare_free(list);
    return status;
}

/* Length in units of the run of consecutive units that begins at `at`. */
static uint64_t run_length(const cut_axis *axis, uint64_t at) {
    uint64_t length = 1;
    while (at + length < axis->count && axis->units[at + length] == axis->units[at] + length)
        length++;
    return length;
}

static pare_status write_rows(pare_writer *writer, const pare_tensor *tensor, const cut_axis *axis) {
    uint64_t row_bytes = tensor->bytes / tensor->shape[0] * axis->width;
    for (uint64_t at = 0; at < axis->count;) {
        uint64_t run = run_length(axis, at);
        PARE_TRY(pare_writer_write(writer, (const char *)tensor->data + axis->units[at] * row_bytes, run * row_bytes));
        at += run;
    }
    return PARE_OK;
}

/* Gathers the kept columns of some rows at a time. */
static pare_status write_columns(pare_writer *writer, const pare_tensor *tensor, const cut_axis *axis) {
    enum { BUFFER = 1 << 20 };
    uint64_t size = pare_dtype_size(tensor->dtype), unit = axis->width * size;
    uint64_t row_bytes = tensor->shape[1] * size, kept_bytes = axis->count * unit;
    uint64_t step = kept_bytes < BUFFER ? BUFFER / kept_bytes : 1;
    char *buffer;
    PARE_TRY(pare_alloc_uninitialized(&buffer, step * kept_bytes, 1, "column buffer"));
    pare_status status = PARE_OK;
    for (uint64_t row = 0; row < tensor->shape[0] && status == PARE_OK; row += step) {
        uint64_t rows = tensor->shape[0] - row < step ? tensor->shape[0] - row : step;
        char *to = buffer;
        for (uint64_t i = 0; i < rows; i++)
            for (uint64_t u = 0; u < axis->count; u++, to += unit)
                memcpy(to, (const char *)tensor->data + (row + i) * row_bytes + axis->units[u] * unit, unit);
        status = pare_writer_write(writer, buffer, rows * kept_bytes);
    }
    pare_free(buffer);
    return status;
}

static pare_status write_tensor(pare_writer *writer, const pare_tensor *tensor, const cut *c) {
    if (c->rows.units) return write_rows(writer, tensor, &c->rows);
    if (c->columns.units) return write_columns(writer, tensor, &c->columns);
    return tensor->bytes ? pare_writer_write(writer, tensor->data, tensor->bytes) : PARE_OK;
}

pare_status pare_cut_write(const pare_model *model, const pare_selection *selection, const char *directory,
                           const pare_runtime *runtime) {
    size_t count = pare_checkpoint_count(model->checkpoint);
    pare_declaration *list;
    pare_writer *writer = NULL;
    PARE_TRY(declare_all(model, selection, &list));
    pare_status status = pare_writer_begin(directory, list, count, 0, &writer);
    for (size_t i = 0; i < count && status == PARE_OK; i++) {
        const pare_tensor *tensor = pare_checkpoint_at(model->checkpoint, i);
        cut c = cut_of(model, selection, id_of(model, tensor));
        status = write_tensor(writer, tensor, &c);
        if (status == PARE_OK) status = pare_progress_report(runtime, "writing", i + 1, count);
    }
    if (status == PARE_OK) status = pare_writer_finish(writer);
    pare_writer_close(writer);
    pare_free(list);
    return status;
}
