#include "select/select.h"
#include "support/memory.h"

#include <stdlib.h>

typedef struct ranked {
    double score;
    uint32_t index;
} ranked;

static int by_score(const void *a, const void *b) {
    const ranked *x = a, *y = b;
    if (x->score < y->score) return -1;
    if (x->score > y->score) return 1;
    return x->index < y->index ? -1 : x->index > y->index;
}

static int by_index(const void *a, const void *b) {
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return x < y ? -1 : x > y;
}

/* The indices of all but the lowest count - keep scores, ascending. */
static pare_status keep_highest(const double *scores, uint32_t count, uint32_t keep, uint32_t **kept) {
    ranked *order;
    PARE_TRY(pare_alloc(kept, keep, sizeof **kept, "kept units"));
    PARE_TRY(pare_alloc(&order, count, sizeof *order, "ranking"));
    for (uint32_t i = 0; i < count; i++)
        order[i] = (ranked){.score = scores[i], .index = i};
    qsort(order, count, sizeof *order, by_score);
    for (uint32_t i = 0; i < keep; i++)
        (*kept)[i] = order[count - keep + i].index;
    qsort(*kept, keep, sizeof **kept, by_index);
    pare_free(order);
    return PARE_OK;
}

pare_status pare_select_local(const pare_model *model, const pare_unit_scores *scores, const pare_widths *widths,
                              pare_selection *out) {
    *out = (pare_selection){.layers = model->config.layers};
    pare_status status = pare_alloc(&out->layer, out->layers, sizeof *out->layer, "selection");
    for (uint32_t i = 0; i < out->layers && status == PARE_OK; i++) {
        const pare_widths *before = &model->config.widths[i];
        pare_kept *kept = &out->layer[i];
        *kept = (pare_kept){.kv_heads = widths[i].kv_heads, .ffn = widths[i].ffn};
        status = keep_highest(scores->heads[i], before->kv_heads, kept->kv_heads, &kept->kv_head);
        if (status == PARE_OK) status = keep_highest(scores->ffn[i], before->ffn, kept->ffn, &kept->ffn_channel);
    }
    if (status != PARE_OK) pare_selection_free(out);
    return status;
}

void pare_selection_free(pare_selection *selection) {
    for (uint32_t i = 0; selection->layer && i < selection->layers; i++) {
        pare_free(selection->layer[i].kv_head);
        pare_free(selection->layer[i].ffn_channel);
    }
    pare_free(selection->layer);
    *selection = (pare_selection){0};
}
