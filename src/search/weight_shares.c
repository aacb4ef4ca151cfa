#include "search/weight_shares.h"
#include "model/roles.h"
#include "support/memory.h"
#include "support/progress.h"

#include <math.h>

/* The halves of layers that lose weights, as parts of a search. */
typedef struct share_parts {
    const pare_share_search *asked;
    pare_candidates candidates;
    pare_search_part *part;              /* [count] */
    pare_stage *stage;                   /* [count] */
    uint64_t (*size)[PARE_SHARE_LEVELS]; /* [count] that stay */
    double (*shape)[PARE_SHARE_LEVELS];  /* [count] */
    uint32_t count;
    uint32_t (*level)[PARE_STAGES]; /* [layers] in hand */
    pare_replacement *replacement;  /* [tensor_count] */
} share_parts;

static bool is_pruned(const pare_share_search *s, uint32_t layer, int role, pare_stage stage) {
    bool attention = pare_role_in((pare_role)role, PARE_PART_ATTENTION);
    return attention == (stage == PARE_STAGE_ATTENTION) && s->levels->pruned[pare_tensor_id(layer, (pare_role)role)];
}

static uint64_t table_bytes(const pare_share_search *s) {
    const pare_model *model = s->levels->model;
    uint32_t parts = PARE_STAGES * model->config.layers;
    uint64_t each = sizeof(pare_search_part) + 2 * sizeof(uint64_t) * PARE_SHARE_LEVELS + 3 * sizeof(pare_stage);
    return pare_search_bytes(parts, PARE_SHARE_LEVELS) + parts * each + model->tensor_count * sizeof(pare_replacement);
}

static pare_candidate_windows windows_of(const pare_share_search *s) {
    pare_candidate_windows windows = s->windows;
    windows.beside = table_bytes(s);
    return windows;
}

pare_status pare_share_search_measure(const pare_share_search *s, uint64_t *bytes) {
    pare_candidate_windows windows = windows_of(s);
    return pare_candidates_measure(s->levels->model, s->backend, &windows, bytes);
}

/* Errors grow about as squares of what goes. */
static void add_part(share_parts *p, const double *shares, uint32_t layer, pare_stage stage) {
    const pare_weight_levels *levels = p->asked->levels;
    uint64_t *size = p->size[p->count], weights = 0;
    for (int role = 0; role < PARE_MATRIX_ROLES; role++) {
        size_t id = pare_tensor_id(layer, (pare_role)role);
        uint64_t count = levels->model->tensors[id]->count;
        if (!is_pruned(p->asked, layer, role, stage)) continue;
        weights += count;
        for (uint32_t i = 0; i < levels->count; i++)
            size[i] += count - (uint64_t)(pare_weight_level_share(levels, i, shares[id]) * (double)count);
    }
    if (!weights) return;
    for (uint32_t i = 0; i < levels->count; i++)
        p->shape[p->count][i] = pow(1.0 - (double)size[i] / (double)weights, 2.0);
    p->part[p->count] =
        (pare_search_part){.layer = layer, .count = levels->count, .size = size, .shape = p->shape[p->count]};
    p->stage[p->count++] = stage;
}

static pare_status open(const pare_share_search *s, const double *shares, share_parts *p) {
    const pare_model *model = s->levels->model;
    uint32_t layers = model->config.layers, most = PARE_STAGES * layers;
    pare_candidate_windows windows = windows_of(s);
    *p = (share_parts){.asked = s};
    PARE_TRY(pare_alloc(&p->part, most, sizeof *p->part, "searched shares"));
    PARE_TRY(pare_alloc(&p->stage, most, sizeof *p->stage, "searched shares"));
    PARE_TRY(pare_alloc(&p->shape, most, sizeof *p->shape, "searched shares"));
    PARE_TRY(pare_alloc(&p->size, most, sizeof *p->size, "searched shares"));
    PARE_TRY(pare_alloc(&p->level, layers, sizeof *p->level, "searched shares"));
    PARE_TRY(pare_alloc(&p->replacement, model->tensor_count, sizeof *p->replacement, "searched shares"));
    for (uint32_t layer = 0; layer < layers; layer++)
        for (int stage = 0; stage < PARE_STAGES; stage++)
            add_part(p, shares, layer, (pare_stage)stage);
    return pare_candidates_new(model, s->backend, &windows, &p->candidates);
}

static void close_parts(share_parts *p) {
    void *all[] = {p->part, p->stage, p->shape, p->size, p->level, p->replacement};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        pare_free(all[i]);
    pare_candidates_free(&p->candidates);
}

static void replace(share_parts *p, uint32_t i, uint32_t level) {
    const pare_weight_levels *levels = p->asked->levels;
    uint32_t layer = p->part[i].layer;
    p->level[layer][p->stage[i]] = level;
    for (int role = 0; role < PARE_MATRIX_ROLES; role++) {
        size_t id = pare_tensor_id(layer, (pare_role)role);
        if (!is_pruned(p->asked, layer, role, p->stage[i])) continue;
        pare_replacement *replacement = &p->replacement[id];
        *replacement = (pare_replacement){.matrix = levels->matrix[id][level]};
        pare_tensor_matrix(levels->model->tensors[id], &replacement->row_count, &replacement->column_count);
    }
}

static pare_status measure(void *context, const uint32_t *level, bool roughly, double *value) {
    share_parts *p = context;
    pare_source source = p->candidates.source;
    for (uint32_t i = 0; i < p->count; i++)
        replace(p, i, level[i]);
    source.replacement = p->replacement;
    return pare_candidates_divergence(&p->candidates, &source, (const uint32_t(*)[PARE_STAGES])p->level, roughly,
                                      value);
}

static pare_status report(void *context, uint32_t done, uint32_t total) {
    const share_parts *p = context;
    return pare_progress_report(p->asked->runtime, "searching shares", done, total);
}

/* The level of what the shares are. */
static uint32_t start_level(const pare_share_search *s) {
    uint32_t i = 0;
    while (s->levels->offset[i] < 0.0)
        i++;
    return i;
}

/* What the budget leaves is given back to all alike. */
static void write_shares(const share_parts *p, const uint32_t *level, uint64_t budget, double *shares) {
    uint64_t size = 0, all = 0;
    for (size_t id = 0; id < p->asked->levels->model->tensor_count; id++)
        all += p->asked->levels->pruned[id] ? p->asked->levels->model->tensors[id]->count : 0;
    for (uint32_t i = 0; i < p->count; i++)
        size += p->size[i][level[i]];
    double surplus = size < budget ? (double)(budget - size) / (double)all : 0.0;
    for (uint32_t i = 0; i < p->count; i++)
        for (int role = 0; role < PARE_MATRIX_ROLES; role++) {
            double *share = &shares[pare_tensor_id(p->part[i].layer, (pare_role)role)];
            if (is_pruned(p->asked, p->part[i].layer, role, p->stage[i]))
                *share = fmax(pare_weight_level_share(p->asked->levels, level[i], *share) - surplus, 0.0);
        }
}

static pare_status search(share_parts *p, uint32_t *level, double *shares, pare_search_found *found) {
    uint64_t budget = 0;
    for (uint32_t i = 0; i < p->count; i++) {
        level[i] = start_level(p->asked);
        budget += p->size[i][level[i]];
    }
    pare_search_space space = {.parts = p->part,
                               .count = p->count,
                               .budget = budget,
                               .steps = p->asked->steps,
                               .seed = p->asked->seed,
                               .random = p->asked->random,
                               .measure = measure,
                               .rough = p->candidates.rough != NULL,
                               .step = report,
                               .context = p};
    PARE_TRY(pare_search_run(&space, level, found));
    write_shares(p, level, budget, shares);
    return PARE_OK;
}

pare_status pare_share_search_run(const pare_share_search *s, double *shares, pare_search_found *found) {
    share_parts p;
    uint32_t *level = NULL;
    pare_status status = open(s, shares, &p);
    if (status == PARE_OK) status = pare_alloc(&level, p.count, sizeof *level, "searched shares");
    if (status == PARE_OK) status = search(&p, level, shares, found);
    pare_free(level);
    close_parts(&p);
    return status;
}

static uint32_t level_counts(const pare_share_search *s, pare_search_part *part) {
    uint32_t count = 0;
    for (uint32_t layer = 0; layer < s->levels->model->config.layers; layer++)
        for (int stage = 0; stage < PARE_STAGES; stage++) {
            bool some = false;
            for (int role = 0; role < PARE_MATRIX_ROLES; role++)
                some = some || is_pruned(s, layer, role, (pare_stage)stage);
            if (some) part[count++] = (pare_search_part){.layer = layer, .count = s->levels->count};
        }
    return count;
}

pare_status pare_share_search_work(const pare_share_search *s, pare_work *out) {
    pare_search_part *part;
    PARE_TRY(pare_alloc(&part, PARE_STAGES * (size_t)s->levels->model->config.layers, sizeof *part, "searched shares"));
    pare_search_space space = {.parts = part,
                               .count = level_counts(s, part),
                               .steps = s->steps,
                               .random = s->random,
                               .rough = pare_candidates_has_rough(&s->windows)};
    pare_search_counts counts = pare_search_expect(&space);
    pare_candidates_shape shape = {.whole = counts.whole, .rough = counts.rough, .left = 1.0};
    *out = pare_candidates_work(s->levels->model, &s->windows, &shape);
    pare_free(part);
    return PARE_OK;
}
