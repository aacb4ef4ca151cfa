#include "surgery/cut_experts.h"
#include "model/expert_tensors.h"
#include "support/file.h"

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

/* Where a slice's elements are now. */
static const void *slice_data(const pare_model *model, const pare_repaired *repaired, size_t id) {
    const void *changed = repaired && id < repaired->count ? repaired->matrix[id] : NULL;
    return changed ? changed : model->tensors[id]->data;
}

bool pare_cut_experts_changed(const pare_model *model, const pare_repaired *repaired, const pare_tensor *tensor) {
    for (size_t i = 0; repaired && i < model->slice_count; i++) {
        const pare_expert_slice *slice = &model->slices[i];
        if (slice->whole == tensor && slice->id < repaired->count && repaired->matrix[slice->id]) return true;
    }
    return false;
}

pare_status pare_cut_experts_write(pare_writer *writer, const pare_model *model, const pare_selection *selection,
                                   const pare_repaired *repaired, const pare_tensor *tensor) {
    for (size_t i = 0; i < model->slice_count; i++) {
        const pare_expert_slice *slice = &model->slices[i];
        pare_expert_place place;
        if (slice->whole != tensor || !pare_tensor_id_split_expert(model, slice->id, &place)) continue;
        const pare_kept *kept = &selection->layer[place.layer];
        if (pare_kept_expert_place(kept, place.expert) == kept->experts) continue;
        PARE_TRY(pare_writer_write(writer, slice_data(model, repaired, slice->id), slice->tensor.bytes));
    }
    return PARE_OK;
}
