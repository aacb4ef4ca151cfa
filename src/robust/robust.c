/* How far selections and perplexities follow a small change of the model or of the run. */
#include "robust/robust.h"
#include "report/rank_figure.h"
#include "report/report.h"
#include "report/robustness_table.h"
#include "run/run.h"
#include "support/file.h"
#include "support/memory.h"
#include "support/peer.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* The other seed of a run: far from those that repetitions count up to. */
static const uint64_t other_seed = 1000003;

typedef struct robust {
    pare_run run;
    const pare_model *model;
    const pare_study *study;
    const pare_runtime *runtime;
    size_t methods, ratios;
    pare_windows *texts;
    pare_robust_outcome *dense;  /* [methods][ratios] of the seed under way */
    pare_robust_results results; /* comparisons [changes][methods][ratios], ranks [changes][methods] */
    pare_lipschitz_results lipschitz;
    uint32_t repetition; /* under way, and its seed */
    uint64_t seed;
    int rank, ranks;
} robust;

static const pare_job *job_at(const robust *r, size_t method, size_t ratio) {
    return &r->study->jobs[method * r->ratios + ratio];
}

/* The same for all jobs. */
static const pare_job_evaluation *evaluation_of(const robust *r) {
    return &r->study->jobs[0].evaluation;
}

static pare_robust_request request_of(const robust *r, size_t method, size_t ratio) {
    return (pare_robust_request){.model = r->model,
                                 .job = job_at(r, method, ratio),
                                 .runtime = r->runtime,
                                 .seed = r->seed,
                                 .texts = r->texts,
                                 .projections = r->results.ranked && ratio == 0 && r->repetition == 0};
}

/* A file of the pictures; freed with free(). */
static char *plot_path(const robust *r, const char *name) {
    const char *plot = r->study->plot;
    size_t length = strlen(plot);
    return pare_format("%s%s%s", plot, length && plot[length - 1] == '/' ? "" : "-", name);
}

/* What is read and what is written, before any work. */
static pare_status name_files(robust *r) {
    pare_paths *paths = &r->run.paths;
    const pare_job_evaluation *texts = evaluation_of(r);
    char *ranks = r->study->plot ? plot_path(r, "ranks.csv") : NULL;
    if (r->study->plot && !ranks) return pare_whole();
    pare_paths_read(paths, "the model", pare_checkpoint_directory(r->model->checkpoint), PARE_PATH_DATA);
    for (size_t i = 0; i < texts->text_count; i++)
        if (!pare_calibration_is_self(texts->texts[i]))
            pare_paths_read(paths, pare_calibration_option(r->model), texts->texts[i], PARE_PATH_DATA);
    const char *source = r->study->jobs[0].calibration.of.source;
    if (!pare_calibration_is_self(source)) pare_paths_read(paths, "--calib", source, PARE_PATH_DATA);
    pare_paths_write(paths, "--plot", ranks, PARE_PATH_FILE);
    pare_paths_write(paths, "--csv", r->study->csv, PARE_PATH_FILE);
    free(ranks);
    return pare_run_open(&r->run, NULL, NULL, false, 0);
}

/* The same on all ranks, whoever runs them. */
static void name_results(robust *r) {
    for (size_t i = 0; i < r->results.comparison_count; i++) {
        size_t ratio = i % r->ratios, index = i / r->ratios, method = index % r->methods;
        pare_robust_comparison *comparison = &r->results.comparisons[i];
        comparison->change = r->study->changes[index / r->methods].name;
        comparison->method = job_at(r, method, ratio)->recipe.name;
        comparison->ratio = job_at(r, method, ratio)->target.ratio;
        if (!r->results.ranked) continue;
        r->results.ranks[index].change = comparison->change;
        r->results.ranks[index].method = comparison->method;
    }
}

static pare_status prepare(void *context) {
    robust *r = context;
    const pare_study *study = r->study;
    r->results = (pare_robust_results){.model = pare_checkpoint_directory(r->model->checkpoint),
                                       .pictures = pare_reads_pictures(&r->model->config),
                                       .parameters = pare_model_parameters(r->model),
                                       .seed = study->seed,
                                       .seeds = study->seeds,
                                       .layers = r->model->config.layers,
                                       .texts = evaluation_of(r)->texts,
                                       .text_count = evaluation_of(r)->text_count,
                                       .ranked = study->ranks};
    r->seed = study->seed;
    PARE_TRY(name_files(r));
    PARE_TRY(pare_robust_results_new(&r->results, study->change_count, r->methods, r->ratios));
    name_results(r);
    return pare_alloc(&r->dense, r->methods * r->ratios, sizeof *r->dense, "results");
}

/* Read once: a changed model would write another text of its own, and be measured on that. */
static pare_status load_texts(void *context) {
    robust *r = context;
    size_t count = evaluation_of(r)->text_count;
    pare_prune_job job;
    PARE_TRY(pare_alloc(&r->texts, count, sizeof *r->texts, "texts"));
    pare_status status = pare_prune_begin(r->model, r->study->jobs, r->runtime, &job);
    for (size_t i = 0; i < count && status == PARE_OK; i++)
        status = pare_prune_text_windows(&job, i, &r->texts[i]);
    pare_prune_end(&job);
    return status;
}

/* True if this rank runs a method with the seed under way. */
static bool is_own(const robust *r, size_t method) {
    return pare_robust_owner(r->study, r->repetition, method, r->ranks) == r->rank;
}

static pare_status run_dense(robust *r) {
    pare_cache *cache = pare_cache_new();
    pare_status status = PARE_OK;
    for (size_t m = 0; m < r->methods && status == PARE_OK; m++)
        for (size_t i = 0; i < r->ratios && is_own(r, m) && status == PARE_OK; i++) {
            pare_robust_request request = request_of(r, m, i);
            request.cache = cache;
            status = pare_robust_run(&request, &r->dense[m * r->ratios + i]);
        }
    pare_cache_free(cache);
    return status;
}

/* Of a mean loss: the perplexity, or itself where there is no next token. */
static double shown(const robust *r, double nll) {
    return r->results.pictures ? nll : exp(nll);
}

static void compare_texts(const robust *r, const pare_robust_outcome *a, const pare_robust_outcome *b,
                          pare_robust_text *out) {
    for (size_t i = 0; i < r->results.text_count; i++)
        out[i] = (pare_robust_text){.unpruned = shown(r, a->dense[i]),
                                    .changed_unpruned = shown(r, b->dense[i]),
                                    .pruned = shown(r, a->nll[i]),
                                    .changed = shown(r, b->nll[i])};
}

static pare_status record(robust *r, size_t change, size_t method, size_t ratio, const pare_robust_outcome *after) {
    const pare_robust_outcome *before = &r->dense[method * r->ratios + ratio];
    size_t index = change * r->methods + method;
    pare_robust_seed *seed = &r->results.comparisons[index * r->ratios + ratio].seeds[r->repetition];
    seed->seed = r->seed;
    PARE_TRY(pare_robust_compare(r->model, before, after, seed));
    compare_texts(r, before, after, seed->texts);
    if (!r->results.ranked || ratio || r->repetition) return PARE_OK;
    return pare_robust_rank(r->model, before, after, &r->results.ranks[index]);
}

static pare_status run_changed(robust *r, size_t change, pare_robust_request request, size_t method, size_t ratio) {
    const pare_robust_outcome *before = &r->dense[method * r->ratios + ratio];
    pare_robust_kind kind = r->study->changes[change].kind;
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
    const pare_robust_change *c = &r->study->changes[change];
    pare_perturbation how = c->perturbation;
    pare_temporary_model changed = {0};
    pare_cache *cache = NULL;
    pare_status status = PARE_OK;
    if (c->kind == PARE_ROBUST_WEIGHTS) {
        how.seed = r->seed;
        status = pare_perturbed_model_new(r->model, &how, NULL, r->runtime, &changed);
    }
    if (status == PARE_OK) cache = pare_cache_new();
    for (size_t m = 0; m < r->methods && status == PARE_OK; m++)
        for (size_t i = 0; i < r->ratios && is_own(r, m) && status == PARE_OK; i++) {
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

static bool owns_some(const robust *r) {
    bool some = false;
    for (size_t m = 0; m < r->methods; m++)
        some = some || is_own(r, m);
    return some;
}

static pare_status run_own(robust *r) {
    for (r->repetition = 0; r->repetition < r->study->seeds; r->repetition++) {
        if (!owns_some(r)) continue;
        r->seed = r->study->seed + r->repetition;
        PARE_TRY(run_dense(r));
        for (size_t c = 0; c < r->study->change_count; c++)
            PARE_TRY(run_change(r, c));
        free_dense(r);
    }
    return PARE_OK;
}

static pare_status run_points(void *context) {
    robust *r = context;
    r->rank = pare_peer_rank();
    r->ranks = pare_peer_count();
    pare_peer_set_apart(true);
    pare_status status = run_own(r);
    pare_peer_set_apart(false);
    return status == PARE_OK ? pare_robust_share(r->study, &r->results) : status;
}

static pare_status measure_lipschitz(void *context) {
    robust *r = context;
    if (!r->study->gradient_count) return PARE_OK;
    r->results.lipschitz = &r->lipschitz;
    return pare_robust_lipschitz(r->model, r->study, r->runtime, &r->lipschitz);
}

static pare_status put_figure(void *context, const char *name, const char *text) {
    robust *r = context;
    char *path = plot_path(r, name);
    pare_status status = path ? pare_run_write_text(&r->run, text, path) : pare_whole();
    free(path);
    return status;
}

static pare_status write_files(void *context) {
    robust *r = context;
    if (r->study->plot) PARE_TRY(pare_rank_figures(&r->results, put_figure, r));
    if (!r->study->csv) return PARE_OK;
    char *text = pare_robustness_csv(&r->results);
    if (!text) return pare_fail(PARE_OUT_OF_MEMORY, "not enough memory for the table of perplexities");
    pare_status status = pare_run_write_text(&r->run, text, r->study->csv);
    free(text);
    return status;
}

static void release(robust *r) {
    free_dense(r);
    for (size_t i = 0; r->texts && i < evaluation_of(r)->text_count; i++)
        pare_windows_free(&r->texts[i]);
    pare_free(r->texts);
    pare_free(r->dense);
    pare_robust_results_free(&r->results);
    pare_lipschitz_results_free(&r->lipschitz);
    pare_run_end(&r->run);
}

pare_status pare_study_run(const pare_model *model, const pare_study *study, const pare_runtime *runtime,
                           char **report) {
    static const pare_job_stage stages[] = {{"check", prepare},
                                            {"texts", load_texts},
                                            {"runs", run_points},
                                            {"lipschitz", measure_lipschitz},
                                            {"figures", write_files}};
    robust r = {.model = model, .study = study, .runtime = runtime, .methods = study->methods, .ratios = study->ratios};
    pare_run_begin(&r.run);
    pare_status status = pare_run_stages(&r.run, stages, sizeof stages / sizeof *stages, &r);
    if (status == PARE_OK) status = pare_report_text(PARE_REPORT_ROBUSTNESS, &r.results, report);
    status = pare_run_commit(&r.run, status, report);
    release(&r);
    return status;
}
