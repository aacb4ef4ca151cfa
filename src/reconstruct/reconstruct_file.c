/* What such a state file (checkpoint/state_file.h) holds, numbers little-endian:
 *
 *   f64 [2 stages] before, after, share  held-out errors, and the share of the change that was taken
 *   u64 [slots]                          elements of each tensor, 0 where the layer has none
 *   tensors in the model's dtypes, in the order of the slots (slots.h) */
#include "reconstruct/reconstruct_file.h"
#include "checkpoint/state_file.h"
#include "support/memory.h"

#include <stdlib.h>

typedef struct layer_file {
    pare_rebuilding *b;
    uint32_t layer;
} layer_file;

static pare_status pass_errors(const layer_file *f, pare_state_file *file) {
    for (int stage = 0; stage < PARE_STAGES; stage++) {
        pare_rebuilt *r = &f->b->rebuilt[f->layer][stage];
        PARE_TRY(pare_state_doubles(file, &r->before, 1));
        PARE_TRY(pare_state_doubles(file, &r->after, 1));
        PARE_TRY(pare_state_doubles(file, &r->share, 1));
    }
    return PARE_OK;
}

/* What is read goes to the weights in hand. */
static pare_status take_tensor(const layer_file *f, size_t slot, size_t elements, pare_dtype dtype,
                               pare_state_file *file) {
    void *stored;
    PARE_TRY(pare_alloc_uninitialized(&stored, elements, pare_dtype_size(dtype), "a reconstructed tensor"));
    pare_status status = pare_state_numbers(file, stored, dtype, elements);
    if (status == PARE_OK) status = pare_sub_block_replace(&f->b->sub, slot, stored);
    pare_free(stored);
    return status;
}

static pare_status pass_tensor(const layer_file *f, size_t slot, size_t elements, pare_state_file *file) {
    pare_rebuilding *b = f->b;
    size_t id = pare_slot_id(&b->asked->model->config, f->layer, slot);
    pare_dtype dtype = b->asked->model->tensors[id]->dtype;
    if (pare_state_reads(file)) return take_tensor(f, slot, elements, dtype, file);
    return pare_state_numbers(file, b->out.matrix[id], dtype, elements);
}

static pare_status describe(void *context, pare_state_file *file) {
    const layer_file *f = context;
    PARE_TRY(pass_errors(f, file));
    const pare_reconstruction *r = f->b->asked;
    size_t slots = pare_slots(&r->model->config);
    int64_t rows, columns;
    for (size_t slot = 0; slot < slots; slot++)
        PARE_TRY(pare_state_same(file, pare_slot_left(r, f->layer, slot, &rows, &columns)));
    for (size_t slot = 0; slot < slots; slot++) {
        size_t elements = pare_slot_left(r, f->layer, slot, &rows, &columns);
        if (elements) PARE_TRY(pass_tensor(f, slot, elements, file));
    }
    return PARE_OK;
}

static pare_status place_of(const pare_rebuilding *b, char *path, uint32_t layer, pare_state_place *place) {
    *place = (pare_state_place){.path = path,
                                .what = "a reconstructed layer",
                                .anew = "train that layer anew",
                                .key = b->asked->key,
                                .number = layer};
    return path ? PARE_OK : pare_whole();
}

pare_status pare_reconstruct_save(pare_rebuilding *b, uint32_t layer) {
    char *path = pare_format("%s%u", b->asked->state, layer);
    layer_file file = {b, layer};
    pare_state_place place;
    pare_status status = place_of(b, path, layer, &place);
    if (status == PARE_OK) status = pare_state_save(&place, describe, &file);
    free(path);
    return status;
}

pare_status pare_reconstruct_load(pare_rebuilding *b, uint32_t layer, bool *kept) {
    char *path = pare_format("%s%u", b->asked->state, layer);
    layer_file file = {b, layer};
    pare_state_place place;
    *kept = false;
    pare_status status = place_of(b, path, layer, &place);
    if (status == PARE_OK) status = pare_state_load(&place, describe, &file, kept);
    free(path);
    return status;
}
