#include "model/expert_tensors.h"
#include "checkpoint/mxfp4.h"
#include "model/family.h"
#include "model/latent_tensors.h"
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

size_t pare_tensor_id_router_bias(const pare_config *config, uint32_t layer) {
    return pare_tensor_id_expert(config, layer, config->experts.count, PARE_EXPERT_GATE);
}

size_t pare_tensor_id_expert_bias(const pare_config *config, uint32_t layer, uint32_t expert, pare_expert_part part) {
    return pare_tensor_id_router_bias(config, layer) + 1 + (size_t)expert * PARE_EXPERT_PARTS + (size_t)part;
}

bool pare_tensor_id_split_expert(const pare_model *model, size_t id, pare_expert_place *place) {
    const pare_config *config = &model->config;
    if (!pare_has_experts(config) || id < first_of(config, 0) || id >= first_of(config, config->layers)) return false;
    size_t each = pare_expert_tensors(config), from = id - first_of(config, 0), at = from % each;
    *place = (pare_expert_place){.layer = (uint32_t)(from / each),
                                 .what = at < PARE_EXPERT_OWN ? (pare_expert_tensor)at : PARE_EXPERT_OWN};
    if (at < PARE_EXPERT_OWN) return true;
    at -= PARE_EXPERT_OWN;
    size_t own = (size_t)config->experts.count * PARE_EXPERT_PARTS;
    place->what = at < own ? PARE_EXPERT_OWN : at == own ? PARE_EXPERT_ROUTER_BIAS : PARE_EXPERT_BIAS;
    if (at == own) return true;
    at -= at > own ? own + 1 : 0;
    place->expert = (uint32_t)(at / PARE_EXPERT_PARTS);
    place->part = (pare_expert_part)(at % PARE_EXPERT_PARTS);
    return true;
}

static size_t roles_of(const pare_config *config) {
    size_t count = 0;
    for (pare_role role = 0; role < PARE_ALL_ROLES; role++)
        count += pare_has_role(&config->architecture, role);
    return count;
}

static size_t experts_of(const pare_config *config) {
    return pare_has_experts(config) ? pare_expert_tensors(config) : 0;
}

size_t pare_layer_tensors(const pare_config *config) {
    return roles_of(config) + experts_of(config) + (pare_latent_tensors(config) ? 1 : 0);
}

size_t pare_layer_tensor(const pare_config *config, uint32_t layer, size_t i) {
    size_t roles = roles_of(config), before = 0;
    if (i >= roles + experts_of(config)) return pare_tensor_id_query_down(config, layer);
    if (i >= roles) return first_of(config, layer) + i - roles;
    pare_role role = 0;
    while (!pare_has_role(&config->architecture, role) || before++ < i)
        role++;
    return pare_tensor_id_in(config, layer, role);
}

static const char *const part_names[] = {"gate", "up", "down"};

/* turned: inputs lie before outputs. */
static pare_expert_share share_of(const pare_config *config, pare_expert_part part, bool bias, bool turned) {
    const pare_expert_rule *rule = &config->family->experts;
    bool down = part == PARE_EXPERT_DOWN, up = part == PARE_EXPERT_UP;
    int64_t width = config->experts.width, rows, inputs;
    pare_expert_shape(config, part, &rows, &inputs);
    inputs = bias ? 1 : inputs;
    int64_t all = down ? rows : 2 * rows, row = turned ? 1 : inputs;
    int64_t first = !up ? 0 : rule->interleaved ? 1 : width, step = !down && rule->interleaved ? 2 : 1;
    return (pare_expert_share){.elements = (uint64_t)(all * inputs),
                               .run = !turned && step == 1,
                               .view = {.first = first * row,
                                        .block = 1,
                                        .block_step = step * row,
                                        .row_step = row,
                                        .column_step = turned ? all : 1}};
}

pare_expert_share pare_expert_share_of(const pare_config *config, pare_expert_part part, bool bias) {
    return share_of(config, part, bias, config->family->experts.turned && !bias);
}

/* Begins at an expert's share, in which it is a run or a view. */
static void place_slice(const pare_expert_share *share, uint64_t begin, pare_expert_slice *out) {
    const pare_tensor *whole = out->whole;
    uint64_t size = pare_dtype_size(whole->dtype);
    out->view = share->view;
    out->tensor.view = &out->view;
    out->tensor.data = (const char *)whole->data + begin * size;
    if (!share->run) return;
    out->tensor.view = NULL;
    out->tensor.data = (const char *)out->tensor.data + (uint64_t)share->view.first * size;
}

/* The same of numbers that are packed, which lie as [experts, outputs, inputs], whatever the order they are used in. */
static void place_packed(const pare_expert_share *share, uint64_t begin, pare_expert_slice *out) {
    const pare_tensor *whole = out->whole;
    out->view = share->view;
    out->view.exponents = whole->view->exponents + begin / PARE_MXFP4_BLOCK;
    out->tensor.view = &out->view;
    out->tensor.data = (const unsigned char *)whole->data + begin / 2;
}

/* The same of what is a view of a file that has the families' order: a run of it, or of each of its halves in turn. */
static void place_viewed(const pare_expert_share *share, uint64_t begin, pare_expert_slice *out) {
    int64_t at = (int64_t)begin + share->view.first, columns = (int64_t)out->tensor.shape[1];
    out->view = *out->whole->view;
    if (out->view.halves)
        out->view.skipped += at / columns;
    else
        out->view.first += at;
    out->tensor.view = &out->view;
}

/* The same of a file that has outputs before inputs, whatever the order of the family's: each part is a run of it, or
 * of one of its halves. */
static void place_straight(uint32_t expert, pare_expert_part part, pare_expert_slice *out) {
    const pare_tensor *halves = out->whole->view->halves, *from = halves ? &halves[part == PARE_EXPERT_UP] : out->whole;
    out->view = pare_view_of_rows((int64_t)out->tensor.shape[1]);
    out->view.type = from->view ? from->view->type : NULL;
    out->view.first = (int64_t)(expert * out->tensor.count);
    out->tensor.data = from->data;
    out->tensor.file = from->file;
    out->tensor.view = &out->view;
}

static void slice_of(const pare_config *config, uint32_t expert, pare_expert_part part, bool bias,
                     pare_expert_slice *out) {
    const pare_view *view = out->whole->view;
    bool packed = view && view->exponents;
    void (*place)(const pare_expert_share *, uint64_t, pare_expert_slice *) = packed ? place_packed
                                                                              : view ? place_viewed
                                                                                     : place_slice;
    const pare_expert_share share = share_of(config, part, bias, config->family->experts.turned && !bias && !packed);
    int64_t rows, columns;
    pare_expert_shape(config, part, &rows, &columns);
    out->tensor = *out->whole;
    out->tensor.rank = bias ? 1 : 2;
    pare_tensor_resize(&out->tensor, bias ? 1 : rows, bias ? rows : columns);
    if (view && !packed && config->family->experts.turned && !bias)
        place_straight(expert, part, out);
    else
        place(&share, expert * share.elements, out);
    snprintf(out->name, sizeof out->name, "%.120s[%u].%s", out->whole->name, expert, part_names[part]);
    out->tensor.name = out->name;
}

/* Adds a slice of the tensor of that name, for an id; its view is filled by the caller. */
static pare_expert_slice *add_slice(pare_model *model, const char *name, size_t id) {
    pare_expert_slice *slice = &model->slices[model->slice_count++];
    slice->whole = pare_checkpoint_find(model->checkpoint, name);
    slice->id = id;
    model->tensors[id] = &slice->tensor;
    return slice;
}

static void bind_expert(pare_model *model, uint32_t layer, uint32_t expert) {
    const pare_config *config = &model->config;
    for (pare_expert_part part = 0; part < PARE_EXPERT_PARTS; part++) {
        char name[PARE_NAME_BYTES];
        size_t id = pare_tensor_id_expert(config, layer, expert, part);
        pare_expert_name(config, layer, expert, part, name);
        if (model->slices)
            slice_of(config, expert, part, false, add_slice(model, name, id));
        else
            model->tensors[id] = pare_checkpoint_find(model->checkpoint, name);
        if (!config->experts.biased) continue;
        pare_expert_bias_name(config, layer, part, name);
        slice_of(config, expert, part, true,
                 add_slice(model, name, pare_tensor_id_expert_bias(config, layer, expert, part)));
    }
}

/* What a layer has one of. */
static void bind_layer(pare_model *model, uint32_t layer) {
    static void (*const name_of[])(const pare_config *config, uint32_t layer, char name[PARE_NAME_BYTES]) = {
        pare_router_name, pare_shared_gate_name, pare_correction_name, pare_router_bias_name};
    const pare_config *config = &model->config;
    const pare_experts *x = &config->experts;
    const size_t id[] = {pare_tensor_id_router(config, layer), pare_tensor_id_shared_gate(config, layer),
                         pare_tensor_id_correction(config, layer), pare_tensor_id_router_bias(config, layer)};
    const bool there[] = {true, x->shared_gated, x->corrected, x->biased};
    for (int i = 0; i < 4; i++) {
        char name[PARE_NAME_BYTES];
        if (!there[i]) continue;
        name_of[i](config, layer, name);
        model->tensors[id[i]] = pare_checkpoint_find(model->checkpoint, name);
    }
}

pare_status pare_experts_bind(pare_model *model) {
    const pare_config *config = &model->config;
    size_t parts = (size_t)config->layers * config->experts.count * PARE_EXPERT_PARTS;
    if (config->experts.biased) parts *= 2;
    if (!pare_has_experts(config)) return PARE_OK;
    if (pare_experts_are_fused(config)) PARE_TRY(pare_alloc(&model->slices, parts, sizeof *model->slices, "experts"));
    for (uint32_t layer = 0; layer < config->layers; layer++) {
        if (!config->widths[layer].experts) continue;
        bind_layer(model, layer);
        for (uint32_t expert = 0; expert < config->widths[layer].experts; expert++)
            bind_expert(model, layer, expert);
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
