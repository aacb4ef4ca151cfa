/* pare_robust: how far selections and perplexities follow a small change of the model or of the run. */
#include "robust/robust.h"
#include "report/report.h"
#include "run/run.h"
#include "support/file.h"
#include "support/memory.h"
#include "support/runtime.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* The other seed of a run: far from those that repetitions count up to. */
static const uint64_t other_seed = 1000003;

static const char *const usual_methods[] = {"taylor", "moreau", "moreau-gs", "best", NULL};
static const char *const usual_changes[] = {"bf16", "fp16", NULL};
static const double usual_ratio = 0.2;

typedef struct robust {
    pare_run run;
    const pare_model *model;
    const pare_robust_options *options;
    const pare_runtime *runtime;
    size_t methods, ratios, change_count;
    pare_robust_change *changes;
    pare_windows *texts;
    pare_robust_outcome *dense;  /* [methods][ratios] of the seed under way */
    pare_robust_results results; /* comparisons [changes][methods][ratios], ranks [changes][methods] */
    pare_lipschitz_results lipschitz;
    uint32_t repetition; /* under way, and its seed */
    uint64_t seed;
} robust;

const char *pare_robust_method(const pare_robust_options *options, size_t index) {
    if (!options->methods) return usual_methods[index];
    return index < options->method_count ? options->methods[index] : NULL;
}

static double ratio_at(const robust *r, size_t index) {
    return r->options->ratios ? r->options->ratios[index] : usual_ratio;
}

static uint32_t seeds_of(const robust *r) {
    return r->options->seeds ? r->options->seeds : 1;
}

static pare_robust_request request_of(const robust *r, size_t method, size_t ratio) {
    return (pare_robust_request){.model = r->model,
                                 .base = r->options->prune,
                                 .runtime = r->runtime,
                                 .method = pare_robust_method(r->options, method),
                                 .ratio = ratio_at(r, ratio),
                                 .seed = r->seed,
                                 .texts = r->texts};
}

static bool removes_elements(const pare_prune_options *options) {
    const pare_recipe *preset = pare_recipe_find(options->method);
    bool chosen = preset && preset->mode == PARE_MODE_ELEMENT;
    for (size_t i = 0; i < options->setting_count; i++)
        if (strcmp(options->settings[i].key, "mode") == 0) chosen = strcmp(options->settings[i].value, "element") == 0;
    return chosen;
}

/* Every run is refused before the first one begins. */
static pare_status check_runs(robust *r) {
    for (size_t m = 0; m < r->methods; m++)
        for (size_t i = 0; i < r->ratios; i++) {
            pare_robust_request request = request_of(r, m, i);
            pare_prune_options options = pare_robust_run_options(&request);
            if (removes_elements(&options))
                return pare_fail(PARE_BAD_ARGUMENT,
                                 "%s removes single weights: runs are compared by the units they keep, so give methods "
                                 "and modes that remove units",
                                 request.method);
            pare_status status = pare_prune_check(r->model, &options);
            if (status == PARE_OK) continue;
            char *why = pare_format("%s", pare_message());
            status = pare_fail(status, "%s at ratio %g: %s", request.method, request.ratio, why);
            free(why);
            return status;
        }
    return PARE_OK;
}

static pare_status prepare(void *context) {
    robust *r = context;
    const pare_robust_options *o = r->options;
    while (pare_robust_method(o, r->methods))
        r->methods++;
    r->ratios = o->ratios ? o->ratio_count : 1;
    r->change_count = o->changes ? o->change_count : 2;
    r->seed = o->prune->seed;
    if (!r->methods || !r->ratios || !r->change_count)
        return pare_fail(PARE_BAD_ARGUMENT, "give at least one method, one ratio and one change");
    PARE_TRY(pare_alloc(&r->changes, r->change_count, sizeof *r->changes, "changes"));
    for (size_t c = 0; c < r->change_count; c++)
        PARE_TRY(pare_robust_change_parse(o->changes ? o->changes[c] : usual_changes[c], &r->changes[c]));
    PARE_TRY(check_runs(r));
    r->results = (pare_robust_results){.model = pare_checkpoint_directory(r->model->checkpoint),
                                       .parameters = pare_model_parameters(r->model),
                                       .seed = o->prune->seed,
                                       .seeds = seeds_of(r),
                                       .layers = r->model->config.layers,
                                       .texts = o->prune->texts,
                                       .text_count = o->prune->text_count,
                                       .ranked = o->ranks};
    PARE_TRY(pare_robust_results_new(&r->results, r->change_count, r->methods, r->ratios));
    return pare_alloc(&r->dense, r->methods * r->ratios, sizeof *r->dense, "results");
}

/* Read once: a changed model would write another text of its own, and be measured on that. */
static pare_status load_texts(void *context) {
    robust *r = context;
    size_t count = r->options->prune->text_count;
    pare_robust_request request = request_of(r, 0, 0);
    pare_prune_options options = pare_robust_run_options(&request);
    pare_prune_job job;
    PARE_TRY(pare_alloc(&r->texts, count, sizeof *r->texts, "texts"));
    pare_status status = pare_prune_begin(r->model, &options, r->runtime, &job);
    for (size_t i = 0; i < count && status == PARE_OK; i++)
        status = pare_prune_text_windows(&job, i, &r->texts[i]);
    pare_prune_end(&job);
    return status;
}

static pare_status run_dense(robust *r) {
    pare_cache *cache = pare_cache_new();
    pare_status status = PARE_OK;
    for (size_t m = 0; m < r->methods && status == PARE_OK; m++)
        for (size_t i = 0; i < r->ratios && status == PARE_OK; i++) {
            pare_robust_request request = request_of(r, m, i);
            request.cache = cache;
            status = pare_robust_run(&request, &r->dense[m * r->ratios + i]);
        }
    pare_cache_free(cache);
    return status;
}

static void compare_texts(const robust *r, const pare_robust_outcome *a, const pare_robust_outcome *b,
                          pare_robust_text *out) {
    for (size_t i = 0; i < r->results.text_count; i++)
        out[i] = (pare_robust_text){.unpruned = exp(a->dense[i]),
                                    .changed_unpruned = exp(b->dense[i]),
                                    .perplexity = exp(a->nll[i]),
                                    .changed = exp(b->nll[i])};
}

static pare_status record(robust *r, size_t change, size_t method, size_t ratio, const pare_robust_outcome *after) {
    const pare_robust_outcome *before = &r->dense[method * r->ratios + ratio];
    size_t index = change * r->methods + method;
    const char *name = r->changes[change].name, *by = pare_robust_method(r->options, method);
    pare_robust_comparison *comparison = &r->results.comparisons[index * r->ratios + ratio];
    pare_robust_seed *seed = &comparison->seeds[r->repetition];
    comparison->change = name;
    comparison->method = by;
    comparison->ratio = ratio_at(r, ratio);
    seed->seed = r->seed;
    PARE_TRY(pare_robust_compare(r->model, before, after, seed));
    compare_texts(r, before, after, seed->texts);
    if (!r->results.ranked || ratio || r->repetition) return PARE_OK;
    r->results.ranks[index].change = name;
    r->results.ranks[index].method = by;
    return pare_robust_rank(r->model, before, after, &r->results.ranks[index]);
}

static pare_status run_changed(robust *r, size_t change, pare_robust_request request, size_t method, size_t ratio) {
    const pare_robust_outcome *before = &r->dense[method * r->ratios + ratio];
    pare_robust_kind kind = r->changes[change].kind;
    pare_windows shuffled = {0};
    pare_robust_outcome after;
    if (before->calibration.count && kind != PARE_ROBUST_SEED) request.calibration = &before->calibration;
    if (kind == PARE_ROBUST_THREADS) request.threads = 1;
    if (kind == PARE_ROBUST_SEED) request.seed = r->seed + other_seed;
    if (kind == PARE_ROBUST_SHUFFLE && before->calibration.count) {
        PARE_TRY(pare_robust_shuffle(&before->calibration, before->batches, r->seed + 1, &shuffled));
        request.calibration = &shuffled;
    }
    pare_status status = pare_robust_run(&request, &after);
    pare_windows_free(&shuffled);
    if (status != PARE_OK) return status;
    status = record(r, change, method, ratio, &after);
    pare_robust_outcome_free(&after);
    return status;
}

/* One model and one cache for all runs of a change. */
static pare_status run_change(robust *r, size_t change) {
    pare_robust_change *c = &r->changes[change];
    pare_temporary_model changed = {0};
    pare_cache *cache = NULL;
    pare_status status = PARE_OK;
    if (c->kind == PARE_ROBUST_WEIGHTS) {
        c->perturbation.seed = r->seed;
        status = pare_perturbed_model_new(r->model, &c->perturbation, NULL, r->runtime, &changed);
    }
    if (status == PARE_OK) cache = pare_cache_new();
    for (size_t m = 0; m < r->methods && status == PARE_OK; m++)
        for (size_t i = 0; i < r->ratios && status == PARE_OK; i++) {
            pare_robust_request request = request_of(r, m, i);
            request.cache = cache;
            if (changed.model) request.model = changed.model;
            status = run_changed(r, change, request, m, i);
        }
    pare_cache_free(cache);
    pare_temporary_model_free(&changed);
    return status;
}

static void free_dense(robust *r) {
    for (size_t i = 0; r->dense && i < r->methods * r->ratios; i++)
        pare_robust_outcome_free(&r->dense[i]);
}

static pare_status run_seeds(void *context) {
    robust *r = context;
    for (r->repetition = 0; r->repetition < seeds_of(r); r->repetition++) {
        r->seed = r->options->prune->seed + r->repetition;
        PARE_TRY(run_dense(r));
        for (size_t c = 0; c < r->change_count; c++)
            PARE_TRY(run_change(r, c));
        free_dense(r);
    }
    return PARE_OK;
}

static pare_status measure_lipschitz(void *context) {
    robust *r = context;
    if (!r->options->lipschitz) return PARE_OK;
    r->results.lipschitz = &r->lipschitz;
    return pare_robust_lipschitz(r->model, r->options, r->runtime, &r->lipschitz);
}

static void release(robust *r) {
    free_dense(r);
    for (size_t i = 0; r->texts && i < r->options->prune->text_count; i++)
        pare_windows_free(&r->texts[i]);
    pare_free(r->texts);
    pare_free(r->dense);
    pare_free(r->changes);
    pare_robust_results_free(&r->results);
    pare_lipschitz_results_free(&r->lipschitz);
    pare_run_end(&r->run);
}

pare_status pare_robust(const pare_model *model, const pare_robust_options *options, const pare_runtime *runtime,
                        char **report) {
    static const pare_job_stage stages[] = {
        {"check", prepare}, {"texts", load_texts}, {"runs", run_seeds}, {"lipschitz", measure_lipschitz}};
    robust r = {.model = model, .options = options, .runtime = runtime};
    *report = NULL;
    PARE_TRY(PARE_OPTIONS_CHECK(pare_robust_options, options));
    PARE_TRY(PARE_OPTIONS_CHECK(pare_prune_options, options->prune));
    PARE_TRY(pare_runtime_check(runtime));
    if (options->prune->salience)
        return pare_fail(PARE_BAD_ARGUMENT, "pare_robust compares methods: leave out the salience %s",
                         options->prune->salience->name ? options->prune->salience->name : "of one's own");
    pare_run_begin(&r.run);
    pare_status status = pare_run_stages(&r.run, stages, sizeof stages / sizeof *stages, &r);
    if (status == PARE_OK) status = pare_report_text(PARE_REPORT_ROBUSTNESS, &r.results, report);
    status = pare_run_commit(&r.run, status, report);
    release(&r);
    return status;
}
