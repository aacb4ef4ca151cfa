#include "robust/robust.h"
#include "support/memory.h"

#include <math.h>
#include <stdlib.h>

/* Ascending lists of kept units; NULL: all of them. */
static pare_overlap overlap_of(const uint32_t *a, uint32_t count_a, const uint32_t *b, uint32_t count_b,
                               uint32_t units) {
    pare_overlap o = {.units = units, .kept_a = count_a, .kept_b = count_b};
    for (uint32_t i = 0, j = 0; i < count_a && j < count_b;) {
        uint32_t x = a ? a[i] : i, y = b ? b[j] : j;
        o.kept_both += x == y;
        i += x <= y;
        j += y <= x;
    }
    return o;
}

/* Parts from which neither run removed anything do not count. */
static void add(pare_overlap *sum, pare_overlap part) {
    if (part.kept_a == part.units && part.kept_b == part.units) return;
    sum->units += part.units;
    sum->kept_a += part.kept_a;
    sum->kept_b += part.kept_b;
    sum->kept_both += part.kept_both;
}

static pare_overlap overlap_of_heads(const pare_widths *w, bool query, const pare_kept *a, const pare_kept *b) {
    if (query) return overlap_of(a->head, a->heads, b->head, b->heads, w->heads);
    return overlap_of(a->kv_head, a->kv_heads, b->kv_head, b->kv_heads, w->kv_heads);
}

static void compare_layers(const pare_model *model, const pare_robust_outcome *a, const pare_robust_outcome *b,
                           pare_robust_seed *out) {
    out->by_layer = true;
    for (uint32_t i = 0; i < model->config.layers; i++) {
        const pare_widths *w = &model->config.widths[i];
        const pare_kept *x = &a->selection.layer[i], *y = &b->selection.layer[i];
        out->heads[i] = overlap_of_heads(w, a->recipe.query_heads, x, y);
        out->ffn[i] = overlap_of(x->ffn_channel, x->ffn, y->ffn_channel, y->ffn, w->ffn);
        add(&out->whole, out->heads[i]);
        add(&out->whole, out->ffn[i]);
    }
}

static void compare_dropped(const pare_model *model, const pare_robust_outcome *a, const pare_robust_outcome *b,
                            pare_overlap *whole) {
    for (uint32_t i = 0; i < model->config.layers; i++) {
        bool x = !a->selection.layer[i].dropped, y = !b->selection.layer[i].dropped;
        whole->units++;
        whole->kept_a += x;
        whole->kept_b += y;
        whole->kept_both += x && y;
    }
}

pare_status pare_robust_compare(const pare_model *model, const pare_robust_outcome *a, const pare_robust_outcome *b,
                                pare_robust_seed *out) {
    const pare_selection *x = &a->selection, *y = &b->selection;
    out->rank_correlation = NAN;
    if (a->scored) PARE_TRY(pare_score_correlation(model, &a->recipe, &a->scores, &b->scores, &out->rank_correlation));
    if (a->recipe.mode == PARE_MODE_BLOCK)
        compare_layers(model, a, b, out);
    else if (a->recipe.mode == PARE_MODE_CHANNEL)
        out->whole = overlap_of(x->hidden_channel, x->hidden, y->hidden_channel, y->hidden, model->config.hidden);
    else
        compare_dropped(model, a, b, &out->whole);
    return PARE_OK;
}

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

/* The next list of `out`. */
static pare_status add_list(pare_robust_ranks *out, const double *before, const double *after, uint32_t count) {
    pare_rank_list *list = &out->lists[out->count++];
    list->count = count;
    PARE_TRY(rank(before, count, &list->before));
    return rank(after, count, &list->after);
}

pare_status pare_robust_rank(const pare_model *model, const pare_robust_outcome *a, const pare_robust_outcome *b,
                             pare_robust_ranks *out) {
    const pare_unit_scores *x = &a->scores, *y = &b->scores;
    const pare_config *c = &model->config;
    if (!a->scored) return PARE_OK;
    PARE_TRY(pare_alloc(&out->lists, 2 * (size_t)c->layers, sizeof *out->lists, "ranks"));
    out->groups = a->recipe.mode == PARE_MODE_CHANNEL ? PARE_RANKS_HIDDEN
                  : a->recipe.mode == PARE_MODE_LAYER ? PARE_RANKS_LAYERS
                                                      : PARE_RANKS_BLOCKS;
    if (out->groups == PARE_RANKS_HIDDEN) return add_list(out, x->hidden, y->hidden, c->hidden);
    if (out->groups == PARE_RANKS_LAYERS) return add_list(out, x->layer, y->layer, c->layers);
    for (uint32_t i = 0; i < c->layers; i++) {
        const pare_widths *w = &c->widths[i];
        if (a->recipe.query_heads)
            PARE_TRY(add_list(out, x->query[i], y->query[i], w->heads));
        else
            PARE_TRY(add_list(out, x->heads[i], y->heads[i], w->kv_heads));
        PARE_TRY(add_list(out, x->ffn[i], y->ffn[i], w->ffn));
    }
    return PARE_OK;
}
