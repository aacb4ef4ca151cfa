/* Ranks of units, and of each projection's channels, before and after a change. */
#include "importance/rank.h"
#include "robust/robust.h"
#include "support/memory.h"

#include <stdlib.h>

static int by_score(const void *a, const void *b, void *scores) {
    uint32_t i = *(const uint32_t *)a, j = *(const uint32_t *)b;
    double x = ((const double *)scores)[i], y = ((const double *)scores)[j];
    return x < y ? -1 : x > y ? 1 : i < j ? -1 : i > j;
}

static pare_status rank(const double *scores, uint32_t count, uint32_t **ranks) {
    uint32_t *order;
    PARE_TRY(pare_alloc(&order, count, sizeof *order, "ranks"));
    pare_status status = pare_alloc(ranks, count, sizeof **ranks, "ranks");
    if (status == PARE_OK) {
        for (uint32_t i = 0; i < count; i++)
            order[i] = i;
        qsort_r(order, count, sizeof *order, by_score, (void *)(uintptr_t)scores);
        for (uint32_t i = 0; i < count; i++)
            (*ranks)[order[i]] = i;
    }
    pare_free(order);
    return status;
}

static pare_status set_list(pare_rank_list *list, const double *before, const double *after, uint32_t count) {
    list->count = count;
    PARE_TRY(rank(before, count, &list->before));
    return rank(after, count, &list->after);
}

/* The next list of `out`. */
static pare_status add_list(pare_robust_ranks *out, const double *before, const double *after, uint32_t count) {
    return set_list(&out->lists[out->count++], before, after, count);
}

static pare_status add_projections(const pare_projection_scores *a, const pare_projection_scores *b,
                                   pare_robust_ranks *out) {
    size_t all = (size_t)a->layers * PARE_MATRIX_ROLES;
    PARE_TRY(pare_alloc(&out->projections, all, sizeof *out->projections, "ranks"));
    for (size_t i = 0; i < all; i++) {
        if (!a->channels[i] || !b->channels[i]) continue;
        pare_projection_ranks *next = &out->projections[out->projection_count++];
        next->layer = (uint32_t)(i / PARE_MATRIX_ROLES);
        next->name = pare_roles[i % PARE_MATRIX_ROLES].name;
        PARE_TRY(set_list(&next->list, a->channels[i], b->channels[i], a->count[i]));
        PARE_TRY(pare_rank_correlation(a->channels[i], b->channels[i], a->count[i], &next->correlation));
    }
    return PARE_OK;
}

pare_status pare_robust_rank(const pare_model *model, const pare_robust_outcome *a, const pare_robust_outcome *b,
                             pare_robust_ranks *out) {
    const pare_unit_scores *x = &a->scores, *y = &b->scores;
    const pare_config *c = &model->config;
    if (!a->scored) return PARE_OK;
    if (a->projections.layers && b->projections.layers)
        PARE_TRY(add_projections(&a->projections, &b->projections, out));
    PARE_TRY(pare_alloc(&out->lists, 2 * (size_t)c->layers, sizeof *out->lists, "ranks"));
    out->groups = a->recipe.mode == PARE_MODE_CHANNEL  ? PARE_RANKS_HIDDEN
                  : a->recipe.mode == PARE_MODE_LAYER  ? PARE_RANKS_LAYERS
                  : a->recipe.mode == PARE_MODE_EXPERT ? PARE_RANKS_EXPERTS
                                                       : PARE_RANKS_BLOCKS;
    if (out->groups == PARE_RANKS_HIDDEN) return add_list(out, x->hidden, y->hidden, c->hidden);
    if (out->groups == PARE_RANKS_LAYERS) return add_list(out, x->layer, y->layer, c->layers);
    for (uint32_t i = 0; i < c->layers; i++) {
        const pare_widths *w = &c->widths[i];
        if (out->groups == PARE_RANKS_EXPERTS) {
            if (w->experts) PARE_TRY(add_list(out, x->expert[i], y->expert[i], w->experts));
            continue;
        }
        if (a->recipe.query_heads)
            PARE_TRY(add_list(out, x->query[i], y->query[i], w->heads));
        else
            PARE_TRY(add_list(out, x->heads[i], y->heads[i], w->kv_heads));
        PARE_TRY(add_list(out, x->ffn[i], y->ffn[i], w->ffn));
    }
    return PARE_OK;
}
