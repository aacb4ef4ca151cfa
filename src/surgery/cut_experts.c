#include "surgery/cut_experts.h"
#include "model/expert_tensors.h"
#include "support/file.h"
#include "support/memory.h"
#include "surgery/kept_values.h"

#include <stdlib.h>

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

/* What the layer of such a tensor keeps, if its experts lose channels; else NULL. */
static const pare_kept *narrowed(const pare_model *model, const pare_selection *selection, const pare_tensor *tensor,
                                 pare_expert_place *first) {
    if (!pare_tensor_id_split_expert(model, pare_experts_first_in(model, tensor), first)) return NULL;
    const pare_kept *kept = &selection->layer[first->layer];
    return !kept->dropped && kept->expert_channel ? kept : NULL;
}

void pare_cut_experts_shape(const pare_model *model, const pare_selection *selection, const pare_tensor *tensor,
                            uint64_t *shape) {
    pare_expert_place first;
    const pare_kept *kept = narrowed(model, selection, tensor, &first);
    if (!kept) return;
    if (first.part == PARE_EXPERT_DOWN)
        shape[2] = kept->expert_ffn;
    else
        shape[1] = 2 * (uint64_t)kept->expert_ffn;
}

bool pare_cut_experts_apart(const pare_model *model, const pare_selection *selection, const pare_repaired *repaired,
                            const pare_tensor *tensor) {
    pare_expert_place first;
    if (narrowed(model, selection, tensor, &first)) return true;
    for (size_t i = 0; repaired && repaired->matrix && i < model->slice_count; i++)
        if (model->slices[i].whole == tensor && repaired->matrix[model->slices[i].id]) return true;
    return false;
}

static pare_status write_kept(const pare_tensor *slice, const pare_axes *axes, pare_writer *writer) {
    uint64_t count = pare_axis_length(&axes->rows, slice->shape[0]) * pare_axis_length(&axes->columns, slice->shape[1]);
    size_t size = pare_dtype_size(slice->dtype);
    void *room;
    if (!axes->rows.units && !axes->columns.units) return pare_writer_write_elements(writer, slice, 0, slice->count);
    PARE_TRY(pare_alloc_uninitialized(&room, count, size, "tensor"));
    pare_status status = pare_kept_elements(slice, axes, room);
    if (status == PARE_OK) status = pare_writer_write(writer, room, count * size);
    pare_free(room);
    return status;
}

/* Slices are listed in the order in which they lie, the parts of an expert one after the other. */
pare_status pare_cut_experts_write(const pare_model *model, const pare_selection *selection,
                                   const pare_repaired *repaired, const pare_tensor *tensor, pare_writer *writer) {
    for (size_t i = 0; i < model->slice_count; i++) {
        const pare_expert_slice *slice = &model->slices[i];
        const void *matrix = repaired && repaired->matrix ? repaired->matrix[slice->id] : NULL;
        const pare_axes axes = pare_axes_of(model, selection, slice->id);
        pare_expert_place place;
        if (slice->whole != tensor || !pare_tensor_id_split_expert(model, slice->id, &place)) continue;
        if (axes.dropped) continue;
        PARE_TRY(matrix ? pare_writer_write(writer, matrix,
                                            repaired->elements[slice->id] * pare_dtype_size(slice->tensor.dtype))
                        : write_kept(&slice->tensor, &axes, writer));
    }
    return PARE_OK;
}
