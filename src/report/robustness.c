#include "report/robustness.h"
#include "report/robustness_table.h"
#include "report/spread.h"
#include "support/memory.h"

#include <math.h>

pare_status pare_robust_results_new(pare_robust_results *r, size_t changes, size_t methods, size_t ratios) {
    size_t comparisons = changes * methods * ratios, runs = comparisons * r->seeds;
    pare_robust_seed *seeds;
    pare_overlap *layers;
    pare_robust_text *texts;
    r->comparison_count = comparisons;
    r->rank_count = r->ranked ? changes * methods : 0;
    PARE_TRY(pare_alloc(&r->comparisons, comparisons, sizeof *r->comparisons, "results"));
    PARE_TRY(pare_alloc(&r->storage[0], runs, sizeof *seeds, "results"));
    PARE_TRY(pare_alloc(&r->storage[1], 2 * runs * r->layers, sizeof *layers, "results"));
    PARE_TRY(pare_alloc(&r->storage[2], runs * r->text_count, sizeof *texts, "results"));
    seeds = r->storage[0];
    layers = r->storage[1];
    texts = r->storage[2];
    for (size_t i = 0; i < runs; i++) {
        seeds[i].heads = layers + 2 * i * r->layers;
        seeds[i].ffn = seeds[i].heads + r->layers;
        seeds[i].texts = texts + i * r->text_count;
    }
    for (size_t i = 0; i < comparisons; i++)
        r->comparisons[i].seeds = seeds + i * r->seeds;
    return pare_alloc(&r->ranks, r->rank_count, sizeof *r->ranks, "results");
}

static void free_list(pare_rank_list *list) {
    pare_free(list->before);
    pare_free(list->after);
}

static void free_ranks(pare_robust_ranks *ranks) {
    for (size_t i = 0; ranks->lists && i < ranks->count; i++)
        free_list(&ranks->lists[i]);
    for (size_t i = 0; ranks->projections && i < ranks->projection_count; i++)
        free_list(&ranks->projections[i].list);
    pare_free(ranks->lists);
    pare_free(ranks->projections);
}

void pare_robust_results_free(pare_robust_results *r) {
    for (size_t i = 0; r->ranks && i < r->rank_count; i++)
        free_ranks(&r->ranks[i]);
    pare_free(r->ranks);
    pare_free(r->comparisons);
    for (size_t i = 0; i < sizeof r->storage / sizeof *r->storage; i++)
        pare_free(r->storage[i]);
    *r = (pare_robust_results){0};
}

/* Numbers of a seed that are summarized. */
static double agreement(const pare_robust_seed *s) {
    const pare_overlap *o = &s->whole;
    uint64_t removed_both = o->units + o->kept_both - o->kept_a - o->kept_b;
    return o->units ? (double)(o->kept_both + removed_both) / (double)o->units : 1.0;
}

static double kept(const pare_robust_seed *s) {
    uint64_t more = s->whole.kept_a > s->whole.kept_b ? s->whole.kept_a : s->whole.kept_b;
    return more ? (double)s->whole.kept_both / (double)more : 1.0;
}

static double removed_jaccard(const pare_robust_seed *s) {
    const pare_overlap *o = &s->whole;
    uint64_t removed_both = o->units + o->kept_both - o->kept_a - o->kept_b, removed_any = o->units - o->kept_both;
    return removed_any ? (double)removed_both / (double)removed_any : 1.0;
}

static double rank_correlation(const pare_robust_seed *s) {
    return s->rank_correlation;
}

static double unpruned(const pare_robust_text *t) {
    return t->unpruned;
}

static double changed_unpruned(const pare_robust_text *t) {
    return t->changed_unpruned;
}

static double pruned(const pare_robust_text *t) {
    return t->pruned;
}

static double changed(const pare_robust_text *t) {
    return t->changed;
}

static double difference(const pare_robust_text *t) {
    return fabs(t->pruned - t->changed);
}

static const struct {
    const char *name;
    double (*of)(const pare_robust_seed *seed);
} shares[] = {
    {"agreement", agreement},
    {"kept", kept},
    {"removed_jaccard", removed_jaccard},
    {"rank_correlation", rank_correlation},
};

static const struct {
    const char *name;
    double (*of)(const pare_robust_text *text);
} perplexities[] = {
    {"unpruned", unpruned},     {"changed_unpruned", changed_unpruned}, {"perplexity", pruned}, {"changed", changed},
    {"difference", difference},
};

enum { SHARES = sizeof shares / sizeof *shares, PERPLEXITIES = sizeof perplexities / sizeof *perplexities };

static const char *name_of(const pare_robust_results *r, size_t i) {
    return r->pictures && perplexities[i].of == pruned ? "loss" : perplexities[i].name;
}

/* All but the correlation of ranks. */
static json_t *overlap_json(pare_overlap overlap) {
    pare_robust_seed seed = {.whole = overlap};
    json_t *json = pare_json_of({"units", pare_json_count(overlap.units)});
    for (size_t i = 0; i + 1 < SHARES; i++)
        pare_json_put(json, shares[i].name, pare_json_real(shares[i].of(&seed)));
    return json;
}

static json_t *seed_json(const pare_robust_results *r, const pare_robust_seed *seed) {
    json_t *json = overlap_json(seed->whole), *texts = json_array();
    if (seed->by_layer) {
        json_t *layers = json_array();
        for (uint32_t i = 0; i < r->layers; i++)
            pare_json_append(
                layers, pare_json_of({"heads", overlap_json(seed->heads[i])}, {"ffn", overlap_json(seed->ffn[i])}));
        pare_json_put(json, "layers", layers);
    }
    pare_json_put(json, "rank_correlation", pare_json_measured(seed->rank_correlation));
    pare_json_put(json, "seed", pare_json_count(seed->seed));
    for (size_t t = 0; t < r->text_count; t++) {
        json_t *text = pare_json_of({"file", pare_json_name(r->texts[t])});
        for (size_t i = 0; i < PERPLEXITIES; i++)
            pare_json_put_measured(text, name_of(r, i), perplexities[i].of(&seed->texts[t]));
        pare_json_append(texts, text);
    }
    pare_json_put(json, "texts", texts);
    return json;
}

/* values: room for one of each seed. */
static json_t *summary_json(const pare_robust_results *r, const pare_robust_comparison *c, double *values) {
    json_t *json = json_object(), *texts = json_array();
    for (size_t i = 0; i < SHARES; i++) {
        for (uint32_t s = 0; s < r->seeds; s++)
            values[s] = shares[i].of(&c->seeds[s]);
        pare_json_put(json, shares[i].name, pare_report_spread(values, r->seeds));
    }
    for (size_t t = 0; t < r->text_count; t++) {
        json_t *text = pare_json_of({"file", pare_json_name(r->texts[t])});
        for (size_t i = 0; i < PERPLEXITIES; i++) {
            for (uint32_t s = 0; s < r->seeds; s++)
                values[s] = perplexities[i].of(&c->seeds[s].texts[t]);
            pare_json_put(text, name_of(r, i), pare_report_spread(values, r->seeds));
        }
        pare_json_append(texts, text);
    }
    pare_json_put(json, "texts", texts);
    return json;
}

static json_t *comparison_json(const pare_robust_results *r, const pare_robust_comparison *c) {
    json_t *seeds = json_array();
    double *values = NULL;
    for (uint32_t s = 0; s < r->seeds; s++)
        pare_json_append(seeds, seed_json(r, &c->seeds[s]));
    bool room = pare_alloc(&values, r->seeds, sizeof *values, "the report") == PARE_OK;
    json_t *json = pare_json_of({"change", pare_json_string(c->change)}, {"method", pare_json_string(c->method)},
                                {"ratio", pare_json_real(c->ratio)}, {"seeds", seeds},
                                {"summary", room ? summary_json(r, c, values) : NULL});
    pare_free(values);
    return json;
}

static json_t *list_json(const uint32_t *ranks, uint32_t count) {
    json_t *list = json_array();
    for (uint32_t i = 0; i < count; i++)
        pare_json_append(list, json_integer(ranks[i]));
    return list;
}

static json_t *pair_json(const pare_rank_list *list) {
    return pare_json_of({"before", list_json(list->before, list->count)},
                        {"after", list_json(list->after, list->count)});
}

static json_t *experts_json(const pare_robust_ranks *ranks) {
    json_t *layers = json_array();
    for (size_t i = 0; i < ranks->count; i++)
        pare_json_append(layers, pair_json(&ranks->lists[i]));
    return layers;
}

static json_t *units_json(const pare_robust_ranks *ranks) {
    switch (ranks->groups) {
    case PARE_RANKS_NONE:
        return json_null();
    case PARE_RANKS_HIDDEN:
        return pare_json_of({"hidden", pair_json(&ranks->lists[0])});
    case PARE_RANKS_LAYERS:
        return pare_json_of({"layers", pair_json(&ranks->lists[0])});
    case PARE_RANKS_EXPERTS:
        return pare_json_of({"experts", experts_json(ranks)});
    case PARE_RANKS_BLOCKS:
        break;
    }
    json_t *blocks = json_array();
    for (size_t i = 0; i + 1 < ranks->count; i += 2)
        pare_json_append(
            blocks, pare_json_of({"heads", pair_json(&ranks->lists[i])}, {"ffn", pair_json(&ranks->lists[i + 1])}));
    return pare_json_of({"blocks", blocks});
}

static json_t *projections_json(const pare_robust_ranks *ranks) {
    json_t *list = json_array();
    for (size_t i = 0; i < ranks->projection_count; i++) {
        const pare_projection_ranks *p = &ranks->projections[i];
        json_t *json = pair_json(&p->list);
        pare_json_put(json, "layer", json_integer(p->layer));
        pare_json_put(json, "projection", pare_json_string(p->name));
        pare_json_put(json, "rank_correlation", pare_json_measured(p->correlation));
        pare_json_append(list, json);
    }
    return list;
}

json_t *pare_report_robustness(const void *results) {
    const pare_robust_results *r = results;
    json_t *comparisons = json_array(), *ranks = json_array();
    for (size_t i = 0; i < r->comparison_count; i++)
        pare_json_append(comparisons, comparison_json(r, &r->comparisons[i]));
    for (size_t i = 0; i < r->rank_count; i++)
        pare_json_append(ranks, pare_json_of({"change", pare_json_string(r->ranks[i].change)},
                                             {"method", pare_json_string(r->ranks[i].method)},
                                             {"units", units_json(&r->ranks[i])},
                                             {"projections", projections_json(&r->ranks[i])}));
    json_t *json = pare_json_of(
        {"pare", pare_json_string(pare_version())},
        {"model", pare_json_of({"name", pare_json_name(r->model)}, {"parameters", pare_json_count(r->parameters)})},
        {"seed", pare_json_count(r->seed)}, {"seeds", json_integer(r->seeds)}, {"comparisons", comparisons},
        {"between", pare_report_between(r)});
    if (r->ranked) pare_json_put(json, "ranks", pare_json_same(ranks));
    if (r->lipschitz) pare_json_put(json, "lipschitz", pare_report_lipschitz(r->lipschitz));
    json_decref(ranks);
    return json;
}
