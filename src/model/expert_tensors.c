#include "model/expert_tensors.h"
#include "support/memory.h"

#include <stdio.h>

static size_t first_of(const pare_config *config, uint32_t layer) {
    return pare_tensor_id_first_expert(config) + layer * pare_expert_tensors(config);
}

size_t pare_tensor_id_router(const pare_config *config, uint32_t layer) {
    return first_of(config, layer);
}

size_t pare_tensor_id_shared_gate(const pare_config *config, uint32_t layer) {
    return first_of(config, layer) + PARE_EXPERT_SHARED_GATE;
}

size_t pare_tensor_id_correction(const pare_config *config, uint32_t layer) {
    return first_of(config, layer) + PARE_EXPERT_CORRECTION;
}

size_t pare_tensor_id_expert(const pare_config *config, uint32_t layer, uint32_t expert, pare_expert_part part) {
    return first_of(config, layer) + PARE_EXPERT_OWN + (size_t)expert * PARE_EXPERT_PARTS + (size_t)part;
}

bool pare_tensor_id_split_expert(const pare_model *model, size_t id, pare_expert_place *place) {
    const pare_config *config = &model->config;
    if (!pare_has_experts(config) || id < first_of(config, 0) || id >= first_of(config, config->layers)) return false;
    size_t each = pare_expert_tensors(config), from = id - first_of(config, 0), at = from % each;
    *place = (pare_expert_place){.layer = (uint32_t)(from / each),
                                 .what = at < PARE_EXPERT_OWN ? (pare_expert_tensor)at : PARE_EXPERT_OWN};
    if (at < PARE_EXPERT_OWN) return true;
    place->expert = (uint32_t)((at - PARE_EXPERT_OWN) / PARE_EXPERT_PARTS);
    place->part = (pare_expert_part)((at - PARE_EXPERT_OWN) % PARE_EXPERT_PARTS);
    return true;
}

/* Gate stands above up in each expert's share of the first tensor. */
static void slice_of(const pare_config *config, uint32_t layer, uint32_t expert, pare_expert_part part,
                     const pare_tensor *whole, pare_expert_slice *out) {
    static const char *const parts[] = {"gate", "up", "down"};
    char name[PARE_NAME_BYTES];
    int64_t rows, columns;
    pare_expert_shape(config, part, &rows, &columns);
    bool paired = part != PARE_EXPERT_DOWN;
    size_t place = paired ? 2 * (size_t)expert + (part == PARE_EXPERT_UP) : expert;
    out->whole = whole;
    out->tensor = *whole;
    out->tensor.rank = 2;
    pare_tensor_resize(&out->tensor, rows, columns);
    if (whole->view) {
        out->view = *whole->view;
        if (out->view.halves)
            out->view.skipped += (int64_t)place * rows;
        else
            out->view.first += (int64_t)place * rows * columns;
        out->tensor.view = &out->view;
    } else {
        out->tensor.data = (const char *)whole->data + place * out->tensor.bytes;
    }
    pare_expert_name(config, layer, expert, part, name);
    snprintf(out->name, sizeof out->name, "%.120s[%u].%s", name, expert, parts[part]);
    out->tensor.name = out->name;
}

static pare_status bind_expert(pare_model *model, uint32_t layer, uint32_t expert) {
    const pare_config *config = &model->config;
    for (pare_expert_part part = 0; part < PARE_EXPERT_PARTS; part++) {
        char name[PARE_NAME_BYTES];
        size_t id = pare_tensor_id_expert(config, layer, expert, part);
        pare_expert_name(config, layer, expert, part, name);
        model->tensors[id] = pare_checkpoint_find(model->checkpoint, name);
        if (!model->slices) continue;
        pare_expert_slice *slice = &model->slices[model->slice_count++];
        slice_of(config, layer, expert, part, model->tensors[id], slice);
        slice->id = id;
        model->tensors[id] = &slice->tensor;
    }
    return PARE_OK;
}

pare_status pare_experts_bind(pare_model *model) {
    const pare_config *config = &model->config;
    size_t parts = (size_t)config->layers * config->experts.count * PARE_EXPERT_PARTS;
    if (!pare_has_experts(config)) return PARE_OK;
    if (pare_experts_are_fused(config)) PARE_TRY(pare_alloc(&model->slices, parts, sizeof *model->slices, "experts"));
    for (uint32_t layer = 0; layer < config->layers; layer++) {
        char name[PARE_NAME_BYTES];
        if (!config->widths[layer].experts) continue;
        pare_router_name(config, layer, name);
        model->tensors[pare_tensor_id_router(config, layer)] = pare_checkpoint_find(model->checkpoint, name);
        if (config->experts.shared_gated) {
            pare_shared_gate_name(config, layer, name);
            model->tensors[pare_tensor_id_shared_gate(config, layer)] = pare_checkpoint_find(model->checkpoint, name);
        }
        if (config->experts.corrected) {
            pare_correction_name(config, layer, name);
            model->tensors[pare_tensor_id_correction(config, layer)] = pare_checkpoint_find(model->checkpoint, name);
        }
        for (uint32_t expert = 0; expert < config->widths[layer].experts; expert++)
            PARE_TRY(bind_expert(model, layer, expert));
    }
    return PARE_OK;
}

size_t pare_experts_first_in(const pare_model *model, const pare_tensor *whole) {
    for (size_t i = 0; i < model->slice_count; i++)
        if (model->slices[i].whole == whole) return model->slices[i].id;
    return model->tensor_count;
}

pare_status pare_experts_refuse(const pare_model *model, const char *what) {
    if (!pare_has_experts(&model->config)) return PARE_OK;
    return pare_fail(
        PARE_UNSUPPORTED,
        "%s: %s has experts, and %s does not reach models with experts; remove whole "
        "experts (--mode expert), single weights (--sparsity 0.5, --pattern 2:4) or whole layers (--method "
        "layer-influence, --drop-layers)",
        pare_checkpoint_directory(model->checkpoint), model->config.family->class_name, what);
}
