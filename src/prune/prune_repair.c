/* The layer-by-layer stage of a run: what the loss feels of each output, widths from error curves, and the repair. */
#include "calibrate/output_fisher.h"
#include "prune/prune_job.h"
#include "report/pruning.h"
#include "select/ladder.h"
#include "support/file.h"
#include "support/memory.h"
#include "support/runtime.h"

#include <math.h>
#include <stdlib.h>

typedef struct repairing {
    pare_prune_job *job;
    pare_source source;
    pare_repair_job repair;
    pare_output_fisher fisher;
    pare_stage_signal (*signals)[PARE_STAGES]; /* [layers] */
    pare_widths *widths;                       /* [layers] to choose */
    double *(*curves)[PARE_STAGES];            /* [layers] */
    bool probed;                               /* the curves are those of a run that only measured */
    pare_stage_fit (*fits)[PARE_STAGES];       /* [layers] */
} repairing;

pare_repair_options pare_prune_repair_options(const pare_recipe *recipe) {
    bool chosen = recipe->choice == PARE_CHOOSE_OBS;
    bool refits = pare_compensation_has(recipe->compensation, PARE_TRAITS_REFIT);
    return (pare_repair_options){
        .alpha = chosen || refits ? recipe->dense : 0.0,
        .beta = pare_compensation_has(recipe->compensation, PARE_TRAIT_SOLVES) ? recipe->readers : 0.0,
        .damping = recipe->damping,
        .reader_damping = recipe->reader_damping,
        .held_out = recipe->held_out,
        .keep_outputs = !refits,
        .biases = recipe->compensation != PARE_COMPENSATE_NONE,
        .final_norm = recipe->final_norm && (chosen || refits),
        .head = recipe->readers > 0.0 && (chosen || refits),
        .choose = {chosen, chosen},
        .fraction = recipe->fraction};
}

static pare_status run_kept(void *context, const char *state, const char *key) {
    const pare_repair_walk *walk = context;
    pare_repair_job job = walk->job;
    job.state = state;
    job.key = key;
    return pare_repair_run(&job, walk->selection, walk->repaired, walk->fits);
}

pare_status pare_prune_repair_walk(const pare_prune_job *job, const char *name, pare_repair_walk *walk) {
    return pare_prune_kept(job, name, run_kept, walk);
}

static pare_status begin(pare_prune_job *job, repairing *r) {
    uint32_t layers = job->current->config.layers;
    *r = (repairing){.job = job,
                     .source = {.model = job->current, .backend = job->backend, .column_scale = job->result.factors}};
    r->repair = (pare_repair_job){.runtime = job->runtime,
                                  .ids = job->windows.ids,
                                  .sequences = job->windows.count / job->asked->calibration.batches,
                                  .length = job->windows.length,
                                  .limit = pare_runtime_limit(job->runtime),
                                  .scratch = pare_runtime_scratch(job->runtime),
                                  .options = pare_prune_repair_options(&job->asked->recipe)};
    PARE_TRY(pare_alloc(&r->signals, layers, sizeof *r->signals, "repair"));
    PARE_TRY(pare_alloc(&r->widths, layers, sizeof *r->widths, "repair"));
    return pare_alloc(&r->fits, layers, sizeof *r->fits, "repair");
}

static void finish(repairing *r) {
    uint32_t layers = r->job->current->config.layers;
    for (uint32_t i = 0; r->curves && i < layers; i++)
        for (int stage = 0; stage < PARE_STAGES; stage++)
            pare_free(r->curves[i][stage]);
    pare_free(r->curves);
    pare_free(r->signals);
    pare_free(r->widths);
    pare_free(r->fits);
    pare_output_fisher_free(&r->fisher);
}

/* The output metrics go to a scratch file where they and the rest would not fit. */
static pare_status gather_metric(void *context) {
    repairing *r = context;
    const pare_model *model = r->job->current;
    uint64_t limit = r->repair.limit, bytes = pare_output_fisher_bytes(model);
    bool file = pare_limit_wants_file(limit, bytes);
    const pare_output_fisher *fisher;
    PARE_TRY(pare_prune_feel_outputs(r->job, "felt-repair", &r->source, limit, &r->fisher, &fisher));
    if (isnan(r->job->result.loss)) r->job->result.loss = fisher->loss;
    for (uint32_t i = 0; i < model->config.layers; i++)
        for (int stage = 0; stage < PARE_STAGES; stage++)
            r->signals[i][stage].metric = fisher->metric[i][stage];
    r->repair.options.signals = (const pare_stage_signal(*)[PARE_STAGES])r->signals;
    if (limit && !file) r->repair.limit = limit - bytes;
    return PARE_OK;
}

static pare_status new_curves(repairing *r) {
    const pare_config *c = &r->job->current->config;
    PARE_TRY(pare_alloc(&r->curves, c->layers, sizeof *r->curves, "error curves"));
    for (uint32_t i = 0; i < c->layers; i++) {
        PARE_TRY(
            pare_alloc(&r->curves[i][PARE_STAGE_ATTENTION], c->widths[i].kv_heads, sizeof(double), "error curves"));
        PARE_TRY(pare_alloc(&r->curves[i][PARE_STAGE_FFN], c->widths[i].ffn, sizeof(double), "error curves"));
    }
    return PARE_OK;
}

/* Widths by what each further unit costs: a run that only measures, then the ranking's own way of spending a budget. A
 * search begins with those of all layers together. */
static pare_status allocate(void *context) {
    repairing *r = context;
    pare_prune_job *job = r->job;
    pare_goal goal;
    pare_ladders ladders = {0};
    pare_selection all = {0};
    pare_repaired none = {0};
    r->probed = true;
    pare_target target = job->target;
    if (target.ranking == PARE_RANK_LOCAL) target.ranking = PARE_RANK_GLOBAL;
    pare_repair_job probe = r->repair;
    probe.options.probe = true;
    probe.options.curves = r->curves;
    PARE_TRY(pare_selection_all(job->current, &all));
    pare_status status = pare_prune_repair_walk(job, "walk-probe.", &(pare_repair_walk){probe, &all, &none, NULL});
    pare_repaired_free(&none);
    pare_selection_free(&all);
    PARE_TRY(status);
    PARE_TRY(
        pare_goal_new(job->model, &job->target, (double)(job->round + 1) / (double)job->asked->target.rounds, &goal));
    status = pare_ladders_from_curves(job->current, (double *const(*)[2])r->curves, &job->target, &ladders);
    if (status == PARE_OK)
        status = pare_allocate(job->current, &job->result.scores, &ladders, &target, &goal, r->widths);
    pare_ladders_free(&ladders);
    pare_goal_free(&goal);
    return status;
}

bool pare_prune_widths_cost(const pare_prune_job *job) {
    bool together = job->target.ranking == PARE_RANK_UNIFORM || job->target.ranking == PARE_RANK_GLOBAL;
    return job->asked->recipe.choice == PARE_CHOOSE_OBS && (together || pare_recipe_searches(&job->asked->recipe));
}

static pare_status search(void *context) {
    repairing *r = context;
    return pare_prune_search(r->job, &r->repair, r->widths);
}

/* The selection by scores has the widths of rankings that do not look at costs. It is good for nothing else here: every
 * unit is there to choose from. */
static pare_status choose_widths(repairing *r) {
    pare_prune_job *job = r->job;
    bool searched = pare_recipe_searches(&job->asked->recipe);
    bool by_cost = pare_prune_widths_cost(job);
    r->repair.options.widths = r->widths;
    PARE_TRY(new_curves(r));
    if (!by_cost) r->repair.options.curves = r->curves;
    if (by_cost)
        PARE_TRY(pare_run_stage(&job->run, "repairing", allocate, r));
    else
        pare_selection_widths(&job->selection, r->widths);
    if (searched) PARE_TRY(pare_run_stage(&job->run, "searching", search, r));
    pare_selection_free(&job->selection);
    return pare_selection_all(job->current, &job->selection);
}

/* A run that only measures goes on until nothing is left, the other one as far as it removes. */
static uint32_t curve_count(const repairing *r, uint32_t units, uint32_t kept) {
    return r->probed ? units : units - kept;
}

static pare_status report_fits(const repairing *r, json_t **out) {
    const pare_config *c = &r->job->current->config;
    pare_stage_curve(*curves)[PARE_STAGES] = NULL;
    PARE_TRY(pare_alloc(&curves, c->layers, sizeof *curves, "error curves"));
    for (uint32_t i = 0; r->curves && i < c->layers; i++) {
        const pare_widths *w = &c->widths[i], *after = &r->widths[i];
        curves[i][PARE_STAGE_ATTENTION] = (pare_stage_curve){r->curves[i][PARE_STAGE_ATTENTION],
                                                             curve_count(r, w->kv_heads, after->kv_heads), w->kv_heads};
        curves[i][PARE_STAGE_FFN] =
            (pare_stage_curve){r->curves[i][PARE_STAGE_FFN], curve_count(r, w->ffn, after->ffn), w->ffn};
    }
    *out = pare_report_fits(r->fits, curves, c->layers);
    pare_free(curves);
    return PARE_OK;
}

static pare_status walk(void *context) {
    repairing *r = context;
    pare_prune_job *job = r->job;
    return pare_prune_repair_walk(job, "walk-repair.",
                                  &(pare_repair_walk){r->repair, &job->selection, &job->repaired, r->fits});
}

static pare_status repair(repairing *r) {
    pare_prune_job *job = r->job;
    bool chosen = job->asked->recipe.choice == PARE_CHOOSE_OBS;
    r->repair.source = &r->source;
    if (pare_recipe_feels_outputs(&job->asked->recipe))
        PARE_TRY(pare_run_stage(&job->run, "feeling outputs", gather_metric, r));
    if (chosen) PARE_TRY(choose_widths(r));
    PARE_TRY(pare_run_stage(&job->run, "repairing", walk, r));
    json_decref(job->repairs);
    job->repairs = NULL;
    return report_fits(r, &job->repairs);
}

pare_status pare_prune_repair(pare_prune_job *job) {
    repairing r;
    pare_status status = begin(job, &r);
    if (status == PARE_OK) status = repair(&r);
    finish(&r);
    return status;
}
