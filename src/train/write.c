#include "train/write.h"
#include "checkpoint/writer.h"
#include "model/expert_tensors.h"
#include "support/finite.h"
#include "support/memory.h"
#include "surgery/axes.h"
#include "surgery/composite.h"
#include "surgery/cut_experts.h"

/* Elements in flight, unless one row is longer. */
enum { CHUNK = 1 << 20 };

typedef struct writing {
    const pare_trained *trained;
    float *rows;  /* merged, then as they read back */
    char *stored; /* in the tensor's dtype */
} writing;

static int64_t chunk_elements(const pare_model *model) {
    int64_t most = CHUNK;
    for (size_t id = 0; id < model->tensor_count; id++) {
        int64_t rows, columns;
        pare_tensor_matrix(model->tensors[id], &rows, &columns);
        most = columns > most ? columns : most;
    }
    return most;
}

/* values: rows [first, first + rows) of `tensor`, rounded to its dtype, as which they are left in `stored`. */
static pare_status round_as_stored(const pare_tensor *tensor, float *values, void *stored, int64_t first,
                                   int64_t rows) {
    int64_t all, columns;
    pare_tensor_matrix(tensor, &all, &columns);
    size_t count = (size_t)(rows * columns);
    pare_from_float(stored, tensor->dtype, values, count);
    pare_to_float(values, stored, tensor->dtype, count);
    if (pare_all_finite(values, (int64_t)count)) return PARE_OK;
    return pare_fail(PARE_NUMERIC_ERROR,
                     "the training left weights of %s that are not finite or too large for %s (rows %lld to %lld); "
                     "train again with a lower learning rate",
                     tensor->name, pare_dtype_name(tensor->dtype), (long long)first, (long long)(first + rows - 1));
}

static pare_status store(const writing *w, pare_writer *writer, const pare_tensor *tensor, float *values, int64_t first,
                         int64_t rows) {
    int64_t all, columns;
    pare_tensor_matrix(tensor, &all, &columns);
    PARE_TRY(round_as_stored(tensor, values, w->stored, first, rows));
    return pare_writer_write(writer, w->stored, (size_t)(rows * columns) * pare_dtype_size(tensor->dtype));
}

/* Rows [first, first + rows) of tensor `id`. */
static pare_status write_rows(const writing *w, pare_writer *writer, const pare_tensor *tensor, size_t id,
                              int64_t first, int64_t rows) {
    PARE_TRY(w->trained->merged(w->trained, id, first, rows, w->rows));
    return store(w, writer, tensor, w->rows, first, rows);
}

static pare_status write_changed(const writing *w, pare_writer *writer, const pare_tensor *tensor, size_t id) {
    int64_t rows, columns;
    pare_tensor_matrix(tensor, &rows, &columns);
    int64_t step = columns < CHUNK ? CHUNK / columns : 1;
    for (int64_t first = 0; first < rows; first += step)
        PARE_TRY(write_rows(w, writer, tensor, id, first, rows - first < step ? rows - first : step));
    return PARE_OK;
}

/* One expert's share of a tensor that holds those of all, and room for one of its parts. */
typedef struct expert_room {
    float *values;
    void *part, *share;
    size_t elements;
} expert_room;

static pare_status expert_room_new(const pare_tensor *whole, expert_room *out) {
    size_t n = (size_t)(whole->count / whole->shape[0]), size = pare_dtype_size(whole->dtype);
    *out = (expert_room){.elements = n};
    PARE_TRY(pare_alloc_uninitialized(&out->values, n, sizeof *out->values, "merged weights"));
    PARE_TRY(pare_alloc_uninitialized(&out->part, n, size, "merged weights"));
    return pare_alloc_uninitialized(&out->share, n, size, "merged weights");
}

static void expert_room_free(expert_room *room) {
    pare_free(room->values);
    pare_free(room->part);
    pare_free(room->share);
}

static pare_status put_part(const writing *w, const pare_expert_slice *slice, const pare_expert_place *place,
                            const expert_room *room) {
    const pare_tensor *tensor = &slice->tensor;
    int64_t rows, columns;
    pare_tensor_matrix(tensor, &rows, &columns);
    PARE_TRY(w->trained->merged(w->trained, slice->id, 0, rows, room->values));
    PARE_TRY(round_as_stored(tensor, room->values, room->part, 0, rows));
    bool vector = tensor->rank == 1; /* whose elements count as rows there */
    const pare_expert_numbers part = {.values = room->part,
                                      .rows = vector ? columns : rows,
                                      .columns = vector ? 1 : columns,
                                      .size = pare_dtype_size(tensor->dtype)};
    pare_expert_part_put(&w->trained->model->config, place, part, room->share);
    return PARE_OK;
}

/* Parts of an expert are listed one after the other, the gate's first. */
static pare_status write_experts(const writing *w, pare_writer *writer, const pare_tensor *whole) {
    const pare_model *model = w->trained->model;
    expert_room room;
    pare_status status = expert_room_new(whole, &room);
    for (size_t i = 0; i < model->slice_count && status == PARE_OK; i++) {
        pare_expert_place place;
        if (model->slices[i].whole != whole || !pare_tensor_id_split_expert(model, model->slices[i].id, &place))
            continue;
        status = put_part(w, &model->slices[i], &place, &room);
        if (status == PARE_OK && place.part != PARE_EXPERT_GATE)
            status = pare_writer_write(writer, room.share, room.elements * pare_dtype_size(whole->dtype));
    }
    expert_room_free(&room);
    return status;
}

/* One head's share of a vector. */
static pare_status write_piece(const writing *w, pare_writer *writer, const pare_tensor *tensor, size_t id,
                               uint32_t head) {
    float *values;
    PARE_TRY(
        pare_alloc_uninitialized(&values, w->trained->model->tensors[id]->count, sizeof *values, "merged weights"));
    pare_status status = w->trained->merged(w->trained, id, 0, 1, values);
    float *own = values + head * tensor->count;
    if (status == PARE_OK) status = store(w, writer, tensor, own, 0, 1);
    pare_free(values);
    return status;
}

/* Parts of a stored tensor, each as the training left it. */
static pare_status write_composite(const writing *w, pare_writer *writer, const pare_composite *composite) {
    const pare_tensor *tensor = composite->whole;
    const pare_model *model = w->trained->model;
    pare_composite_part parts[PARE_COMPOSITE_PARTS] = {{0}};
    size_t size = pare_dtype_size(tensor->dtype);
    float *values = NULL;
    void *joined = NULL;
    pare_status status = pare_alloc_uninitialized(&values, tensor->count, sizeof *values, "merged weights");
    for (int i = 0; i < composite->count && status == PARE_OK; i++) {
        const pare_tensor *part = model->tensors[composite->id[i]];
        parts[i].rows = (int64_t)part->shape[0];
        parts[i].columns = composite->vector ? 1 : (int64_t)part->shape[1];
        int64_t rows = composite->vector ? 1 : parts[i].rows;
        status = pare_alloc_uninitialized(&parts[i].data, part->count, size, "merged weights");
        if (status == PARE_OK) status = w->trained->merged(w->trained, composite->id[i], 0, rows, values);
        if (status == PARE_OK) pare_from_float(parts[i].data, tensor->dtype, values, part->count);
        if (status == PARE_OK) pare_to_float(values, parts[i].data, tensor->dtype, part->count);
        if (status == PARE_OK && !pare_all_finite(values, (int64_t)part->count))
            status = pare_fail(PARE_NUMERIC_ERROR,
                               "the training left weights of %s that are not finite or too large for %s; train again "
                               "with a lower learning rate",
                               tensor->name, pare_dtype_name(tensor->dtype));
    }
    if (status == PARE_OK) status = pare_alloc_uninitialized(&joined, tensor->count, size, "merged weights");
    if (status == PARE_OK) {
        pare_composite_join(composite, parts, joined);
        status = pare_writer_write(writer, joined, tensor->count * size);
    }
    for (int i = 0; i < composite->count; i++)
        pare_free(parts[i].data);
    pare_free(joined);
    pare_free(values);
    return status;
}

static pare_status write_tensor(void *context, pare_writer *writer, size_t index) {
    const writing *w = context;
    const pare_tensor *tensor = pare_checkpoint_at(w->trained->model->checkpoint, index);
    pare_composite composite;
    if (pare_composite_of(w->trained->model, tensor, &composite)) return write_composite(w, writer, &composite);
    uint32_t head;
    size_t id = pare_experts_first_in(w->trained->model, tensor);
    if (id < w->trained->model->tensor_count && w->trained->changes(w->trained, id))
        return write_experts(w, writer, tensor);
    id = pare_piece_of(w->trained->model, tensor, &head);
    if (id < w->trained->model->tensor_count && w->trained->changes(w->trained, id))
        return write_piece(w, writer, tensor, id, head);
    id = pare_tensor_id_of(w->trained->model, tensor);
    if (tensor->count && id < w->trained->model->tensor_count && w->trained->changes(w->trained, id))
        return write_changed(w, writer, w->trained->model->tensors[id], id);
    return pare_writer_write_elements(writer, tensor, 0, tensor->count);
}

pare_status pare_trained_write(const pare_trained *trained, const char *directory, const pare_runtime *runtime) {
    const pare_checkpoint *checkpoint = trained->model->checkpoint;
    size_t chunk = (size_t)chunk_elements(trained->model);
    writing w = {.trained = trained};
    pare_writing job = {.write = write_tensor, .context = &w, .stage = "writing"};
    pare_declaration *list = NULL;
    pare_status status;
    PARE_TRY_GOTO(status, pare_declarations_of(checkpoint, &list), done);
    PARE_TRY_GOTO(status, pare_alloc_uninitialized(&w.rows, chunk, sizeof *w.rows, "merged weights"), done);
    PARE_TRY_GOTO(status, pare_alloc_uninitialized(&w.stored, chunk, sizeof(float), "merged weights"), done);
    status = pare_writer_run(directory, list, pare_checkpoint_count(checkpoint), &job, runtime);
done:
    pare_free(w.rows);
    pare_free(w.stored);
    pare_free(list);
    return status;
}

pare_status pare_trained_write_bytes(const pare_trained *trained, uint64_t *bytes) {
    const pare_checkpoint *checkpoint = trained->model->checkpoint;
    pare_declaration *list;
    PARE_TRY(pare_declarations_of(checkpoint, &list));
    pare_status status = pare_writer_need(list, pare_checkpoint_count(checkpoint), bytes);
    pare_free(list);
    return status;
}
