/* What is kept of a model: the common currency of selection, repair and surgery. */
#ifndef PARE_SELECT_SELECTION_H
#define PARE_SELECT_SELECTION_H

#include "model/model.h"

/* Kept units of a layer, each list ascending. heads / kv_heads is the same in every kept KV group. A layer that is
 * dropped as a whole has zeros and no lists. */
typedef struct pare_kept {
    bool dropped;
    uint32_t kv_heads, heads, ffn, experts, expert_ffn;
    uint32_t *kv_head;        /* [kv_heads] */
    uint32_t *head;           /* [heads] query heads; those of one KV group lie together */
    uint32_t *ffn_channel;    /* [ffn] */
    uint32_t *expert;         /* [experts] */
    uint32_t *expert_channel; /* [experts, expert_ffn] of each expert that is kept; NULL: all */
} pare_kept;

typedef struct pare_selection {
    uint32_t layers;
    pare_kept *layer;         /* [layers] of the model as it was */
    uint32_t hidden;          /* kept hidden channels */
    uint32_t *hidden_channel; /* [hidden] ascending; NULL: all */
} pare_selection;

/* Everything is kept. Free with pare_selection_free. */
pare_status pare_selection_all(const pare_model *model, pare_selection *out);
void pare_selection_free(pare_selection *selection);

/* Replaces the lists of `kept` by copies; NULL stands for 0 .. count - 1. Query heads: every kept KV group keeps all
 * its heads unless `head` is given. */
pare_status pare_kept_set_groups(const pare_model *model, uint32_t layer, const uint32_t *kv_head, uint32_t count,
                                 pare_kept *kept);
pare_status pare_kept_set_heads(const uint32_t *head, uint32_t count, pare_kept *kept);
pare_status pare_kept_set_channels(const uint32_t *channel, uint32_t count, pare_kept *kept);
pare_status pare_kept_set_experts(const uint32_t *expert, uint32_t count, pare_kept *kept);
/* channel: [kept->experts, each], or NULL for all. */
pare_status pare_kept_set_expert_channels(const uint32_t *channel, uint32_t each, pare_kept *kept);
void pare_kept_drop(pare_kept *kept);

/* The channels that an expert keeps, by its number among those that are left; NULL: all. */
static inline const uint32_t *pare_kept_expert_channels(const pare_kept *kept, uint32_t number) {
    return kept->expert_channel ? kept->expert_channel + (size_t)number * kept->expert_ffn : NULL;
}

static inline pare_widths pare_kept_widths(const pare_kept *kept) {
    return (pare_widths){.heads = kept->heads,
                         .kv_heads = kept->kv_heads,
                         .ffn = kept->ffn,
                         .experts = kept->experts,
                         .expert_ffn = kept->expert_ffn};
}

/* The number that an expert gets among those that are left; `experts` if it goes. */
uint32_t pare_kept_expert_place(const pare_kept *kept, uint32_t expert);

/* True if attention (FFN) of the layer keeps everything. */
bool pare_kept_all_heads(const pare_kept *kept, const pare_widths *before);
bool pare_kept_all_channels(const pare_kept *kept, const pare_widths *before);

/* Layers that are not dropped. */
uint32_t pare_selection_layers(const pare_selection *selection);
/* widths: [pare_selection_layers()] of the layers that remain. */
void pare_selection_widths(const pare_selection *selection, pare_widths *widths);
/* Parameters, and bytes at the tensors' own dtypes, of what remains of the model's own tensors. */
uint64_t pare_selection_parameters(const pare_model *model, const pare_selection *selection);
uint64_t pare_selection_bytes(const pare_model *model, const pare_selection *selection);

/* `second` selects from what `first` left: *out selects the same from the original. */
pare_status pare_selection_compose(const pare_selection *first, const pare_selection *second, pare_selection *out);

#endif
