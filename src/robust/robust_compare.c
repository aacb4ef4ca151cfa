#include "robust/robust.h"
#include "support/memory.h"

#include <math.h>
#include <stdlib.h>

/* What two runs kept of some units. */
typedef struct overlap {
    uint64_t units, kept_a, kept_b, kept_both;
} overlap;

/* Ascending lists of kept units; NULL: all of them. */
static overlap overlap_of(const uint32_t *a, uint32_t count_a, const uint32_t *b, uint32_t count_b, uint32_t units) {
    overlap o = {.units = units, .kept_a = count_a, .kept_b = count_b};
    for (uint32_t i = 0, j = 0; i < count_a && j < count_b;) {
        uint32_t x = a ? a[i] : i, y = b ? b[j] : j;
        o.kept_both += x == y;
        i += x <= y;
        j += y <= x;
    }
    return o;
}

/* Parts from which neither run removed anything do not count. */
static void add(overlap *sum, overlap part) {
    if (part.kept_a == part.units && part.kept_b == part.units) return;
    sum->units += part.units;
    sum->kept_a += part.kept_a;
    sum->kept_b += part.kept_b;
    sum->kept_both += part.kept_both;
}

static json_t *overlap_json(overlap o) {
    uint64_t more = o.kept_a > o.kept_b ? o.kept_a : o.kept_b;
    uint64_t removed_both = o.units + o.kept_both - o.kept_a - o.kept_b, removed_any = o.units - o.kept_both;
    json_t *json = json_object();
    pare_json_put(json, "units", json_integer((json_int_t)o.units));
    pare_json_put(json, "agreement",
                  pare_json_real(o.units ? (double)(o.kept_both + removed_both) / (double)o.units : 1.0));
    pare_json_put(json, "kept", pare_json_real(more ? (double)o.kept_both / (double)more : 1.0));
    pare_json_put(json, "removed_jaccard",
                  pare_json_real(removed_any ? (double)removed_both / (double)removed_any : 1.0));
    return json;
}

static overlap overlap_of_heads(const pare_widths *w, bool query, const pare_kept *a, const pare_kept *b) {
    if (query) return overlap_of(a->head, a->heads, b->head, b->heads, w->heads);
    return overlap_of(a->kv_head, a->kv_heads, b->kv_head, b->kv_heads, w->kv_heads);
}

static json_t *compare_layers(const pare_model *model, const pare_robust_outcome *a, const pare_robust_outcome *b,
                              overlap *whole) {
    json_t *layers = json_array();
    for (uint32_t i = 0; i < model->config.layers; i++) {
        const pare_widths *w = &model->config.widths[i];
        const pare_kept *x = &a->selection.layer[i], *y = &b->selection.layer[i];
        overlap heads = overlap_of_heads(w, a->recipe.query_heads, x, y);
        overlap ffn = overlap_of(x->ffn_channel, x->ffn, y->ffn_channel, y->ffn, w->ffn);
        add(whole, heads);
        add(whole, ffn);
        pare_json_append(layers, pare_json_of({"heads", overlap_json(heads)}, {"ffn", overlap_json(ffn)}));
    }
    return layers;
}

static void compare_dropped(const pare_model *model, const pare_robust_outcome *a, const pare_robust_outcome *b,
                            overlap *whole) {
    for (uint32_t i = 0; i < model->config.layers; i++) {
        bool x = !a->selection.layer[i].dropped, y = !b->selection.layer[i].dropped;
        whole->units++;
        whole->kept_a += x;
        whole->kept_b += y;
        whole->kept_both += x && y;
    }
}

pare_status pare_robust_compare(const pare_model *model, const pare_robust_outcome *a, const pare_robust_outcome *b,
                                json_t **out) {
    const pare_selection *x = &a->selection, *y = &b->selection;
    overlap whole = {0};
    double correlation = NAN;
    json_t *layers = NULL;
    *out = NULL;
    if (a->scored) PARE_TRY(pare_score_correlation(model, &a->recipe, &a->scores, &b->scores, &correlation));
    if (a->recipe.mode == PARE_MODE_BLOCK)
        layers = compare_layers(model, a, b, &whole);
    else if (a->recipe.mode == PARE_MODE_CHANNEL)
        whole = overlap_of(x->hidden_channel, x->hidden, y->hidden_channel, y->hidden, model->config.hidden);
    else
        compare_dropped(model, a, b, &whole);
    *out = overlap_json(whole);
    if (layers) pare_json_put(*out, "layers", layers);
    pare_json_put(*out, "rank_correlation", pare_json_measured(correlation));
    return PARE_OK;
}

static int by_score(const void *a, const void *b, void *scores) {
    uint32_t i = *(const uint32_t *)a, j = *(const uint32_t *)b;
    double x = ((const double *)scores)[i], y = ((const double *)scores)[j];
    return x < y ? -1 : x > y ? 1 : i < j ? -1 : i > j;
}

static json_t *ranks_of(const double *scores, uint32_t count) {
    uint32_t *order, *rank = NULL;
    json_t *list = json_array();
    if (pare_alloc(&order, count, sizeof *order, "ranks") != PARE_OK) return list;
    if (pare_alloc(&rank, count, sizeof *rank, "ranks") == PARE_OK) {
        for (uint32_t i = 0; i < count; i++)
            order[i] = i;
        qsort_r(order, count, sizeof *order, by_score, (void *)(uintptr_t)scores);
        for (uint32_t i = 0; i < count; i++)
            rank[order[i]] = i;
        for (uint32_t i = 0; i < count; i++)
            pare_json_append(list, json_integer(rank[i]));
    }
    pare_free(order);
    pare_free(rank);
    return list;
}

static json_t *ranks_pair(const double *before, const double *after, uint32_t count) {
    return pare_json_of({"before", ranks_of(before, count)}, {"after", ranks_of(after, count)});
}

json_t *pare_robust_ranks(const pare_model *model, const pare_robust_outcome *a, const pare_robust_outcome *b) {
    const pare_unit_scores *x = &a->scores, *y = &b->scores;
    const pare_config *c = &model->config;
    if (!a->scored) return json_null();
    if (a->recipe.mode == PARE_MODE_CHANNEL)
        return pare_json_of({"hidden", ranks_pair(x->hidden, y->hidden, c->hidden)});
    if (a->recipe.mode == PARE_MODE_LAYER) return pare_json_of({"layers", ranks_pair(x->layer, y->layer, c->layers)});
    json_t *layers = json_array();
    for (uint32_t i = 0; i < c->layers; i++) {
        const pare_widths *w = &c->widths[i];
        bool query = a->recipe.query_heads;
        json_t *heads =
            query ? ranks_pair(x->query[i], y->query[i], w->heads) : ranks_pair(x->heads[i], y->heads[i], w->kv_heads);
        pare_json_append(layers, pare_json_of({"heads", heads}, {"ffn", ranks_pair(x->ffn[i], y->ffn[i], w->ffn)}));
    }
    return pare_json_of({"blocks", layers});
}
