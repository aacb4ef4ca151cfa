#include "surgery/cut_experts.h"
#include "model/expert_tensors.h"
#include "support/file.h"
#include "support/memory.h"

#include <stdlib.h>
#include <string.h>

/* Layers below that are left. */
static uint32_t place_of_layer(const pare_selection *selection, uint32_t layer) {
    uint32_t place = 0;
    for (uint32_t i = 0; i < layer; i++)
        place += !selection->layer[i].dropped;
    return place;
}

void pare_cut_expert_name(const pare_model *model, const pare_selection *selection, size_t id, char **name) {
    pare_expert_place place;
    char own[PARE_NAME_BYTES];
    if (!pare_tensor_id_split_expert(model, id, &place) || place.what != PARE_EXPERT_OWN) return;
    const pare_kept *kept = &selection->layer[place.layer];
    uint32_t number = pare_kept_expert_place(kept, place.expert);
    free(*name);
    *name = NULL;
    if (number == kept->experts) return;
    pare_expert_name(&model->config, place_of_layer(selection, place.layer), number, place.part, own);
    *name = pare_format("%s", own);
}

void pare_cut_experts_axes(const pare_model *model, const pare_selection *selection, const pare_tensor *tensor,
                           pare_axes *axes) {
    pare_expert_place place;
    if (!pare_tensor_id_split_expert(model, pare_experts_first_in(model, tensor), &place)) return;
    const pare_kept *kept = &selection->layer[place.layer];
    if (!kept->dropped && kept->experts != model->config.widths[place.layer].experts)
        axes->rows = (pare_axis){.units = kept->expert, .count = kept->experts, .width = 1};
}

bool pare_cut_experts_differ(const pare_model *model, const pare_repaired *repaired, const pare_tensor *tensor) {
    if (tensor->view && tensor->view->exponents && pare_experts_first_in(model, tensor) < model->tensor_count)
        return true;
    for (size_t i = 0; repaired && repaired->matrix && i < model->slice_count; i++)
        if (model->slices[i].whole == tensor && repaired->matrix[model->slices[i].id]) return true;
    return false;
}

/* One expert's share of a tensor, as it is put together. */
typedef struct share {
    char *data, *row;
    uint64_t bytes;
} share;

static pare_status open_share(const pare_model *model, const pare_tensor *tensor, share *out) {
    const pare_config *config = &model->config;
    uint64_t size = pare_dtype_size(tensor->dtype);
    uint64_t longest = config->hidden > config->experts.width ? config->hidden : config->experts.width;
    *out = (share){.bytes = tensor->count / tensor->shape[0] * size};
    PARE_TRY(pare_alloc_uninitialized(&out->row, longest, size, "an expert's row"));
    return pare_alloc_uninitialized(&out->data, out->bytes, 1, "an expert's share of a tensor");
}

/* A part of it, from `matrix` or, where that is NULL, as it is. */
static void put_part(const pare_config *config, const pare_expert_slice *slice, const pare_expert_place *place,
                     const char *matrix, const share *to) {
    const pare_tensor *tensor = &slice->tensor;
    const pare_expert_share at = pare_expert_share_of(config, place->part, place->what == PARE_EXPERT_BIAS);
    uint64_t size = pare_dtype_size(tensor->dtype), columns = tensor->rank == 1 ? 1 : tensor->shape[1];
    for (uint64_t row = 0; row < tensor->shape[0]; row++) {
        const char *from =
            matrix ? matrix + row * columns * size : pare_tensor_elements(tensor, row * columns, columns, to->row);
        char *begin = to->data + (uint64_t)(at.view.first + (int64_t)row * at.view.block_step) * size;
        for (uint64_t i = 0; i < columns; i++)
            memcpy(begin + i * (uint64_t)at.view.column_step * size, from + i * size, size);
    }
}

/* Parts of an expert are listed one after the other, those of other tensors between them. */
static pare_status write_shares(const pare_model *model, const pare_selection *selection, const pare_repaired *repaired,
                                const pare_tensor *tensor, pare_writer *writer, const share *room) {
    for (size_t i = 0; i < model->slice_count; i++) {
        const pare_expert_slice *slice = &model->slices[i];
        pare_expert_place place;
        if (slice->whole != tensor || !pare_tensor_id_split_expert(model, slice->id, &place)) continue;
        const pare_kept *kept = &selection->layer[place.layer];
        if (kept->dropped || pare_kept_expert_place(kept, place.expert) == kept->experts) continue;
        const void *matrix = repaired && repaired->matrix ? repaired->matrix[slice->id] : NULL;
        put_part(&model->config, slice, &place, matrix, room);
        if (place.part == PARE_EXPERT_GATE) continue;
        PARE_TRY(pare_writer_write(writer, room->data, room->bytes));
    }
    return PARE_OK;
}

pare_status pare_cut_experts_write(const pare_model *model, const pare_selection *selection,
                                   const pare_repaired *repaired, const pare_tensor *tensor, pare_writer *writer) {
    share room;
    pare_status status = open_share(model, tensor, &room);
    if (status == PARE_OK) status = write_shares(model, selection, repaired, tensor, writer, &room);
    pare_free(room.data);
    pare_free(room.row);
    return status;
}
