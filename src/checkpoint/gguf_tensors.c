#include "checkpoint/gguf_tensors.h"
#include "support/memory.h"

#include <stdlib.h>
#include <string.h>

typedef struct listing {
    pare_gguf_source from;
    pare_gguf_meaning_fn *meaning;
    void *context;
    pare_gguf_room *room;
    size_t pairs; /* so far */
    pare_safetensors *out;
} listing;

static pare_status check_heads(const pare_gguf *file, const pare_gguf_tensor *tensor, uint32_t head) {
    if (tensor->rank <= 2 && head % 2 == 0 && tensor->shape[0] % head == 0) return PARE_OK;
    return pare_fail(PARE_FORMAT_ERROR, "%s: tensor %s has %llu rows, which are no heads of %u rows",
                     file->mapping.path, tensor->name, (unsigned long long)tensor->shape[0], head);
}

static pare_status check_type(const pare_gguf *file, const pare_gguf_tensor *stored) {
    if (stored->type->decode) return PARE_OK;
    return pare_fail(PARE_UNSUPPORTED, "%s: tensor %s is of type %s, which pare does not read as weights",
                     file->mapping.path, stored->name, stored->type->name);
}

/* Rows of a matrix of so many, that lie as its columns. */
static pare_view turned_view(uint64_t rows, uint64_t columns, const pare_ggml_type *type) {
    return (pare_view){.block = (int64_t)rows,
                       .block_step = (int64_t)(rows * columns),
                       .row_step = 1,
                       .column_step = (int64_t)rows,
                       .type = type->plain ? NULL : type};
}

static pare_status turn(const pare_gguf_tensor *stored, pare_view *view, pare_tensor *tensor) {
    tensor->shape[1] = stored->shape[2];
    tensor->shape[2] = stored->shape[1];
    *view = turned_view(stored->shape[2], stored->shape[1], stored->type);
    tensor->view = view;
    return PARE_OK;
}

/* tensor->view: NULL where the stored numbers are the tensor's own, in its order. */
static pare_status describe(const listing *l, const pare_gguf_tensor *stored, const pare_gguf_meaning *meaning,
                            pare_view *view, pare_tensor *tensor) {
    int64_t columns = stored->rank > 1 ? (int64_t)stored->shape[stored->rank - 1] : 1;
    PARE_TRY(check_type(l->from.file, stored));
    *tensor = (pare_tensor){.dtype = stored->type->dtype,
                            .rank = stored->rank,
                            .count = stored->count,
                            .bytes = stored->count * pare_dtype_size(stored->type->dtype),
                            .data = stored->data};
    memcpy(tensor->shape, stored->shape, sizeof tensor->shape);
    if (meaning->row && stored->rank == 1) {
        tensor->rank = 2;
        tensor->shape[0] = 1;
        tensor->shape[1] = stored->shape[0];
        columns = (int64_t)stored->shape[0];
    }
    if (meaning->turned) return turn(stored, view, tensor);
    if (meaning->head) PARE_TRY(check_heads(l->from.file, stored, meaning->head));
    *view = meaning->head ? pare_view_of_pairs(columns, meaning->head) : pare_view_of_rows(columns);
    view->type = stored->type->plain ? NULL : stored->type;
    view->shift = meaning->shift;
    bool as_stored = stored->type->plain && !meaning->head && !(meaning->shift < 0 || meaning->shift > 0);
    tensor->view = as_stored ? NULL : view;
    return PARE_OK;
}

/* One of the matrices that a tensor of three axes is made of. */
static void take_piece(const pare_gguf_tensor *stored, uint64_t piece, uint64_t pieces, pare_tensor *tensor) {
    tensor->rank = 2;
    tensor->shape[0] = stored->shape[1];
    tensor->shape[1] = stored->shape[2];
    tensor->shape[2] = 0;
    tensor->count /= pieces;
    tensor->bytes /= pieces;
    tensor->data = stored->data + piece * (stored->bytes / pieces);
}

/* A half as a matrix whose rows are as long as the whole's. */
static void describe_half(const pare_gguf_tensor *stored, size_t file, uint64_t columns, uint64_t block, bool turned,
                          pare_tensor *half, pare_view *view) {
    *half = (pare_tensor){.name = stored->name,
                          .dtype = stored->type->dtype,
                          .rank = 2,
                          .shape = {stored->count / columns, columns},
                          .count = stored->count,
                          .bytes = stored->count * pare_dtype_size(stored->type->dtype),
                          .data = stored->data,
                          .file = file,
                          .view = view};
    *view = pare_view_of_rows((int64_t)columns);
    view->type = stored->type->plain ? NULL : stored->type;
    if (turned) *view = turned_view(block, columns, stored->type);
    if (stored->type->plain && !turned) half->view = NULL;
}

/* Whose columns take turns. */
static pare_status join_columns(listing *l, const pare_gguf_tensor *stored, const pare_gguf_halves *halves,
                                pare_gguf_pair *pair) {
    uint64_t rows = halves->shape[1], more = halves->shape[2] - halves->split;
    describe_half(stored, l->from.index, halves->split, rows, true, &pair->halves[0], &pair->views[0]);
    describe_half(halves->other, halves->file, more, rows, true, &pair->halves[1], &pair->views[1]);
    if (stored->type == halves->other->type) return PARE_OK;
    return pare_fail(PARE_UNSUPPORTED, "%s: tensor %s is of type %s and %s of %s; pare reads them where both are alike",
                     l->from.file->mapping.path, stored->name, stored->type->name, halves->other->name,
                     halves->other->type->name);
}

/* Shapes are the caller's to check. */
static pare_status join(listing *l, const pare_gguf_tensor *stored, const pare_gguf_halves *halves, pare_view *view,
                        pare_tensor *tensor) {
    pare_gguf_pair *pair = &l->room->pairs[l->pairs++];
    uint64_t columns = halves->shape[halves->rank - 1];
    PARE_TRY(check_type(l->from.file, stored));
    PARE_TRY(check_type(l->from.file, halves->other));
    if (halves->by_columns) {
        PARE_TRY(join_columns(l, stored, halves, pair));
    } else {
        describe_half(stored, l->from.index, columns, halves->split, halves->turned, &pair->halves[0], &pair->views[0]);
        describe_half(halves->other, halves->file, columns, 0, false, &pair->halves[1], &pair->views[1]);
    }
    bool alike = pair->halves[0].dtype == pair->halves[1].dtype;
    *tensor = pair->halves[0];
    tensor->dtype = alike ? pair->halves[0].dtype : PARE_DTYPE_F32;
    tensor->rank = halves->rank;
    memcpy(tensor->shape, halves->shape, sizeof tensor->shape);
    tensor->count = stored->count + halves->other->count;
    tensor->bytes = tensor->count * pare_dtype_size(tensor->dtype);
    *view = (pare_view){.block = (int64_t)halves->block,
                        .column_step = 1,
                        .halves = pair->halves,
                        .split = (int64_t)halves->split,
                        .by_columns = halves->by_columns};
    tensor->view = view;
    return PARE_OK;
}

static pare_status ask(const listing *l, const pare_gguf_tensor *stored, uint64_t piece, pare_gguf_meaning *out) {
    *out = (pare_gguf_meaning){0};
    if (l->meaning) PARE_TRY(l->meaning(l->context, stored, piece, out));
    if (!l->meaning) out->name = pare_format("%s", stored->name);
    return pare_whole();
}

static pare_status add(listing *l, const pare_gguf_tensor *stored, uint64_t piece) {
    pare_safetensors *out = l->out;
    pare_tensor *tensor = &out->tensors[out->count];
    pare_view *view = &l->room->views[out->count];
    pare_gguf_meaning found;
    PARE_TRY(ask(l, stored, piece, &found));
    if (!found.name) return PARE_OK;
    pare_status status =
        found.halves.other ? join(l, stored, &found.halves, view, tensor) : describe(l, stored, &found, view, tensor);
    if (status != PARE_OK) {
        free(found.name);
        return status;
    }
    if (found.pieces) take_piece(stored, piece, found.pieces, tensor);
    tensor->name = found.name;
    out->count++;
    return PARE_OK;
}

/* How many tensors the file's are to the model, and how many of these are stored as two. */
static pare_status count(const listing *l, size_t *tensors, size_t *pairs) {
    *tensors = *pairs = 0;
    for (size_t i = 0; i < l->from.file->tensor_count; i++) {
        pare_gguf_meaning found;
        PARE_TRY(ask(l, &l->from.file->tensors[i], 0, &found));
        *tensors += found.name && found.pieces ? found.pieces : 1;
        *pairs += found.halves.other != NULL;
        free(found.name);
    }
    return PARE_OK;
}

static pare_status list(listing *l) {
    size_t tensors, pairs;
    PARE_TRY(count(l, &tensors, &pairs));
    PARE_TRY(pare_alloc(&l->out->tensors, tensors, sizeof *l->out->tensors, "tensor descriptions"));
    PARE_TRY(pare_alloc(&l->room->views, tensors, sizeof *l->room->views, "tensor descriptions"));
    PARE_TRY(pare_alloc(&l->room->pairs, pairs, sizeof *l->room->pairs, "tensor descriptions"));
    for (size_t i = 0; i < l->from.file->tensor_count; i++) {
        const pare_gguf_tensor *stored = &l->from.file->tensors[i];
        pare_gguf_meaning found;
        PARE_TRY(ask(l, stored, 0, &found));
        uint64_t pieces = found.name && found.pieces ? found.pieces : 1;
        free(found.name);
        for (uint64_t piece = 0; piece < pieces; piece++)
            PARE_TRY(add(l, stored, piece));
    }
    return PARE_OK;
}

pare_status pare_gguf_list_tensors(pare_gguf_source from, pare_gguf_meaning_fn *meaning, void *context,
                                   pare_gguf_room *room, pare_safetensors *out) {
    listing l = {.from = from, .meaning = meaning, .context = context, .room = room, .out = out};
    *out = (pare_safetensors){.mapping = from.file->mapping};
    pare_status status = list(&l);
    if (status != PARE_OK) {
        pare_safetensors_forget(out);
        *out = (pare_safetensors){0};
    }
    return status;
}

void pare_gguf_room_free(pare_gguf_room *room) {
    pare_free(room->views);
    pare_free(room->pairs);
    *room = (pare_gguf_room){0};
}
