#include "robust/robust.h"

#include <math.h>

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

/* With the channels of experts, whose lists are each one's own. */
static pare_overlap overlap_of_channels(const pare_widths *w, const pare_kept *a, const pare_kept *b) {
    pare_overlap all = overlap_of(a->ffn_channel, a->ffn, b->ffn_channel, b->ffn, w->ffn);
    for (uint32_t expert = 0; expert < w->experts; expert++)
        add(&all, overlap_of(pare_kept_expert_channels(a, expert), a->expert_ffn, pare_kept_expert_channels(b, expert),
                             b->expert_ffn, w->expert_ffn));
    return all;
}

static void compare_layers(const pare_model *model, const pare_robust_outcome *a, const pare_robust_outcome *b,
                           pare_robust_seed *out) {
    out->by_layer = true;
    for (uint32_t i = 0; i < model->config.layers; i++) {
        const pare_widths *w = &model->config.widths[i];
        const pare_kept *x = &a->selection.layer[i], *y = &b->selection.layer[i];
        out->heads[i] = overlap_of_heads(w, a->recipe.query_heads, x, y);
        out->ffn[i] = overlap_of_channels(w, x, y);
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

static void compare_experts(const pare_model *model, const pare_robust_outcome *a, const pare_robust_outcome *b,
                            pare_overlap *whole) {
    for (uint32_t i = 0; i < model->config.layers; i++) {
        const pare_kept *x = &a->selection.layer[i], *y = &b->selection.layer[i];
        add(whole, overlap_of(x->expert, x->experts, y->expert, y->experts, model->config.widths[i].experts));
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
    else if (a->recipe.mode == PARE_MODE_EXPERT)
        compare_experts(model, a, b, &out->whole);
    else
        compare_dropped(model, a, b, &out->whole);
    return PARE_OK;
}
