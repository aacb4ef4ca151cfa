#include "surgery/axes.h"
#include "model/expert_tensors.h"
#include "model/latent_tensors.h"
#include "model/names.h"
#include "support/memory.h"

#include <string.h>

static pare_axis axis_of(const uint32_t *units, uint32_t count, uint32_t all, uint32_t width) {
    return (pare_axis){.units = count == all ? NULL : units, .count = count, .width = width};
}

typedef struct keeping {
    const pare_kept *kept;
    const pare_widths *widths;
    uint32_t head;
    pare_axis hidden;
} keeping;

static pare_axis axis_over(const keeping *k, pare_span span) {
    switch (span) {
    case PARE_SPAN_HIDDEN:
        return k->hidden;
    case PARE_SPAN_HEADS:
        return axis_of(k->kept->head, k->kept->heads, k->widths->heads, k->head);
    case PARE_SPAN_KV_HEADS:
        return axis_of(k->kept->kv_head, k->kept->kv_heads, k->widths->kv_heads, k->head);
    case PARE_SPAN_HEAD_COUNT:
        return axis_of(k->kept->head, k->kept->heads, k->widths->heads, 1);
    case PARE_SPAN_FFN:
        return axis_of(k->kept->ffn_channel, k->kept->ffn, k->widths->ffn, 1);
    case PARE_SPAN_ONE:
    case PARE_SPAN_HEAD:
    case PARE_SPAN_QUERY_LATENT:
    case PARE_SPAN_KEY_LATENT:
        break;
    }
    return (pare_axis){.width = 1};
}

pare_axes pare_axes_outside(const pare_model *model, size_t id, pare_axis hidden) {
    pare_axis all = {.width = 1};
    bool projected = pare_has_end(&model->config.architecture, PARE_END_PROJECT_IN);
    bool ends = id == pare_tensor_id_embedding() || id == pare_tensor_id_head(model);
    if (id == pare_tensor_id_end(model, PARE_END_PROJECT_IN)) return (pare_axes){.rows = hidden, .columns = all};
    if ((ends && projected) || id == pare_tensor_id_end(model, PARE_END_HEAD_BIAS))
        return (pare_axes){.rows = all, .columns = all};
    return (pare_axes){.rows = all, .columns = hidden};
}

/* Those of its axes that run over channels of the hidden state. */
static void keep_hidden(const pare_expert_place *place, pare_axis hidden, pare_axes *axes) {
    bool own = place->what == PARE_EXPERT_OWN, down = place->part == PARE_EXPERT_DOWN;
    bool reads = place->what == PARE_EXPERT_ROUTER || place->what == PARE_EXPERT_SHARED_GATE || (own && !down);
    if (reads || (place->what == PARE_EXPERT_BIAS && down)) axes->columns = hidden;
    if (own && down) axes->rows = hidden;
}

static pare_axes axes_of_expert(const pare_model *model, const pare_selection *selection,
                                const pare_expert_place *place, pare_axis hidden) {
    const pare_kept *kept = &selection->layer[place->layer];
    pare_axis all = {.width = 1};
    pare_axes axes = {.dropped = kept->dropped, .rows = all, .columns = all};
    if (kept->dropped) return axes;
    keep_hidden(place, hidden, &axes);
    if (place->what == PARE_EXPERT_ROUTER)
        axes.rows = axis_of(kept->expert, kept->experts, model->config.widths[place->layer].experts, 1);
    if (place->what == PARE_EXPERT_CORRECTION || place->what == PARE_EXPERT_ROUTER_BIAS)
        axes.columns = axis_of(kept->expert, kept->experts, model->config.widths[place->layer].experts, 1);
    if (place->what != PARE_EXPERT_OWN && place->what != PARE_EXPERT_BIAS) return axes;
    uint32_t number = pare_kept_expert_place(kept, place->expert);
    axes.dropped = number == kept->experts;
    if (axes.dropped || !kept->expert_channel) return axes;
    const pare_axis channels = axis_of(pare_kept_expert_channels(kept, number), kept->expert_ffn,
                                       model->config.widths[place->layer].expert_ffn, 1);
    bool down = place->part == PARE_EXPERT_DOWN;
    if (place->what == PARE_EXPERT_OWN) *(down ? &axes.columns : &axes.rows) = channels;
    if (place->what == PARE_EXPERT_BIAS && !down) axes.columns = channels;
    return axes;
}

pare_axes pare_axes_of(const pare_model *model, const pare_selection *selection, size_t id) {
    const pare_config *config = &model->config;
    pare_axis all = {.width = 1}, hidden = all;
    uint32_t layer;
    pare_role role;
    pare_expert_place place;
    if (selection->hidden_channel) hidden = axis_of(selection->hidden_channel, selection->hidden, config->hidden, 1);
    if (id >= model->tensor_count) return (pare_axes){.rows = all, .columns = all};
    if (pare_tensor_id_split_expert(model, id, &place)) return axes_of_expert(model, selection, &place, hidden);
    if (pare_tensor_id_split_latent(model, id, &layer))
        return (pare_axes){.dropped = selection->layer[layer].dropped, .rows = all, .columns = hidden};
    if (!pare_tensor_id_split(model, id, &layer, &role)) return pare_axes_outside(model, id, hidden);
    if (selection->layer[layer].dropped) return (pare_axes){.dropped = true, .rows = all, .columns = all};
    const keeping k = {.kept = &selection->layer[layer],
                       .widths = &config->widths[layer],
                       .head = config->head_size,
                       .hidden = hidden};
    return (pare_axes){.rows = axis_over(&k, pare_roles[role].rows),
                       .columns = axis_over(&k, pare_config_columns(config, role))};
}

size_t pare_tensor_id_of(const pare_model *model, const pare_tensor *tensor) {
    char head[PARE_NAME_BYTES];
    pare_end_tensor_name(&model->config, PARE_END_HEAD, head);
    if (model->config.tied && strcmp(tensor->name, head) == 0) return pare_tensor_id_embedding();
    size_t id = 0;
    while (id < model->tensor_count && model->tensors[id]->name != tensor->name)
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
