#include "select/selection.h"
#include "model/expert_tensors.h"
#include "model/latent_tensors.h"
#include "select/size.h"
#include "support/memory.h"

#include <string.h>

static pare_status set_list(const uint32_t *from, uint32_t count, uint32_t **list, uint32_t *length) {
    uint32_t *copy;
    PARE_TRY(pare_alloc(&copy, count ? count : 1, sizeof *copy, "kept units"));
    for (uint32_t i = 0; i < count; i++)
        copy[i] = from ? from[i] : i;
    pare_free(*list);
    *list = copy;
    *length = count;
    return PARE_OK;
}

pare_status pare_kept_set_groups(const pare_model *model, uint32_t layer, const uint32_t *kv_head, uint32_t count,
                                 pare_kept *kept) {
    uint32_t shared = pare_widths_shared(&model->config.widths[layer]);
    PARE_TRY(set_list(kv_head, count, &kept->kv_head, &kept->kv_heads));
    PARE_TRY(set_list(NULL, count * shared, &kept->head, &kept->heads));
    for (uint32_t i = 0; i < kept->heads; i++)
        kept->head[i] = kept->kv_head[i / shared] * shared + i % shared;
    return PARE_OK;
}

pare_status pare_kept_set_heads(const uint32_t *head, uint32_t count, pare_kept *kept) {
    return set_list(head, count, &kept->head, &kept->heads);
}

pare_status pare_kept_set_channels(const uint32_t *channel, uint32_t count, pare_kept *kept) {
    return set_list(channel, count, &kept->ffn_channel, &kept->ffn);
}

pare_status pare_kept_set_experts(const uint32_t *expert, uint32_t count, pare_kept *kept) {
    return set_list(expert, count, &kept->expert, &kept->experts);
}

pare_status pare_kept_set_expert_channels(const uint32_t *channel, uint32_t each, pare_kept *kept) {
    uint32_t unused = 0;
    kept->expert_ffn = each;
    if (channel) return set_list(channel, kept->experts * each, &kept->expert_channel, &unused);
    pare_free(kept->expert_channel);
    kept->expert_channel = NULL;
    return PARE_OK;
}

uint32_t pare_kept_expert_place(const pare_kept *kept, uint32_t expert) {
    uint32_t place = 0;
    while (place < kept->experts && kept->expert[place] != expert)
        place++;
    return place;
}

static void free_kept(pare_kept *kept) {
    pare_free(kept->kv_head);
    pare_free(kept->head);
    pare_free(kept->ffn_channel);
    pare_free(kept->expert);
    pare_free(kept->expert_channel);
    *kept = (pare_kept){0};
}

void pare_kept_drop(pare_kept *kept) {
    free_kept(kept);
    kept->dropped = true;
}

pare_status pare_selection_all(const pare_model *model, pare_selection *out) {
    *out = (pare_selection){.layers = model->config.layers, .hidden = model->config.hidden};
    pare_status status = pare_alloc(&out->layer, out->layers, sizeof *out->layer, "selection");
    for (uint32_t i = 0; i < out->layers && status == PARE_OK; i++) {
        const pare_widths *w = &model->config.widths[i];
        status = pare_kept_set_groups(model, i, NULL, w->kv_heads, &out->layer[i]);
        if (status == PARE_OK) status = pare_kept_set_channels(NULL, w->ffn, &out->layer[i]);
        if (status == PARE_OK) status = pare_kept_set_experts(NULL, w->experts, &out->layer[i]);
        if (status == PARE_OK) status = pare_kept_set_expert_channels(NULL, w->expert_ffn, &out->layer[i]);
    }
    if (status != PARE_OK) pare_selection_free(out);
    return status;
}

void pare_selection_free(pare_selection *selection) {
    for (uint32_t i = 0; selection->layer && i < selection->layers; i++)
        free_kept(&selection->layer[i]);
    pare_free(selection->layer);
    pare_free(selection->hidden_channel);
    *selection = (pare_selection){0};
}

bool pare_kept_all_heads(const pare_kept *kept, const pare_widths *before) {
    return kept->heads == before->heads && kept->kv_heads == before->kv_heads;
}

bool pare_kept_all_channels(const pare_kept *kept, const pare_widths *before) {
    return kept->ffn == before->ffn;
}

uint32_t pare_selection_layers(const pare_selection *selection) {
    uint32_t count = 0;
    for (uint32_t i = 0; i < selection->layers; i++)
        count += !selection->layer[i].dropped;
    return count;
}

void pare_selection_widths(const pare_selection *selection, pare_widths *widths) {
    for (uint32_t i = 0; i < selection->layers; i++) {
        const pare_kept *kept = &selection->layer[i];
        if (!kept->dropped) *widths++ = pare_kept_widths(kept);
    }
}

/* Of a router those rows, and of the experts those with their channels, that are kept. */
static uint64_t remaining_of_expert(const pare_model *model, const pare_selection *selection, size_t id,
                                    const pare_expert_place *place) {
    const pare_kept *kept = &selection->layer[place->layer];
    uint64_t count = model->tensors[id]->count;
    if (kept->dropped) return 0;
    if (place->what == PARE_EXPERT_ROUTER) return (uint64_t)kept->experts * selection->hidden;
    if (place->what == PARE_EXPERT_CORRECTION || place->what == PARE_EXPERT_ROUTER_BIAS)
        return count ? kept->experts : 0;
    if (place->what == PARE_EXPERT_SHARED_GATE) return count ? selection->hidden : 0;
    if (pare_kept_expert_place(kept, place->expert) == kept->experts) return 0;
    if (place->what == PARE_EXPERT_BIAS && !count) return 0;
    if (place->what == PARE_EXPERT_BIAS) return place->part == PARE_EXPERT_DOWN ? selection->hidden : kept->expert_ffn;
    return (uint64_t)kept->expert_ffn * selection->hidden;
}

/* Elements of tensor `id` that remain. */
static uint64_t remaining(const pare_model *model, const pare_selection *selection, size_t id) {
    uint32_t layer;
    pare_role role;
    pare_expert_place place;
    if (pare_tensor_id_split_expert(model, id, &place)) return remaining_of_expert(model, selection, id, &place);
    if (pare_tensor_id_split_latent(model, id, &layer))
        return selection->layer[layer].dropped ? 0 : (uint64_t)model->config.latent.queries * selection->hidden;
    if (!pare_tensor_id_split(model, id, &layer, &role)) return pare_end_parameters(model, id, selection->hidden);
    const pare_kept *kept = &selection->layer[layer];
    const pare_widths widths = pare_kept_widths(kept);
    return kept->dropped ? 0 : pare_role_parameters(&model->config, &widths, selection->hidden, role);
}

uint64_t pare_selection_parameters(const pare_model *model, const pare_selection *selection) {
    uint64_t total = 0;
    for (size_t id = 0; id < model->tensor_count; id++)
        total += remaining(model, selection, id);
    return total;
}

uint64_t pare_selection_bytes(const pare_model *model, const pare_selection *selection) {
    uint64_t total = 0;
    for (size_t id = 0; id < model->tensor_count; id++)
        total += remaining(model, selection, id) * pare_dtype_size(model->tensors[id]->dtype);
    return total;
}

/* list[i] = through[list[i]] */
static void translate(uint32_t *list, uint32_t count, const uint32_t *through) {
    for (uint32_t i = 0; i < count; i++)
        list[i] = through[list[i]];
}

/* Where `second` keeps all that `first` left of each expert, those; else, of each expert that it keeps, the channels
 * that it keeps of these. */
static pare_status compose_channels(const pare_kept *first, const pare_kept *second, pare_kept *out) {
    if (!first->expert_channel) return pare_kept_set_expert_channels(second->expert_channel, second->expert_ffn, out);
    uint32_t *list;
    PARE_TRY(pare_alloc(&list, (size_t)second->experts * second->expert_ffn, sizeof *list, "kept units"));
    for (uint32_t place = 0; place < second->experts; place++) {
        const uint32_t *through = pare_kept_expert_channels(first, second->expert[place]);
        const uint32_t *own = pare_kept_expert_channels(second, place);
        for (uint32_t i = 0; i < second->expert_ffn; i++)
            list[(size_t)place * second->expert_ffn + i] = through[own ? own[i] : i];
    }
    pare_status status = pare_kept_set_expert_channels(list, second->expert_ffn, out);
    pare_free(list);
    return status;
}

static pare_status compose_layer(const pare_kept *first, const pare_kept *second, pare_kept *out) {
    if (second->dropped) {
        pare_kept_drop(out);
        return PARE_OK;
    }
    PARE_TRY(set_list(second->kv_head, second->kv_heads, &out->kv_head, &out->kv_heads));
    PARE_TRY(set_list(second->head, second->heads, &out->head, &out->heads));
    PARE_TRY(set_list(second->ffn_channel, second->ffn, &out->ffn_channel, &out->ffn));
    PARE_TRY(set_list(second->expert, second->experts, &out->expert, &out->experts));
    PARE_TRY(compose_channels(first, second, out));
    translate(out->kv_head, out->kv_heads, first->kv_head);
    translate(out->head, out->heads, first->head);
    translate(out->ffn_channel, out->ffn, first->ffn_channel);
    translate(out->expert, out->experts, first->expert);
    return PARE_OK;
}

static pare_status compose_hidden(const pare_selection *first, const pare_selection *second, pare_selection *out) {
    const pare_selection *only = !second->hidden_channel ? first : second;
    out->hidden = second->hidden;
    if (!only->hidden_channel) return PARE_OK;
    PARE_TRY(set_list(only->hidden_channel, only->hidden, &out->hidden_channel, &out->hidden));
    if (only == second && first->hidden_channel) translate(out->hidden_channel, out->hidden, first->hidden_channel);
    return PARE_OK;
}

pare_status pare_selection_compose(const pare_selection *first, const pare_selection *second, pare_selection *out) {
    *out = (pare_selection){.layers = first->layers};
    pare_status status = pare_alloc(&out->layer, out->layers, sizeof *out->layer, "selection");
    for (uint32_t i = 0, left = 0; i < out->layers && status == PARE_OK; i++) {
        if (first->layer[i].dropped)
            pare_kept_drop(&out->layer[i]);
        else
            status = compose_layer(&first->layer[i], &second->layer[left++], &out->layer[i]);
    }
    if (status == PARE_OK) status = compose_hidden(first, second, out);
    if (status != PARE_OK) pare_selection_free(out);
    return status;
}
