#include "surgery/axes.h"
#include "support/memory.h"

#include <string.h>

static pare_axis axis_of(const uint32_t *units, uint32_t count, uint32_t all, uint32_t width) {
    return (pare_axis){.units = count == all ? NULL : units, .count = count, .width = width};
}

static pare_axes axes_in_layer(const pare_model *model, const pare_kept *kept, uint32_t layer, pare_role role,
                               const pare_axis *hidden) {
    const pare_widths *w = &model->config.widths[layer];
    uint32_t head = model->config.head_size;
    pare_axis inner = axis_of(kept->ffn_channel, kept->ffn, w->ffn, 1);
    if (role == PARE_ROLE_Q || role == PARE_ROLE_O) inner = axis_of(kept->head, kept->heads, w->heads, head);
    if (role == PARE_ROLE_K || role == PARE_ROLE_V) inner = axis_of(kept->kv_head, kept->kv_heads, w->kv_heads, head);
    if (role >= PARE_MATRIX_ROLES) inner = (pare_axis){.width = 1};
    if (role == PARE_ROLE_O || role == PARE_ROLE_DOWN) return (pare_axes){.rows = *hidden, .columns = inner};
    return (pare_axes){.rows = inner, .columns = *hidden};
}

pare_axes pare_axes_of(const pare_model *model, const pare_selection *selection, size_t id) {
    pare_axis all = {.width = 1}, hidden = all;
    uint32_t layer;
    pare_role role;
    if (selection->hidden_channel)
        hidden = axis_of(selection->hidden_channel, selection->hidden, model->config.hidden, 1);
    if (id >= model->tensor_count) return (pare_axes){.rows = all, .columns = all};
    if (!pare_tensor_id_split(model, id, &layer, &role)) return (pare_axes){.rows = all, .columns = hidden};
    if (selection->layer[layer].dropped) return (pare_axes){.dropped = true, .rows = all, .columns = all};
    return axes_in_layer(model, &selection->layer[layer], layer, role, &hidden);
}

size_t pare_tensor_id_of(const pare_model *model, const pare_tensor *tensor) {
    if (model->config.tied && strcmp(tensor->name, "lm_head.weight") == 0) return pare_tensor_id_embedding();
    size_t id = 0;
    while (id < model->tensor_count && model->tensors[id] != tensor)
        id++;
    return id;
}

uint64_t pare_axis_length(const pare_axis *axis, uint64_t all) {
    return axis->units ? axis->count * axis->width : all;
}

pare_status pare_axis_list(const pare_axis *axis, uint32_t **list) {
    *list = NULL;
    if (!axis->units) return PARE_OK;
    PARE_TRY(pare_alloc(list, axis->count * axis->width, sizeof **list, "kept rows and columns"));
    for (uint64_t i = 0; i < axis->count * axis->width; i++)
        (*list)[i] = (uint32_t)(axis->units[i / axis->width] * axis->width + i % axis->width);
    return PARE_OK;
}
