/* Texts to windows, tasks to requests, both to numbers. */
#include "evaluate/evaluate.h"
#include "calibrate/calibration.h"
#include "calibrate/self.h"
#include "evaluate/continuations.h"
#include "evaluate/pair.h"
#include "evaluate/zero_shot_result.h"
#include "model/agreement.h"
#include "model/patches.h"
#include "report/evaluation.h"
#include "report/lm_eval.h"
#include "report/report.h"
#include "run/ranks.h"
#include "run/run.h"
#include "support/file.h"
#include "support/memory.h"
#include "support/path.h"
#include "support/peer.h"
#include "support/progress.h"
#include "support/runtime.h"
#include "support/text_stream.h"
#include "train/adapter_open.h"

#include <stdio.h>
#include <stdlib.h>

enum { SELF_WINDOWS = 64 };

typedef struct job {
    pare_run run; /* its files: items, and results as the harness has them */
    const pare_model *model;
    const pare_evaluate_job *asked;
    const pare_runtime *runtime;
    pare_backend *backend;
    pare_trained *adapter;        /* or NULL */
    pare_runtime left;            /* with the memory that it leaves */
    pare_text_result *texts;      /* [text_count], [tasks->count] */
    pare_picture_scores pictures; /* of a model that reads them */
    pare_task_result *tasks;
    pare_rank_cost *ranks; /* [rank_count] */
    size_t rank_count;
    char *items; /* lines for what every document gave */
} job;

static const pare_adapters *adapters_of(const job *j) {
    return j->adapter ? j->adapter->adapters : NULL;
}

/* The model that texts are written and tokenized by; its own text it writes with its adapter. */
static const pare_model *author(const job *j) {
    return j->asked->against ? j->asked->against : j->model;
}

static pare_status load_windows(const job *j, const char *name, pare_windows *out) {
    const pare_evaluate_job *o = j->asked;
    if (pare_calibration_is_self(name)) {
        pare_self_request request = {.sequences = o->max_windows ? o->max_windows : SELF_WINDOWS,
                                     .length = j->asked->window,
                                     .seed = o->seed,
                                     .adapters = o->against ? NULL : adapters_of(j)};
        return pare_self_sample(author(j), j->backend, j->runtime, &request, out);
    }
    return pare_calibration_stream(author(j), name, j->asked->window, o->max_windows, j->runtime, out);
}

/* Of the model; and what the one that it is compared with writes on. */
static pare_status measure(const job *j, const pare_windows *windows, pare_text_side *out, pare_text_result *text) {
    char *stage = pare_format("evaluating %s", pare_path_name(text->file));
    pare_evaluation evaluation = {.model = j->model,
                                  .adapters = adapters_of(j),
                                  .backend = j->backend,
                                  .runtime = j->runtime,
                                  .windows = windows,
                                  .name = text->file,
                                  .stage = stage,
                                  .continuations = j->asked->continuations,
                                  .seed = j->asked->seed};
    pare_status status = pare_evaluate_side(&evaluation, j->asked->against, out);
    evaluation.model = j->asked->against;
    evaluation.adapters = NULL;
    if (status == PARE_OK && evaluation.model && evaluation.continuations)
        status = pare_continuations_measure(&evaluation, author(j), &text->against);
    free(stage);
    return status;
}

static pare_status evaluate_windows(job *j, const pare_windows *windows, pare_text_result *out) {
    pare_text_side side = {0};
    PARE_TRY(pare_calibration_check(j->model, out->file, windows));
    PARE_TRY(pare_calibration_digest(j->model, windows, out->digest));
    PARE_TRY(pare_peer_agree("windows of text or pictures (by their digest)", out->digest));
    PARE_TRY(measure(j, windows, &side, out));
    out->nll = side.nll;
    out->kl = side.kl;
    out->top1 = side.top1;
    out->continuations = side.continuations;
    j->pictures = side.answers;
    out->tokens = (uint64_t)windows->count * windows->length;
    out->windows = windows->count;
    out->note = windows->note ? pare_format("%s", windows->note) : NULL;
    return pare_whole();
}

static pare_status evaluate_texts(void *context) {
    job *j = context;
    for (size_t i = 0; i < j->asked->text_count; i++) {
        pare_windows windows = {0};
        j->texts[i].file = j->asked->texts[i];
        PARE_TRY(load_windows(j, j->texts[i].file, &windows));
        pare_status status = evaluate_windows(j, &windows, &j->texts[i]);
        pare_windows_free(&windows);
        PARE_TRY(status);
    }
    return PARE_OK;
}

/* items: where a line for each document goes, or NULL. */
static pare_status evaluate_task(job *j, size_t index, FILE *items) {
    const pare_zero_shot zero_shot = {j->model, j->backend, j->runtime, j->asked->tasks->protocol, adapters_of(j)};
    const pare_task_file *file = &j->asked->tasks->files[index];
    pare_zero_shot_scores scores;
    PARE_TRY(pare_zero_shot_score(&zero_shot, file, &scores));
    pare_status status = items ? pare_zero_shot_items(file, &scores, items) : PARE_OK;
    if (status == PARE_OK) j->tasks[index] = pare_zero_shot_result(file, &scores);
    j->tasks[index].version = file->task->versions[zero_shot.protocol];
    pare_zero_shot_scores_free(&scores);
    return status;
}

static pare_status evaluate_tasks(void *context) {
    job *j = context;
    size_t bytes;
    if (!j->asked->tasks) return PARE_OK;
    FILE *items = j->asked->items ? pare_text_stream(&j->items, &bytes) : NULL;
    pare_status status = PARE_OK;
    if (j->asked->items && !items) status = pare_fail(PARE_OUT_OF_MEMORY, "not enough memory for --save-items");
    for (size_t i = 0; i < j->asked->tasks->count && status == PARE_OK; i++)
        status = evaluate_task(j, i, items);
    bool failed = items && ferror(items);
    if (items && (fclose(items) != 0 || failed) && status == PARE_OK)
        status = pare_fail(PARE_OUT_OF_MEMORY, "not enough memory for --save-items");
    return status;
}

static pare_status write_items(void *context) {
    job *j = context;
    return j->items ? pare_run_write_text(&j->run, j->items, j->asked->items) : PARE_OK;
}

static void name_paths(job *j) {
    const pare_evaluate_job *o = j->asked;
    pare_paths *paths = &j->run.paths;
    pare_paths_read(paths, "MODEL", pare_checkpoint_directory(j->model->checkpoint), PARE_PATH_DATA);
    if (o->against)
        pare_paths_read(paths, "--against", pare_checkpoint_directory(o->against->checkpoint), PARE_PATH_DATA);
    pare_paths_read(paths, "--adapter", o->adapter, PARE_PATH_FOLDER);
    for (size_t i = 0; i < o->text_count; i++)
        if (!pare_calibration_is_self(o->texts[i]))
            pare_paths_read(paths, pare_calibration_option(j->model), o->texts[i], PARE_PATH_DATA);
    for (size_t i = 0; o->tasks && i < o->tasks->count; i++)
        pare_paths_read(paths, "--data", o->tasks->files[i].path, PARE_PATH_FILE);
    if (o->tasks) pare_paths_write(paths, "--save-items", o->items, PARE_PATH_FILE);
    if (o->tasks) pare_paths_write(paths, "--lm-eval-json", o->harness, PARE_PATH_FILE);
    if (j->runtime) pare_paths_write(paths, "--scratch", j->runtime->scratch, PARE_PATH_SCRATCH);
}

static pare_status check_pictures(const job *j) {
    const pare_evaluate_job *o = j->asked;
    const char *folder = pare_checkpoint_directory(j->model->checkpoint);
    if (o->tasks) return pare_fail(PARE_BAD_ARGUMENT, "%s reads pictures: there are no tasks of text for it", folder);
    if (o->text_count > 1)
        return pare_fail(PARE_BAD_ARGUMENT, "--images: %s and %s are two sets; give one, with a folder per class",
                         o->texts[0], o->texts[1]);
    PARE_TRY(pare_calibration_check_source(j->model, pare_calibration_option(j->model), o->texts[0]));
    if (!o->against) return PARE_OK;
    if (!pare_reads_pictures(&o->against->config))
        return pare_fail(PARE_BAD_ARGUMENT, "%s reads pictures and %s text; these cannot be compared", folder,
                         pare_checkpoint_directory(o->against->checkpoint));
    return pare_model_match_pictures(j->model, o->against, "--against");
}

/* Refuses, before any work, what cannot be. */
static pare_status check(void *context) {
    job *j = context;
    name_paths(j);
    PARE_TRY(pare_run_open(&j->run, NULL, NULL, false, 0));
    if (j->asked->continuations) PARE_TRY(pare_continuations_check(j->model, j->asked->window));
    if (pare_reads_pictures(&j->model->config)) return check_pictures(j);
    if (j->asked->continuations) PARE_TRY(pare_continuations_check(author(j), j->asked->window));
    PARE_TRY(pare_calibration_check_length(j->model, "--window", j->asked->window));
    return pare_calibration_check_length(author(j), "--window", j->asked->window);
}

static pare_status open(void *context) {
    job *j = context;
    const pare_evaluate_job *o = j->asked;
    pare_lora_options options;
    PARE_TRY(pare_backend_open(j->runtime, false, &j->backend));
    PARE_TRY(pare_ranks_agree(j->model, j->backend));
    if (o->against) PARE_TRY(pare_ranks_agree(o->against, j->backend));
    PARE_TRY(pare_alloc(&j->texts, o->text_count, sizeof *j->texts, "perplexities"));
    if (o->tasks) PARE_TRY(pare_alloc(&j->tasks, o->tasks->count, sizeof *j->tasks, "the tasks' results"));
    if (!o->adapter) return PARE_OK;
    const pare_runtime *given = j->runtime;
    j->runtime = &j->left;
    return pare_lora_open_adapter(j->model, j->backend, o->adapter, given, &options, &j->left, &j->adapter);
}

static pare_status make_report(job *j, double seconds, char **report) {
    const pare_evaluate_job *o = j->asked;
    const pare_tasks *tasks = o->tasks;
    pare_evaluation_results results = {
        .model = pare_checkpoint_directory(j->model->checkpoint),
        .compute = j->backend->operand == PARE_DTYPE_BF16 ? "bf16" : "fp32",
        .against = o->against ? pare_checkpoint_directory(o->against->checkpoint) : NULL,
        .adapter = o->adapter,
        .parameters = pare_model_parameters(j->model),
        .seed = o->seed,
        .window = j->asked->window,
        .texts = j->texts,
        .text_count = o->text_count,
        .protocol = tasks ? pare_task_protocol_name(tasks->protocol) : NULL,
        .tasks = j->tasks,
        .task_count = tasks ? tasks->count : 0,
        .all_tasks = tasks && !pare_task_at(tasks->count),
        .pictures = pare_reads_pictures(&j->model->config) ? &j->pictures : NULL,
        .seconds = seconds,
        .stages = j->run.times,
        .stage_count = j->run.time_count,
        .ranks = j->ranks,
        .rank_count = j->rank_count,
    };
    PARE_TRY(pare_report_text(PARE_REPORT_EVALUATION, &results, report));
    if (!tasks || !o->harness) return PARE_OK;
    return pare_run_write(&j->run, pare_report_lm_eval(&results, &j->model->config), o->harness);
}

static void release(job *j) {
    for (size_t i = 0; j->texts && i < j->asked->text_count; i++)
        free(j->texts[i].note);
    pare_free(j->texts);
    pare_free(j->tasks);
    pare_free(j->ranks);
    free(j->items);
    pare_trained_free(j->adapter);
    pare_backend_close(j->backend);
    pare_run_end(&j->run);
}

pare_status pare_evaluate_job_run(const pare_model *model, const pare_evaluate_job *asked, const pare_runtime *runtime,
                                  char **report) {
    static const pare_job_stage stages[] = {
        {NULL, check}, {"open", open}, {"texts", evaluate_texts}, {"tasks", evaluate_tasks}, {"items", write_items},
    };
    job j = {.model = model, .asked = asked, .runtime = runtime};
    double start = pare_clock();
    pare_run_begin(&j.run);
    pare_status status = pare_run_stages(&j.run, stages, sizeof stages / sizeof *stages, &j);
    if (status == PARE_OK) status = pare_run_ranks(&j.ranks, &j.rank_count);
    if (status == PARE_OK) status = make_report(&j, pare_clock() - start, report);
    status = pare_run_commit(&j.run, status, report);
    release(&j);
    return status;
}
