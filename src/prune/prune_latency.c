/* Widths by the time that they take: what attention and FFN take of a token at some widths is measured, or comes from a
 * file; a search then keeps to a share of the dense model's time in place of a number of parameters. */
#include "generate/token_time.h"
#include "prune/prune_job.h"
#include "support/file.h"
#include "support/memory.h"
#include "support/peer.h"
#include "support/progress.h"
#include "support/runtime.h"

#include <math.h>
#include <stdlib.h>

/* Of a half's width, so many parts are measured; and everything so many times, the least of which counts: what else the
 * machine does comes and goes. */
enum { PARTS = 4, TURNS = 3, MOST_CUTS = 1 + 2 * PARTS };

/* The model with no layer wider than this. */
typedef struct cut {
    uint32_t heads, ffn;
    double seconds;
} cut;

typedef struct measuring {
    const pare_prune_job *job;
    const pare_model *model;
    pare_backend *backend;
    pare_widths *widths; /* [layers] in hand */
    cut cuts[MOST_CUTS]; /* the whole one; those of attention; those of the FFN */
    uint32_t count;
} measuring;

static uint32_t widest(const pare_model *model, uint32_t (*width_of)(const pare_widths *)) {
    uint32_t most = 0;
    for (uint32_t i = 0; i < model->config.layers; i++)
        most = width_of(&model->config.widths[i]) > most ? width_of(&model->config.widths[i]) : most;
    return most;
}

static uint32_t least_of(uint32_t a, uint32_t b) {
    return a < b ? a : b;
}

static pare_status time_cut(measuring *m, cut *c) {
    double seconds;
    for (uint32_t i = 0; i < m->model->config.layers; i++) {
        const pare_widths *w = &m->model->config.widths[i];
        m->widths[i] = (pare_widths){.kv_heads = least_of(c->heads, w->kv_heads), .ffn = least_of(c->ffn, w->ffn)};
        m->widths[i].heads = m->widths[i].kv_heads * pare_widths_shared(w);
    }
    PARE_TRY(pare_token_time(m->model, m->backend, m->widths, pare_runtime_limit(m->job->runtime), &seconds));
    c->seconds = c->seconds > 0.0 ? fmin(c->seconds, seconds) : seconds;
    return PARE_OK;
}

static pare_status time_all(measuring *m) {
    for (uint32_t i = 0, all = TURNS * m->count; i < all; i++) {
        PARE_TRY(time_cut(m, &m->cuts[i % m->count]));
        PARE_TRY(pare_progress_report(m->job->runtime, "measuring times", i + 1, all));
    }
    return PARE_OK;
}

/* Widths [0, points) of a half, the other one being whole. */
static void add_cuts(measuring *m, bool heads) {
    cut whole = m->cuts[0];
    uint32_t most = heads ? whole.heads : whole.ffn, points = least_of(most, PARTS);
    for (uint32_t k = 0; k < points; k++) {
        uint32_t width = (uint32_t)((uint64_t)most * k / points);
        m->cuts[m->count++] =
            heads ? (cut){.heads = width, .ffn = whole.ffn} : (cut){.heads = whole.heads, .ffn = width};
    }
}

/* How many layers a stretch of widths is in. */
static double layers_with(const pare_model *model, bool heads, uint32_t from, uint32_t to) {
    double layers = 0.0;
    for (uint32_t i = 0; i < model->config.layers; i++) {
        const pare_widths *w = &model->config.widths[i];
        uint32_t width = heads ? w->kv_heads : w->ffn;
        layers += (double)(least_of(width, to) - least_of(width, from)) / (double)(to - from);
    }
    return layers;
}

/* From the times of these cuts, and behind them of the whole: what is wider is not faster. */
static void fill_curve(const measuring *m, bool heads, const cut *cuts, pare_cost_curve *curve) {
    const cut *whole = &m->cuts[0];
    uint32_t points = least_of(heads ? whole->heads : whole->ffn, PARTS);
    double before = 0.0;
    *curve = (pare_cost_curve){.count = points + 1};
    for (uint32_t k = 0; k <= points; k++) {
        const cut *c = k < points ? &cuts[k] : whole;
        double now = fmin(k ? fmax(c->seconds, before) : c->seconds, whole->seconds);
        curve->width[k] = heads ? c->heads : c->ffn;
        if (k) {
            double each = (now - before) / layers_with(m->model, heads, curve->width[k - 1], curve->width[k]);
            curve->time[k] = curve->time[k - 1] + (uint64_t)llround(each * 1e12);
        }
        before = now;
    }
}

static pare_status measure_all(measuring *m, pare_width_costs *costs) {
    add_cuts(m, true);
    const cut *of_ffn = m->cuts + m->count;
    add_cuts(m, false);
    PARE_TRY(time_all(m));
    fill_curve(m, true, m->cuts + 1, &costs->attention);
    fill_curve(m, false, of_ffn, &costs->ffn);
    uint64_t whole = (uint64_t)llround(m->cuts[0].seconds * 1e12);
    uint64_t halves = pare_width_cost(costs, m->model, m->model->config.widths);
    costs->rest = whole > halves ? whole - halves : 0;
    return PARE_OK;
}

static pare_status measure(pare_prune_job *job, pare_width_costs *costs) {
    const pare_model *model = job->model;
    measuring m = {.job = job, .model = model, .count = 1};
    m.cuts[0] = (cut){.heads = widest(model, pare_widths_kv_heads), .ffn = widest(model, pare_widths_ffn)};
    *costs = (pare_width_costs){0};
    if (!m.cuts[0].heads || !m.cuts[0].ffn)
        return pare_fail(PARE_BAD_ARGUMENT, "--latency measures attention and FFN, and %s has but one of them",
                         pare_checkpoint_directory(model->checkpoint));
    PARE_TRY(pare_backend_open(job->runtime, false, &m.backend));
    pare_status status = pare_alloc(&m.widths, model->config.layers, sizeof *m.widths, "widths");
    if (status == PARE_OK) status = measure_all(&m, costs);
    pare_free(m.widths);
    pare_backend_close(m.backend);
    return status;
}

static json_t *curve_json(const pare_cost_curve *curve) {
    json_t *list = json_array();
    for (uint32_t i = 0; i < curve->count; i++)
        pare_json_append(list, pare_json_list_of(json_integer(curve->width[i]), pare_json_count(curve->time[i])));
    return list;
}

static pare_status refuse_table(const char *path, const char *what) {
    return pare_fail(PARE_FORMAT_ERROR,
                     "%s has no times for this model: %s; give the pruning.json of an earlier run with --latency, or "
                     "leave out --latency-table",
                     path, what);
}

/* most: the widest layer's. */
static pare_status read_curve(const char *path, const json_t *list, uint32_t most, pare_cost_curve *out) {
    enum { LIMIT = 1 << 24 };
    *out = (pare_cost_curve){.count = (uint32_t)json_array_size(list)};
    if (json_array_size(list) < 2 || json_array_size(list) > PARE_COST_POINTS)
        return refuse_table(path, "a curve has 2 to 9 points, [width, picoseconds] each");
    for (uint32_t i = 0; i < out->count; i++) {
        const json_t *point = json_array_get(list, i), *width = json_array_get(point, 0),
                     *time = json_array_get(point, 1);
        json_int_t w = json_integer_value(width), t = json_integer_value(time);
        bool fine =
            json_is_integer(width) && json_is_integer(time) && w >= 0 && w <= LIMIT && t >= 0 && t < INT64_MAX / LIMIT;
        if (!fine || (i ? w <= (json_int_t)out->width[i - 1] || t < (json_int_t)out->time[i - 1] : w || t))
            return refuse_table(path, "widths rise from 0 on, and their times do not fall");
        out->width[i] = (uint32_t)w;
        out->time[i] = (uint64_t)t;
    }
    if (out->width[out->count - 1] == most) return PARE_OK;
    return refuse_table(path, "its widest attention or FFN is another");
}

static pare_status read_costs(const pare_prune_job *job, const char *path, const json_t *file,
                              pare_width_costs *costs) {
    const json_t *said = json_object_get(file, "latency"), *table = json_object_get(said ? said : file, "table");
    const json_t *rest = json_object_get(table, "rest");
    if (!table) return refuse_table(path, "it has no member latency.table");
    if (!json_is_integer(rest) || json_integer_value(rest) < 0) return refuse_table(path, "its rest is no time");
    costs->rest = (uint64_t)json_integer_value(rest);
    PARE_TRY(read_curve(path, json_object_get(table, "attention"), widest(job->model, pare_widths_kv_heads),
                        &costs->attention));
    return read_curve(path, json_object_get(table, "ffn"), widest(job->model, pare_widths_ffn), &costs->ffn);
}

static pare_status read_table(const pare_prune_job *job, const char *path, pare_width_costs *costs) {
    enum { LIMIT = 1 << 28 };
    char *text;
    json_error_t error;
    PARE_TRY(pare_file_read(path, LIMIT, &text, NULL));
    json_t *file = json_loads(text, JSON_REJECT_DUPLICATES, &error);
    pare_free(text);
    if (!file) return pare_fail(PARE_FORMAT_ERROR, "%s is no JSON: line %d: %s", path, error.line, error.text);
    pare_status status = read_costs(job, path, file, costs);
    json_decref(file);
    return status;
}

pare_status pare_prune_find_latency(pare_prune_job *job) {
    const pare_job_target *t = &job->asked->target;
    pare_width_costs *costs = &job->latency.costs;
    if (t->latency == 0.0) return PARE_OK;
    if (!pare_peer_rank()) PARE_TRY(t->latency_table ? read_table(job, t->latency_table, costs) : measure(job, costs));
    PARE_TRY(pare_peer_broadcast(costs, sizeof *costs, 0));
    json_t *table = pare_json_of({"rest", pare_json_count(costs->rest)}, {"attention", curve_json(&costs->attention)},
                                 {"ffn", curve_json(&costs->ffn)});
    json_decref(job->latency.report);
    job->latency.report = pare_json_of({"share", pare_json_real(t->latency)}, {"table", table});
    job->target.latency = t->latency;
    job->target.costs = costs;
    return PARE_OK;
}

pare_status pare_prune_judge_latency(pare_prune_job *job, const pare_widths *widths) {
    const pare_model *model = job->current;
    const pare_width_costs *costs = job->target.costs;
    uint64_t limit = pare_runtime_limit(job->runtime);
    double dense = INFINITY, left = INFINITY;
    if (!costs || pare_peer_rank()) return PARE_OK;
    double expected =
        (double)pare_width_cost(costs, model, widths) / (double)pare_width_cost(costs, model, model->config.widths);
    for (int i = 0; i < TURNS; i++) {
        double seconds;
        PARE_TRY(pare_token_time(model, job->backend, model->config.widths, limit, &seconds));
        dense = fmin(dense, seconds);
        PARE_TRY(pare_token_time(model, job->backend, widths, limit, &seconds));
        left = fmin(left, seconds);
    }
    pare_json_put(job->latency.report, "expected", pare_json_real(expected));
    pare_json_put(job->latency.report, "measured",
                  pare_json_of({"dense_seconds", pare_json_real(dense)}, {"pruned_seconds", pare_json_real(left)},
                               {"share", pare_json_real(left / dense)}));
    return PARE_OK;
}
