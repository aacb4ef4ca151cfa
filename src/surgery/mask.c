#include "surgery/mask.h"
#include "model/expert_tensors.h"
#include "support/memory.h"
#include "surgery/axes.h"

#include <math.h>

/* *scale: [length] `factor` where kept, 0 elsewhere; NULL where all are kept and nothing is scaled. */
static pare_status scale_of(const pare_axis *axis, uint64_t length, float factor, float **scale) {
    if (!axis->units) return PARE_OK;
    PARE_TRY(pare_alloc(scale, length, sizeof **scale, "mask"));
    for (uint64_t i = 0; i < axis->count * axis->width; i++)
        (*scale)[axis->units[i / axis->width] * axis->width + i % axis->width] = factor;
    return PARE_OK;
}

/* True for tensors whose result goes into the residual stream. */
static bool writes_hidden(const pare_model *model, size_t id, pare_role *role) {
    uint32_t layer;
    return pare_tensor_id_split(model, id, &layer, role) && pare_role_writes(*role);
}

/* Biases of these: they would write to the channels that go. */
static bool biases_hidden(const pare_model *model, size_t id) {
    uint32_t layer;
    pare_role role;
    bool bias = pare_tensor_id_split(model, id, &layer, &role) && pare_role_is_bias(role);
    return bias && pare_role_writes(pare_roles[role].of);
}

/* What stands before the blocks and puts something into the stream, or is a part of it by itself: embeddings,
 * positions, tokens of its own. */
static bool begins_hidden(const pare_model *model, size_t id) {
    static const pare_end ends[] = {PARE_END_POSITIONS, PARE_END_PROJECT_IN, PARE_END_PROJECT_IN_BIAS,
                                    PARE_END_CLASS_TOKEN, PARE_END_DISTILLATION_TOKEN};
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++)
        if (pare_has_end(&model->config.architecture, ends[i]) && id == pare_tensor_id_end(model, ends[i])) return true;
    return id == pare_tensor_id_embedding();
}

/* Queries or keys whose norm runs over all heads, their biases, or that norm. */
static bool normed_together(const pare_model *model, size_t id, pare_role *role) {
    uint32_t layer;
    if (model->config.architecture.head_norm != PARE_HEAD_NORM_ALL) return false;
    if (!pare_tensor_id_split(model, id, &layer, role)) return false;
    pare_role of = pare_roles[*role].of;
    return of == PARE_ROLE_Q || of == PARE_ROLE_K || of == PARE_ROLE_Q_NORM || of == PARE_ROLE_K_NORM;
}

/* Removed heads are zero before their norm, whose mean then runs over n of which n' are left: what it reads is scaled
 * by s = sqrt(n / n'), and its weights by 1 / s: (w / s) (s x) / sqrt(s^2 sum(x^2) / n + eps) = w x / sqrt(sum(x^2) /
 * n' + eps) */
static pare_status mask_heads(const pare_axes *axes, int64_t rows, int64_t columns, pare_role role, size_t id,
                              pare_mask *mask) {
    bool matrix = pare_role_is_matrix(role);
    const pare_axis *heads = matrix ? &axes->rows : &axes->columns;
    uint64_t length = (uint64_t)(matrix ? rows : columns);
    float s = (float)sqrt((double)length / (double)pare_axis_length(heads, length));
    float **scale = &mask->column_scale[id];
    if (axes->dropped || !heads->units) return PARE_OK;
    if (!matrix) return scale_of(heads, length, pare_role_is_bias(role) ? s : 1.0f / s, scale);
    PARE_TRY(scale_of(heads, length, 1.0f, &mask->row_scale[id]));
    PARE_TRY(pare_alloc(scale, (size_t)columns, sizeof **scale, "mask"));
    for (int64_t i = 0; i < columns; i++)
        (*scale)[i] = s;
    return PARE_OK;
}

/* Of an expert that stays the channels that go, and what it would write to those of the hidden state that go; experts
 * that go are off as a whole. */
static pare_status mask_expert(const pare_axes *axes, const pare_expert_place *place, size_t id, int64_t rows,
                               int64_t columns, pare_mask *mask) {
    bool down = place->part == PARE_EXPERT_DOWN && !axes->dropped;
    bool writes = place->what == PARE_EXPERT_OWN && down, biases = place->what == PARE_EXPERT_BIAS && down;
    if (writes) PARE_TRY(scale_of(&axes->rows, (uint64_t)rows, 1.0f, &mask->row_scale[id]));
    if (!writes && !biases) return PARE_OK;
    return scale_of(&axes->columns, (uint64_t)columns, 1.0f, &mask->column_scale[id]);
}

static pare_status mask_tensor(const pare_model *model, const pare_selection *selection, size_t id, pare_mask *mask) {
    const pare_axes axes = pare_axes_of(model, selection, id);
    pare_role role, head;
    pare_expert_place place;
    int64_t rows, columns;
    if (pare_tensor_is_absent(model->tensors[id])) return PARE_OK;
    pare_tensor_matrix(model->tensors[id], &rows, &columns);
    float **column_scale = &mask->column_scale[id];
    if (pare_tensor_id_split_expert(model, id, &place)) return mask_expert(&axes, &place, id, rows, columns, mask);
    bool writes = writes_hidden(model, id, &role);
    if (writes && axes.dropped) return pare_alloc(column_scale, (size_t)columns, sizeof **column_scale, "mask");
    if (writes) PARE_TRY(scale_of(&axes.rows, (uint64_t)rows, 1.0f, &mask->row_scale[id]));
    if (normed_together(model, id, &head)) return mask_heads(&axes, rows, columns, head, id, mask);
    bool begins = begins_hidden(model, id);
    if (begins) PARE_TRY(scale_of(&axes.rows, (uint64_t)rows, 1.0f, &mask->row_scale[id]));
    bool masked = writes || begins || biases_hidden(model, id);
    return masked ? scale_of(&axes.columns, (uint64_t)columns, 1.0f, column_scale) : PARE_OK;
}

static pare_status replace_tensor(const pare_model *model, const pare_selection *selection, const void *matrix,
                                  size_t id, pare_mask *mask) {
    const pare_axes axes = pare_axes_of(model, selection, id);
    uint32_t **lists = mask->lists + 2 * id;
    int64_t rows, columns;
    if (axes.dropped) return PARE_OK;
    pare_tensor_matrix(model->tensors[id], &rows, &columns);
    PARE_TRY(pare_axis_list(&axes.rows, &lists[0]));
    PARE_TRY(pare_axis_list(&axes.columns, &lists[1]));
    mask->replacement[id] =
        (pare_replacement){.matrix = matrix,
                           .rows = lists[0],
                           .columns = lists[1],
                           .row_count = (int64_t)pare_axis_length(&axes.rows, (uint64_t)rows),
                           .column_count = (int64_t)pare_axis_length(&axes.columns, (uint64_t)columns)};
    return PARE_OK;
}

static pare_status replace_tensors(const pare_model *model, const pare_selection *selection,
                                   const pare_repaired *repaired, pare_mask *mask) {
    PARE_TRY(pare_alloc(&mask->replacement, mask->tensors, sizeof *mask->replacement, "mask"));
    PARE_TRY(pare_alloc(&mask->lists, 2 * mask->tensors, sizeof *mask->lists, "mask"));
    for (size_t id = 0; id < mask->tensors && id < repaired->count; id++)
        if (repaired->matrix[id]) PARE_TRY(replace_tensor(model, selection, repaired->matrix[id], id, mask));
    return PARE_OK;
}

static pare_status mask_experts(const pare_model *model, const pare_selection *selection, pare_mask *mask) {
    if (!pare_has_experts(&model->config)) return PARE_OK;
    PARE_TRY(pare_alloc(&mask->experts_off, selection->layers, sizeof *mask->experts_off, "mask"));
    mask->layers = selection->layers;
    for (uint32_t layer = 0; layer < selection->layers; layer++) {
        const pare_kept *kept = &selection->layer[layer];
        uint32_t all = model->config.widths[layer].experts;
        if (kept->dropped || kept->experts == all) continue;
        PARE_TRY(pare_alloc(&mask->experts_off[layer], all, sizeof **mask->experts_off, "mask"));
        for (uint32_t expert = 0; expert < all; expert++)
            mask->experts_off[layer][expert] = pare_kept_expert_place(kept, expert) == kept->experts;
    }
    return PARE_OK;
}

static pare_status fill(const pare_model *model, const pare_selection *selection, const pare_repaired *repaired,
                        pare_mask *mask) {
    PARE_TRY(pare_alloc(&mask->column_scale, mask->tensors, sizeof *mask->column_scale, "mask"));
    PARE_TRY(pare_alloc(&mask->row_scale, mask->tensors, sizeof *mask->row_scale, "mask"));
    PARE_TRY(pare_alloc(&mask->skip_layer, selection->layers, sizeof *mask->skip_layer, "mask"));
    for (uint32_t layer = 0; layer < selection->layers; layer++)
        mask->skip_layer[layer] = selection->layer[layer].dropped;
    const pare_axis hidden = {.units = selection->hidden_channel, .count = selection->hidden, .width = 1};
    PARE_TRY(scale_of(&hidden, model->config.hidden, 1.0f, &mask->hidden_kept));
    PARE_TRY(mask_experts(model, selection, mask));
    for (size_t id = 0; id < mask->tensors; id++)
        PARE_TRY(mask_tensor(model, selection, id, mask));
    return repaired ? replace_tensors(model, selection, repaired, mask) : PARE_OK;
}

pare_status pare_mask_new(const pare_model *model, const pare_selection *selection, const pare_repaired *repaired,
                          pare_mask *out) {
    *out = (pare_mask){.tensors = model->tensor_count, .hidden_count = selection->hidden};
    pare_status status = fill(model, selection, repaired, out);
    if (status != PARE_OK) pare_mask_free(out);
    return status;
}

void pare_mask_free(pare_mask *mask) {
    for (size_t id = 0; id < mask->tensors; id++) {
        if (mask->column_scale) pare_free(mask->column_scale[id]);
        if (mask->row_scale) pare_free(mask->row_scale[id]);
    }
    for (uint32_t layer = 0; layer < mask->layers; layer++)
        pare_free(mask->experts_off[layer]);
    for (size_t i = 0; mask->lists && i < 2 * mask->tensors; i++)
        pare_free(mask->lists[i]);
    void *arrays[] = {mask->hidden_kept, mask->column_scale, mask->row_scale,  mask->replacement,
                      mask->lists,       mask->skip_layer,   mask->experts_off};
    for (size_t i = 0; i < sizeof arrays / sizeof *arrays; i++)
        pare_free(arrays[i]);
    *mask = (pare_mask){0};
}

void pare_mask_apply(const pare_mask *mask, pare_source *source) {
    source->column_scale = mask->column_scale;
    source->row_scale = mask->row_scale;
    source->replacement = mask->replacement;
    source->hidden_kept = mask->hidden_kept;
    source->hidden_count = mask->hidden_count;
    source->skip_layer = mask->skip_layer;
    source->experts_off = (const bool *const *)mask->experts_off;
}
