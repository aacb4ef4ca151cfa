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

static pare_status select_layer(const pare_model *model, const pare_unit_scores *scores, uint32_t layer,
                                const pare_widths *after, pare_kept *kept) {
    const pare_widths *before = &model->config.widths[layer];
    uint32_t *units = NULL;
    PARE_TRY(keep_highest(scores->heads[layer], before->kv_heads, after->kv_heads, &units));
    pare_status status = pare_kept_set_groups(model, layer, units, after->kv_heads, kept);
    pare_free(units);
    if (status == PARE_OK) status = keep_highest(scores->ffn[layer], before->ffn, after->ffn, &units);
    if (status != PARE_OK) return status;
    status = pare_kept_set_channels(units, after->ffn, kept);
    pare_free(units);
    return status;
}

pare_status pare_select_local(const pare_model *model, const pare_unit_scores *scores, const pare_widths *widths,
                              pare_selection *out) {
    PARE_TRY(pare_selection_all(model, out));
    pare_status status = PARE_OK;
    for (uint32_t i = 0; i < out->layers && status == PARE_OK; i++)
        status = select_layer(model, scores, i, &widths[i], &out->layer[i]);
    if (status != PARE_OK) pare_selection_free(out);
    return status;
}
