#include "surgery/cut_experts.h"
#include "support/file.h"
#include "support/memory.h"
#include "surgery/kept_values.h"

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

/* What the layer of such a tensor keeps, if its experts lose channels, or the hidden state does; else NULL. */
static const pare_kept *narrowed(const pare_model *model, const pare_selection *selection, const pare_tensor *tensor,
                                 pare_expert_place *first) {
    if (!pare_tensor_id_split_expert(model, pare_experts_first_in(model, tensor), first)) return NULL;
    const pare_kept *kept = &selection->layer[first->layer];
    return !kept->dropped && (kept->expert_channel || selection->hidden_channel) ? kept : NULL;
}

/* As experts are when they, and the hidden state, have lost channels. */
static pare_config narrower(const pare_config *config, const pare_selection *selection, const pare_kept *kept) {
    pare_config out = *config;
    out.hidden = selection->hidden;
    if (kept && kept->expert_channel) out.experts.width = kept->expert_ffn;
    return out;
}

void pare_cut_experts_shape(const pare_model *model, const pare_selection *selection, const pare_tensor *tensor,
                            uint64_t *shape) {
    pare_expert_place first;
    const pare_kept *kept = narrowed(model, selection, tensor, &first);
    if (!kept) return;
    bool down = first.part == PARE_EXPERT_DOWN, bias = first.what == PARE_EXPERT_BIAS;
    bool behind = !bias && down != model->config.family->experts.turned; /* the channels are the last axis */
    uint64_t channels = (down ? 1 : 2) * (uint64_t)kept->expert_ffn;
    if (bias)
        shape[1] = down ? selection->hidden : channels;
    else {
        shape[behind ? 2 : 1] = channels;
        shape[behind ? 1 : 2] = selection->hidden;
    }
}

bool pare_cut_experts_apart(const pare_model *model, const pare_selection *selection, const pare_repaired *repaired,
                            const pare_tensor *tensor) {
    pare_expert_place first;
    if (narrowed(model, selection, tensor, &first)) return true;
    bool straight = tensor->view && model->config.family->experts.turned; /* not as it is written */
    if (straight && pare_experts_first_in(model, tensor) < model->tensor_count) return true;
    for (size_t i = 0; repaired && repaired->matrix && i < model->slice_count; i++)
        if (model->slices[i].whole == tensor && repaired->matrix[model->slices[i].id]) return true;
    return false;
}

void pare_expert_part_put(const pare_config *config, const pare_expert_place *place, pare_expert_numbers part,
                          void *share) {
    const pare_expert_share at = pare_expert_share_of(config, place->part, place->what == PARE_EXPERT_BIAS);
    for (int64_t row = 0; row < part.rows; row++) {
        const char *from = (const char *)part.values + (size_t)(row * part.columns) * part.size;
        char *begin = (char *)share + (size_t)(at.view.first + row * at.view.block_step) * part.size;
        for (int64_t i = 0; i < part.columns; i++)
            memcpy(begin + (size_t)(i * at.view.column_step) * part.size, from + (size_t)i * part.size, part.size);
    }
}

/* One expert's share of a tensor, as it is put together, and one of its parts. */
typedef struct share {
    pare_config config; /* of experts as they are left */
    char *data, *part;
    uint64_t bytes;
} share;

static pare_status open_share(const pare_model *model, const pare_selection *selection, const pare_tensor *tensor,
                              share *out) {
    pare_expert_place first;
    const pare_kept *kept = narrowed(model, selection, tensor, &first);
    *out = (share){.config = narrower(&model->config, selection, kept)};
    if (!pare_tensor_id_split_expert(model, pare_experts_first_in(model, tensor), &first)) return PARE_OK;
    out->bytes = pare_expert_share_of(&out->config, first.part, first.what == PARE_EXPERT_BIAS).elements *
                 pare_dtype_size(tensor->dtype);
    PARE_TRY(pare_alloc_uninitialized(&out->part, out->bytes, 1, "a part of an expert"));
    return pare_alloc_uninitialized(&out->data, out->bytes, 1, "an expert's share of a tensor");
}

/* A part of it, as it was repaired, or where it was not, what is kept of it. */
static pare_status put_part(const pare_expert_slice *slice, const pare_expert_place *place, const pare_axes *axes,
                            const void *matrix, const share *to) {
    const pare_tensor *tensor = &slice->tensor;
    bool vector = tensor->rank == 1;
    const pare_axis *down = vector ? &axes->columns : &axes->rows;
    pare_expert_numbers part = {.rows = (int64_t)pare_axis_length(down, tensor->shape[0]),
                                .columns = vector ? 1 : (int64_t)pare_axis_length(&axes->columns, tensor->shape[1]),
                                .size = pare_dtype_size(tensor->dtype),
                                .values = matrix ? matrix : to->part};
    if (!matrix) PARE_TRY(pare_kept_elements(tensor, axes, to->part));
    pare_expert_part_put(&to->config, place, part, to->data);
    return PARE_OK;
}

/* Parts of an expert are listed one after the other, those of other tensors between them. */
static pare_status write_shares(const pare_model *model, const pare_selection *selection, const pare_repaired *repaired,
                                const pare_tensor *tensor, pare_writer *writer, const share *room) {
    for (size_t i = 0; i < model->slice_count; i++) {
        const pare_expert_slice *slice = &model->slices[i];
        pare_expert_place place;
        if (slice->whole != tensor || !pare_tensor_id_split_expert(model, slice->id, &place)) continue;
        const pare_axes axes = pare_axes_of(model, selection, slice->id);
        if (axes.dropped) continue;
        const void *matrix = repaired && repaired->matrix ? repaired->matrix[slice->id] : NULL;
        PARE_TRY(put_part(slice, &place, &axes, matrix, room));
        if (place.part == PARE_EXPERT_GATE) continue;
        PARE_TRY(pare_writer_write(writer, room->data, room->bytes));
    }
    return PARE_OK;
}

pare_status pare_cut_experts_write(const pare_model *model, const pare_selection *selection,
                                   const pare_repaired *repaired, const pare_tensor *tensor, pare_writer *writer) {
    share room;
    pare_status status = open_share(model, selection, tensor, &room);
    if (status == PARE_OK) status = write_shares(model, selection, repaired, tensor, writer, &room);
    pare_free(room.data);
    pare_free(room.part);
    return status;
}
