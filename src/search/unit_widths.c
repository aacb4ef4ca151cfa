#include "search/unit_widths.h"
#include "search/unit_candidate.h"
#include "select/size.h"
#include "support/memory.h"
#include "support/peer.h"
#include "support/progress.h"
#include "surgery/narrow_model.h"

#include <math.h>
#include <string.h>

/* The halves that have levels, as parts of a search. */
typedef struct width_parts {
    const pare_width_search *asked;
    pare_candidates candidates;
    pare_search_part *part; /* [count] */
    pare_level_part **from; /* [count] */
    pare_stage *stage;      /* [count] */
    uint32_t count;
    uint64_t *sizes;                /* of all parts' levels */
    uint32_t (*level)[PARE_STAGES]; /* [layers] in hand */
} width_parts;

static uint64_t table_bytes(const pare_width_search *s) {
    uint32_t parts = PARE_STAGES * s->levels->model->config.layers;
    return pare_search_bytes(parts, PARE_MOST_LEVELS) + (uint64_t)parts * PARE_MOST_LEVELS * sizeof(uint64_t) +
           pare_narrow_model_bytes(s->levels->model);
}

static pare_candidate_windows windows_of(const pare_width_search *s) {
    pare_candidate_windows windows = s->windows;
    windows.beside = table_bytes(s);
    return windows;
}

pare_status pare_width_search_measure(const pare_width_search *s, uint64_t *bytes) {
    pare_candidate_windows windows = windows_of(s);
    return pare_candidates_measure(s->levels->model, s->backend, &windows, bytes);
}

/* Parameters of one unit of a half. */
static uint64_t unit_parameters(const pare_model *model, uint32_t layer, pare_stage stage) {
    const pare_widths *w = &model->config.widths[layer];
    return stage == PARE_STAGE_ATTENTION ? pare_group_parameters(&model->config, w)
                                         : pare_channel_parameters(&model->config, w);
}

/* What a half of this width adds to the cost of the model. */
static uint64_t half_cost(const pare_width_search *s, uint32_t layer, pare_stage stage, uint32_t width) {
    if (!s->costs) return width * unit_parameters(s->levels->model, layer, stage);
    return pare_curve_cost(stage == PARE_STAGE_ATTENTION ? &s->costs->attention : &s->costs->ffn, width);
}

static void add_part(width_parts *p, uint32_t layer, pare_stage stage) {
    const pare_unit_levels *levels = p->asked->levels;
    pare_level_part *from = &levels->part[layer][stage];
    uint64_t *size = p->sizes + (size_t)p->count * PARE_MOST_LEVELS;
    if (!from->count) return;
    for (uint32_t i = 0; i < from->count; i++)
        size[i] = half_cost(p->asked, layer, stage, from->width[i]);
    p->part[p->count] = (pare_search_part){.layer = layer, .count = from->count, .size = size, .shape = from->error};
    p->from[p->count] = from;
    p->stage[p->count++] = stage;
}

static pare_status open(const pare_width_search *s, width_parts *p) {
    uint32_t layers = s->levels->model->config.layers, most = PARE_STAGES * layers;
    pare_candidate_windows windows = windows_of(s);
    *p = (width_parts){.asked = s};
    PARE_TRY(pare_alloc(&p->part, most, sizeof *p->part, "searched widths"));
    PARE_TRY(pare_alloc(&p->from, most, sizeof *p->from, "searched widths"));
    PARE_TRY(pare_alloc(&p->stage, most, sizeof *p->stage, "searched widths"));
    PARE_TRY(pare_alloc(&p->sizes, (size_t)most * PARE_MOST_LEVELS, sizeof *p->sizes, "searched widths"));
    PARE_TRY(pare_alloc(&p->level, layers, sizeof *p->level, "searched widths"));
    for (uint32_t layer = 0; layer < layers; layer++)
        for (int stage = 0; stage < PARE_STAGES; stage++)
            add_part(p, layer, (pare_stage)stage);
    return pare_candidates_new(s->levels->model, s->backend, &windows, &p->candidates);
}

static void close_parts(width_parts *p) {
    void *all[] = {p->part, p->from, p->stage, p->sizes, p->level};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        pare_free(all[i]);
    pare_candidates_free(&p->candidates);
}

static pare_status measure(void *context, const uint32_t *level, bool roughly, double *value) {
    width_parts *p = context;
    for (uint32_t i = 0; i < p->count; i++)
        p->level[p->part[i].layer][p->stage[i]] = level[i];
    return pare_unit_candidate_divergence(&p->candidates, p->asked->levels, (const uint32_t(*)[PARE_STAGES])p->level,
                                          roughly, value);
}

static pare_status report(void *context, uint32_t done, uint32_t total) {
    const width_parts *p = context;
    return pare_progress_report(p->asked->runtime, "searching widths", done, total);
}

static uint32_t *width_at(pare_widths *widths, const width_parts *p, uint32_t i) {
    pare_widths *w = &widths[p->part[i].layer];
    return p->stage[i] == PARE_STAGE_ATTENTION ? &w->kv_heads : &w->ffn;
}

static pare_status read_levels(const width_parts *p, pare_widths *widths, uint32_t *level) {
    for (uint32_t i = 0; i < p->count; i++) {
        level[i] = pare_level_of_width(p->from[i], *width_at(widths, p, i));
        if (level[i] == p->from[i]->count)
            return pare_fail(PARE_BAD_ARGUMENT, "layer %u begins a search with a width that is none of its levels",
                             p->part[i].layer);
    }
    return PARE_OK;
}

static void write_widths(const width_parts *p, const uint32_t *level, pare_widths *widths) {
    const pare_widths *all = p->asked->levels->model->config.widths;
    for (uint32_t i = 0; i < p->count; i++) {
        pare_widths *w = &widths[p->part[i].layer];
        *width_at(widths, p, i) = p->from[i]->width[level[i]];
        w->heads = w->kv_heads * pare_widths_shared(&all[p->part[i].layer]);
    }
}

static pare_status search_each(width_parts *p, pare_widths *widths, uint32_t *level, pare_search_found *found) {
    uint64_t now = 0, whole = pare_width_cost(p->asked->costs, p->asked->levels->model, widths);
    for (uint32_t i = 0; i < p->count; i++)
        now += p->part[i].size[level[i]];
    uint64_t room = whole < p->asked->budget ? p->asked->budget - whole : 0;
    pare_search_space space = {.parts = p->part,
                               .count = p->count,
                               .budget = now + room,
                               .steps = p->asked->steps,
                               .seed = p->asked->seed,
                               .random = p->asked->random,
                               .measure = measure,
                               .rough = p->candidates.rough != NULL,
                               .step = report,
                               .context = p};
    return pare_search_run(&space, level, found);
}

/* p->level <- a pair: the n-th attention beside the n-th FFN from the narrowest on. */
static void set_pair(width_parts *p, uint32_t pair) {
    uint32_t pairs = p->part[0].count;
    for (uint32_t i = 0; i < p->count; i++)
        p->level[p->part[i].layer][p->stage[i]] = p->stage[i] == PARE_STAGE_ATTENTION ? pair : pairs - 1 - pair;
}

/* Each is measured by one rank. */
static pare_status measure_pairs(width_parts *p, uint32_t pairs, double *value) {
    for (uint32_t pair = 0; pair < pairs; pair++) {
        value[pair] = -0.0; /* adds nothing to another rank's */
        if (pair % (uint32_t)pare_peer_count() != (uint32_t)pare_peer_rank()) continue;
        set_pair(p, pair);
        PARE_TRY(report(p, pair, pairs));
        PARE_TRY(pare_unit_candidate_divergence(&p->candidates, p->asked->levels,
                                                (const uint32_t(*)[PARE_STAGES])p->level, false, &value[pair]));
    }
    return pare_peer_reduce(value, pairs);
}

/* Every pair; of equal ones the one where the search begins, then the first. */
static pare_status search_pairs(width_parts *p, uint32_t *level, pare_search_found *found) {
    uint32_t pairs = p->part[0].count, start = p->stage[0] == PARE_STAGE_ATTENTION ? level[0] : pairs - 1 - level[0];
    uint32_t best = start;
    double value[PARE_MOST_LEVELS];
    PARE_TRY(measure_pairs(p, pairs, value));
    for (uint32_t pair = 0; pair < pairs; pair++)
        if (value[pair] < value[best]) best = pair;
    *found = (pare_search_found){
        .rounds = 1, .steps = pairs, .start = value[start], .program = value[best], .end = value[best]};
    set_pair(p, best);
    for (uint32_t i = 0; i < p->count; i++)
        level[i] = p->level[p->part[i].layer][p->stage[i]];
    return PARE_OK;
}

pare_status pare_width_search_run(const pare_width_search *s, pare_widths *widths, pare_search_found *found) {
    width_parts p;
    uint32_t *level = NULL;
    pare_status status = open(s, &p);
    if (status == PARE_OK) status = pare_alloc(&level, p.count, sizeof *level, "searched widths");
    if (status == PARE_OK) status = read_levels(&p, widths, level);
    if (status == PARE_OK) status = s->uniform ? search_pairs(&p, level, found) : search_each(&p, widths, level, found);
    if (status == PARE_OK) write_widths(&p, level, widths);
    pare_free(level);
    close_parts(&p);
    return status;
}

static uint32_t level_counts(const pare_unit_levels *levels, pare_search_part *part) {
    uint32_t count = 0;
    for (uint32_t layer = 0; layer < levels->model->config.layers; layer++)
        for (int stage = 0; stage < PARE_STAGES; stage++)
            if (levels->part[layer][stage].count)
                part[count++] = (pare_search_part){.layer = layer, .count = levels->part[layer][stage].count};
    return count;
}

pare_status pare_width_search_work(const pare_width_search *s, double left, pare_work *out) {
    pare_search_part *part;
    PARE_TRY(pare_alloc(&part, PARE_STAGES * (size_t)s->levels->model->config.layers, sizeof *part, "searched widths"));
    pare_search_space space = {.parts = part,
                               .count = level_counts(s->levels, part),
                               .steps = s->steps,
                               .random = s->random,
                               .rough = pare_candidates_has_rough(&s->windows)};
    pare_search_counts counts = pare_search_expect(&space);
    pare_candidates_shape shape = {.whole = counts.whole, .rough = counts.rough, .left = left};
    if (s->uniform) shape = (pare_candidates_shape){.whole = part[0].count, .left = left, .alike = true};
    *out = pare_candidates_work(s->levels->model, &s->windows, &shape);
    pare_free(part);
    return PARE_OK;
}
