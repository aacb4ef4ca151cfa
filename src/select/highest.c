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

pare_status pare_keep_highest(const double *scores, uint32_t count, uint32_t keep, uint32_t **kept) {
    ranked *order;
    *kept = NULL;
    PARE_TRY(pare_alloc(&order, count, sizeof *order, "ranking"));
    pare_status status = pare_alloc(kept, keep ? keep : 1, sizeof **kept, "kept units");
    for (uint32_t i = 0; i < count && status == PARE_OK; i++)
        order[i] = (ranked){.score = scores[i], .index = i};
    if (status == PARE_OK) {
        qsort(order, count, sizeof *order, by_score);
        for (uint32_t i = 0; i < keep; i++)
            (*kept)[i] = order[count - keep + i].index;
        qsort(*kept, keep, sizeof **kept, by_index);
    }
    pare_free(order);
    return status;
}

static pare_status select_groups(const pare_model *model, const double *scores, uint32_t layer, uint32_t keep,
                                 pare_kept *kept) {
    uint32_t *units;
    PARE_TRY(pare_keep_highest(scores, model->config.widths[layer].kv_heads, keep, &units));
    pare_status status = pare_kept_set_groups(model, layer, units, keep, kept);
    pare_free(units);
    return status;
}

/* The same number of query heads from every group. */
static pare_status select_queries(const pare_model *model, const double *scores, uint32_t layer, uint32_t keep,
                                  pare_kept *kept) {
    const pare_widths *w = &model->config.widths[layer];
    uint32_t shared = pare_widths_shared(w), each = keep / w->kv_heads, *all, *units;
    PARE_TRY(pare_alloc(&all, keep ? keep : 1, sizeof *all, "kept heads"));
    pare_status status = PARE_OK;
    for (uint32_t group = 0; group < w->kv_heads && status == PARE_OK; group++) {
        status = pare_keep_highest(scores + group * shared, shared, each, &units);
        for (uint32_t i = 0; i < each && status == PARE_OK; i++)
            all[group * each + i] = group * shared + units[i];
        pare_free(units);
    }
    if (status == PARE_OK) status = pare_kept_set_heads(all, keep, kept);
    pare_free(all);
    return status;
}

static pare_status select_channels(const double *scores, uint32_t count, uint32_t keep, pare_kept *kept) {
    uint32_t *units;
    PARE_TRY(pare_keep_highest(scores, count, keep, &units));
    pare_status status = pare_kept_set_channels(units, keep, kept);
    pare_free(units);
    return status;
}

/* Of each expert its own. */
static pare_status select_expert_channels(const double *scores, const pare_widths *before, uint32_t keep,
                                          pare_kept *kept) {
    uint32_t *list, *units = NULL;
    if (keep == before->expert_ffn) return PARE_OK;
    PARE_TRY(pare_alloc(&list, (size_t)before->experts * keep, sizeof *list, "kept units"));
    pare_status status = PARE_OK;
    for (uint32_t expert = 0; expert < before->experts && status == PARE_OK; expert++) {
        status = pare_keep_highest(scores + (size_t)expert * before->expert_ffn, before->expert_ffn, keep, &units);
        if (status == PARE_OK) memcpy(list + (size_t)expert * keep, units, keep * sizeof *list);
        pare_free(units);
    }
    if (status == PARE_OK) status = pare_kept_set_expert_channels(list, keep, kept);
    pare_free(list);
    return status;
}

pare_status pare_select_at_widths(const pare_model *model, const pare_unit_scores *scores, const pare_widths *widths,
                                  bool query_heads, pare_selection *out) {
    PARE_TRY(pare_selection_all(model, out));
    pare_status status = PARE_OK;
    for (uint32_t i = 0; i < out->layers && status == PARE_OK; i++) {
        pare_kept *kept = &out->layer[i];
        status = query_heads ? select_queries(model, scores->query[i], i, widths[i].heads, kept)
                             : select_groups(model, scores->heads[i], i, widths[i].kv_heads, kept);
        if (status == PARE_OK)
            status = select_channels(scores->ffn[i], model->config.widths[i].ffn, widths[i].ffn, kept);
        if (status == PARE_OK)
            status =
                select_expert_channels(scores->expert_ffn[i], &model->config.widths[i], widths[i].expert_ffn, kept);
    }
    if (status != PARE_OK) pare_selection_free(out);
    return status;
}
