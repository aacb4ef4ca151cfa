#include "select/ladder.h"
#include "support/memory.h"
#include "support/order.h"

#include <math.h>
#include <stdlib.h>

/* The units of one part of one layer. */
typedef struct group {
    const double *scores;
    uint32_t units, least; /* that there are, and that stay */
    uint32_t *taken;
} group;

typedef struct groups {
    group *list;
    size_t count;
    uint32_t *heads, *ffn; /* [layers] units taken */
} groups;

static void free_groups(groups *g) {
    pare_free(g->list);
    pare_free(g->heads);
    pare_free(g->ffn);
}

static pare_status list_groups(const pare_model *model, const pare_unit_scores *scores, const pare_target *target,
                               groups *out) {
    uint32_t layers = model->config.layers;
    *out = (groups){0};
    pare_status status = pare_alloc(&out->list, 2 * (size_t)layers, sizeof *out->list, "ranking");
    if (status == PARE_OK) status = pare_alloc(&out->heads, layers, sizeof *out->heads, "ranking");
    if (status == PARE_OK) status = pare_alloc(&out->ffn, layers, sizeof *out->ffn, "ranking");
    for (uint32_t i = 0; i < layers && status == PARE_OK; i++) {
        const pare_widths *w = &model->config.widths[i];
        if (pare_layer_in(target->attention, i))
            out->list[out->count++] =
                (group){scores->heads[i], w->kv_heads, pare_target_least_heads(model, target, i), &out->heads[i]};
        if (pare_layer_in(target->ffn, i))
            out->list[out->count++] =
                (group){scores->ffn[i], w->ffn, pare_target_least_channels(model, target, i), &out->ffn[i]};
    }
    if (status != PARE_OK) free_groups(out);
    return status;
}

/* The remove-th smallest of all scores. */
static pare_status find_threshold(const groups *g, uint64_t units, uint64_t remove, double *threshold) {
    double *all;
    size_t count = 0;
    *threshold = -INFINITY;
    if (!remove) return PARE_OK;
    PARE_TRY(pare_alloc(&all, units, sizeof *all, "ranking"));
    for (size_t i = 0; i < g->count; i++)
        for (uint32_t j = 0; j < g->list[i].units; j++)
            all[count++] = g->list[i].scores[j];
    qsort(all, count, sizeof *all, pare_ascending_double);
    *threshold = all[remove - 1];
    pare_free(all);
    return PARE_OK;
}

/* What a group loses: everything up to the threshold and down to what stays in any case, unless that is all of it. */
static void take(const group *g, double threshold) {
    uint32_t count = 0, most = g->units > g->least ? g->units - g->least : 0;
    for (uint32_t i = 0; i < g->units; i++)
        count += g->scores[i] <= threshold;
    *g->taken = count == g->units && g->least == 1 ? 0 : count < most ? count : most;
}

pare_status pare_allocate_global_raw(const pare_model *model, const pare_unit_scores *scores, const pare_target *target,
                                     const pare_goal *goal, pare_widths *widths) {
    groups g;
    uint64_t units = 0;
    double threshold;
    PARE_TRY(list_groups(model, scores, target, &g));
    for (size_t i = 0; i < g.count; i++)
        units += g.list[i].units;
    uint64_t stay = (uint64_t)trunc((double)goal->units * (1.0 - goal->ratio));
    pare_status status = find_threshold(&g, units, units > stay ? units - stay : 0, &threshold);
    for (size_t i = 0; i < g.count && status == PARE_OK; i++)
        take(&g.list[i], threshold);
    if (status == PARE_OK) pare_ladders_widths(model, target, g.heads, g.ffn, widths);
    free_groups(&g);
    return status;
}
