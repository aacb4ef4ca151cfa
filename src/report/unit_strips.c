#include "report/unit_strips.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

/* Units up to which each is shown, and bins of more. */
enum { SINGLE = 48, BINS = 48 };

/* Units of one kind in one layer; kept: ascending. */
typedef struct units {
    const double *scores; /* [count] */
    uint32_t count, kept_count;
    const uint32_t *kept; /* NULL: the first kept_count */
} units;

typedef struct strip {
    double values[BINS];
    uint32_t kept[BINS], removed[BINS], count;
} strip;

/* As long as a picture needs. */
static json_t *rounded(double value) {
    char digits[32];
    if (!isfinite(value)) return json_null();
    snprintf(digits, sizeof digits, "%.4g", value);
    return pare_json_real(strtod(digits, NULL));
}

/* Walks through units and kept ones together. */
static bool is_kept(const units *u, uint32_t unit, uint32_t *next) {
    if (!u->kept) return unit < u->kept_count;
    if (*next >= u->kept_count || u->kept[*next] != unit) return false;
    ++*next;
    return true;
}

typedef struct range {
    double low, high;
    bool logarithmic;
} range;

static range range_of(const units *u) {
    range r = {INFINITY, -INFINITY, true};
    for (uint32_t i = 0; i < u->count; i++) {
        if (!isfinite(u->scores[i])) continue;
        if (u->scores[i] < 0.0) r.logarithmic = false;
        r.high = fmax(r.high, u->scores[i]);
        if (u->scores[i] > 0.0 || u->scores[i] < 0.0) r.low = fmin(r.low, u->scores[i]);
    }
    if (!(r.low < r.high)) r.logarithmic = false;
    if (!r.logarithmic) r.low = fmin(r.low, r.high);
    return r;
}

/* What is zero has the lowest bin for itself on a logarithmic scale. */
static uint32_t bin_of(const range *r, double value) {
    if (r->logarithmic && !(value > 0.0)) return 0;
    double share = r->logarithmic     ? log(value / r->low) / log(r->high / r->low)
                   : r->high > r->low ? (value - r->low) / (r->high - r->low)
                                      : 0.0;
    uint32_t first = r->logarithmic ? 1 : 0, bins = BINS - first;
    double at = share * bins;
    return first + (!(at > 0.0) ? 0 : at >= bins ? bins - 1 : (uint32_t)at);
}

static double middle_of(const range *r, uint32_t bin) {
    if (r->logarithmic && bin == 0) return 0.0;
    uint32_t first = r->logarithmic ? 1 : 0;
    double share = (bin - first + 0.5) / (BINS - first);
    return r->logarithmic ? r->low * pow(r->high / r->low, share) : r->low + share * (r->high - r->low);
}

static void fill(const units *u, strip *s) {
    range r = range_of(u);
    bool single = u->count <= SINGLE;
    uint32_t next = 0;
    s->count = single ? u->count : BINS;
    for (uint32_t bin = 0; !single && bin < BINS; bin++)
        s->values[bin] = middle_of(&r, bin);
    for (uint32_t i = 0; i < u->count; i++) {
        bool kept = is_kept(u, i, &next);
        if (!isfinite(u->scores[i])) continue;
        uint32_t at = single ? i : bin_of(&r, u->scores[i]);
        if (single) s->values[at] = u->scores[i];
        ++(kept ? s->kept : s->removed)[at];
    }
}

/* Between the highest that goes and the lowest that stays; NaN where they overlap. */
static double cut_of(const units *u) {
    double highest = -INFINITY, lowest = INFINITY;
    uint32_t next = 0;
    for (uint32_t i = 0; i < u->count; i++) {
        if (is_kept(u, i, &next))
            lowest = fmin(lowest, u->scores[i]);
        else
            highest = fmax(highest, u->scores[i]);
    }
    if (!isfinite(highest) || !isfinite(lowest) || highest > lowest) return NAN;
    return highest > 0.0 ? sqrt(highest) * sqrt(lowest) : 0.5 * (highest + lowest);
}

static void append(json_t *list, const units *u, uint32_t layer) {
    strip s = {.count = 0};
    if (!u->scores || u->kept_count >= u->count) return;
    fill(u, &s);
    json_t *values = json_array(), *kept = json_array(), *removed = json_array();
    for (uint32_t i = 0; i < s.count; i++) {
        if (s.kept[i] + s.removed[i] == 0) continue;
        pare_json_append(values, rounded(s.values[i]));
        pare_json_append(kept, json_integer(s.kept[i]));
        pare_json_append(removed, json_integer(s.removed[i]));
    }
    pare_json_append(list, pare_json_of({"layer", json_integer(layer)}, {"values", values}, {"kept", kept},
                                        {"removed", removed}, {"cut", rounded(cut_of(u))}));
}

static void put(json_t *json, const char *name, json_t *list) {
    if (!list || json_array_size(list))
        pare_json_put(json, name, list);
    else
        json_decref(list);
}

/* Whole layers are units by themselves. */
static json_t *layers_json(const pare_unit_scores *scores, const pare_selection *selection) {
    json_t *list = json_array();
    uint32_t *kept = calloc(selection->layers + 1, sizeof *kept), count = 0;
    for (uint32_t i = 0; kept && i < selection->layers; i++)
        if (!selection->layer[i].dropped) kept[count++] = i;
    units u = {scores->layer, selection->layers, count, kept};
    if (kept)
        append(list, &u, 0);
    else
        pare_json_append(list, NULL);
    free(kept);
    return list;
}

/* All experts of a layer together, each of which has a cut of its own. */
static void append_expert_channels(json_t *list, const pare_unit_scores *scores, const pare_widths *w,
                                   const pare_kept *kept, uint32_t layer) {
    uint32_t count = kept->experts * kept->expert_ffn, *all;
    if (!kept->expert_channel || kept->experts != w->experts) return;
    if (!(all = malloc(count * sizeof *all))) {
        pare_json_append(list, NULL);
        return;
    }
    for (uint32_t i = 0; i < count; i++)
        all[i] = i / kept->expert_ffn * w->expert_ffn + kept->expert_channel[i];
    append(list, &(units){scores->expert_ffn[layer], w->experts * w->expert_ffn, count, all}, layer);
    free(all);
}

json_t *pare_report_unit_strips(const pare_unit_scores *scores, const pare_model *model,
                                const pare_selection *selection) {
    json_t *json = json_object(), *heads = json_array(), *query = json_array(), *ffn = json_array(),
           *hidden = json_array(), *experts = json_array(), *channels = json_array();
    for (uint32_t i = 0; i < selection->layers; i++) {
        const pare_kept *k = &selection->layer[i];
        const pare_widths *w = &model->config.widths[i];
        if (k->dropped) continue;
        append(heads, &(units){scores->heads[i], w->kv_heads, k->kv_heads, k->kv_head}, i);
        if (k->kv_heads == w->kv_heads) append(query, &(units){scores->query[i], w->heads, k->heads, k->head}, i);
        append(experts, &(units){scores->expert[i], w->experts, k->experts, k->expert}, i);
        append_expert_channels(channels, scores, w, k, i);
        append(ffn, &(units){scores->ffn[i], w->ffn, k->ffn, k->ffn_channel}, i);
    }
    if (selection->hidden_channel)
        append(hidden, &(units){scores->hidden, model->config.hidden, selection->hidden, selection->hidden_channel}, 0);
    put(json, "heads", heads);
    put(json, "query_heads", query);
    put(json, "ffn", ffn);
    put(json, "hidden", hidden);
    put(json, "experts", experts);
    put(json, "expert_channels", channels);
    put(json, "layers", layers_json(scores, selection));
    return json;
}
