/* pare_evaluate: texts to windows, tasks to requests, both to numbers, numbers to JSON. */
#include "calibrate/calibration.h"
#include "calibrate/self.h"
#include "evaluate/divergence.h"
#include "evaluate/tasks.h"
#include "evaluate/zero_shot_report.h"
#include "run/paths.h"
#include "support/json.h"
#include "support/memory.h"
#include "support/progress.h"
#include "support/runtime.h"
#include "train/adapter_open.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { WINDOW = 128, SELF_WINDOWS = 64 };

typedef struct job {
    const pare_model *model;
    const pare_evaluate_options *options;
    const pare_runtime *runtime;
    pare_backend *backend;
    pare_trained *adapter; /* or NULL */
    pare_runtime left;     /* with the memory that it leaves */
    uint32_t window;
    json_t *texts, *tasks;
    double chosen; /* sum of the tasks' chosen accuracies */
    pare_items items;
} job;

static const pare_adapters *adapters_of(const job *j) {
    return j->adapter ? j->adapter->adapters : NULL;
}

/* The model that texts are written and tokenized by; its own text it writes with its adapter. */
static const pare_model *author(const job *j) {
    return j->options->against ? j->options->against : j->model;
}

static pare_status load_windows(const job *j, const char *name, pare_windows *out) {
    const pare_evaluate_options *o = j->options;
    if (pare_calibration_is_self(name)) {
        pare_self_request request = {.sequences = o->max_windows ? o->max_windows : SELF_WINDOWS,
                                     .length = j->window,
                                     .seed = o->seed,
                                     .adapters = o->against ? NULL : adapters_of(j)};
        return pare_self_sample(author(j), j->backend, j->runtime, &request, out);
    }
    const pare_tokenizer *tokenizer;
    PARE_TRY(pare_calibration_tokenizer(author(j), name, &tokenizer));
    PARE_TRY(pare_windows_stream(tokenizer, name, NULL, j->window, o->max_windows, out));
    pare_runtime_note(j->runtime, out->note);
    return PARE_OK;
}

static pare_status measure(const job *j, const char *name, const pare_windows *windows, pare_divergence_result *out) {
    const char *slash = strrchr(name, '/');
    char *stage = pare_format("evaluating %s", slash && slash[1] ? slash + 1 : name);
    pare_evaluation evaluation = {.model = j->model,
                                  .adapters = adapters_of(j),
                                  .backend = j->backend,
                                  .runtime = j->runtime,
                                  .windows = windows,
                                  .name = name,
                                  .stage = stage};
    pare_status status = j->options->against ? pare_divergence(&evaluation, j->options->against, out)
                                             : pare_perplexity(&evaluation, &out->nll);
    if (status == PARE_OK) status = pare_evaluation_check(&evaluation, "perplexity", exp(out->nll));
    free(stage);
    return status;
}

static pare_status evaluate_windows(job *j, const char *name, const pare_windows *windows) {
    char digest[65];
    pare_divergence_result result;
    PARE_TRY(pare_calibration_check(j->model, name, windows));
    PARE_TRY(pare_windows_digest(windows, digest));
    PARE_TRY(measure(j, name, windows, &result));
    json_t *entry =
        pare_json_of({"file", pare_json_name(name)}, {"perplexity", pare_json_real(exp(result.nll))},
                     {"nll", pare_json_real(result.nll)},
                     {"tokens", json_integer((json_int_t)windows->count * (json_int_t)windows->length)},
                     {"windows", json_integer((json_int_t)windows->count)}, {"sha256", pare_json_string(digest)});
    if (j->options->against) {
        pare_json_put(entry, "kl", pare_json_real(result.kl));
        pare_json_put(entry, "top1", pare_json_real(result.top1));
    }
    if (windows->note) pare_json_put(entry, "note", pare_json_string(windows->note));
    pare_json_append(j->texts, entry);
    return PARE_OK;
}

static pare_status evaluate_texts(job *j) {
    for (size_t i = 0; i < j->options->text_count; i++) {
        pare_windows windows = {0};
        const char *name = j->options->texts[i];
        PARE_TRY(load_windows(j, name, &windows));
        pare_status status = evaluate_windows(j, name, &windows);
        pare_windows_free(&windows);
        PARE_TRY(status);
    }
    return PARE_OK;
}

static pare_status evaluate_task(job *j, const pare_task_file *file) {
    const pare_zero_shot zero_shot = {j->model, j->backend, j->runtime, j->options->tasks->protocol, adapters_of(j)};
    pare_zero_shot_scores scores;
    json_t *entry = NULL;
    double chosen = 0.0;
    PARE_TRY(pare_zero_shot_score(&zero_shot, file, &scores));
    pare_status status = pare_items_add(&j->items, file, &scores);
    if (status == PARE_OK) status = pare_zero_shot_entry(file, &scores, &entry, &chosen);
    pare_zero_shot_scores_free(&scores);
    PARE_TRY(status);
    j->chosen += chosen;
    pare_json_append(j->tasks, entry);
    return PARE_OK;
}

static pare_status evaluate_tasks(job *j) {
    const pare_tasks *tasks = j->options->tasks;
    if (!tasks) return PARE_OK;
    PARE_TRY(pare_items_open(j->options->items, &j->items));
    for (size_t i = 0; i < tasks->count; i++)
        PARE_TRY(evaluate_task(j, &tasks->files[i]));
    return PARE_OK;
}

/* Only the items are written. */
static pare_status check_paths(const job *j) {
    const pare_evaluate_options *o = j->options;
    pare_paths paths = {0};
    pare_paths_read(&paths, "MODEL", pare_checkpoint_directory(j->model->checkpoint), PARE_PATH_FOLDER);
    if (o->against)
        pare_paths_read(&paths, "--against", pare_checkpoint_directory(o->against->checkpoint), PARE_PATH_FOLDER);
    pare_paths_read(&paths, "--adapter", o->adapter, PARE_PATH_FOLDER);
    for (size_t i = 0; i < o->text_count; i++)
        if (!pare_calibration_is_self(o->texts[i])) pare_paths_read(&paths, "--text", o->texts[i], PARE_PATH_FILE);
    for (size_t i = 0; o->tasks && i < o->tasks->count; i++)
        pare_paths_read(&paths, "--data", o->tasks->files[i].path, PARE_PATH_FILE);
    pare_paths_write(&paths, "--save-items", o->items, PARE_PATH_FILE);
    if (j->runtime) pare_paths_write(&paths, "--scratch", j->runtime->scratch, PARE_PATH_SCRATCH);
    pare_status status = pare_paths_check(&paths);
    pare_paths_free(&paths);
    return status;
}

static pare_status check_options(const job *j) {
    if (!j->options->text_count && !j->options->tasks)
        return pare_fail(PARE_BAD_ARGUMENT, "there is no text and no task to evaluate on; name a file, or \"self\"");
    PARE_TRY(check_paths(j));
    PARE_TRY(pare_calibration_check_length(j->model, "--window", j->window));
    return pare_calibration_check_length(author(j), "--window", j->window);
}

/* The tasks' part of the report. The average of all seven has a name of its own, since papers call it so. */
static void add_tasks(const job *j, json_t *report) {
    const pare_tasks *tasks = j->options->tasks;
    if (!tasks) return;
    double average = j->chosen / (double)tasks->count;
    pare_json_put(report, "parameters", json_integer((json_int_t)pare_model_parameters(j->model)));
    pare_json_put(report, "protocol", pare_json_string(pare_task_protocol_name(tasks->protocol)));
    pare_json_put(report, "tasks", pare_json_same(j->tasks));
    pare_json_put(report, "average", pare_json_real(average));
    if (!pare_task_at(tasks->count)) pare_json_put(report, "qa_average", pare_json_real(average));
}

static pare_status open_adapter(job *j) {
    pare_lora_options options;
    if (!j->options->adapter) return PARE_OK;
    const pare_runtime *given = j->runtime;
    j->runtime = &j->left;
    return pare_lora_open_adapter(j->model, j->backend, j->options->adapter, given, &options, &j->left, &j->adapter);
}

static json_t *report_of(const job *j, double seconds) {
    json_t *report = pare_json_of(
        {"model", pare_json_name(pare_checkpoint_directory(j->model->checkpoint))},
        {"compute", pare_json_string(j->backend->operand == PARE_DTYPE_BF16 ? "bf16" : "fp32")},
        {"window", json_integer((json_int_t)j->window)}, {"seed", json_integer((json_int_t)j->options->seed)},
        {"texts", pare_json_same(j->texts)}, {"seconds", pare_json_real(seconds)});
    if (j->options->against)
        pare_json_put(report, "against", pare_json_name(pare_checkpoint_directory(j->options->against->checkpoint)));
    if (j->options->adapter) pare_json_put(report, "adapter", pare_json_name(j->options->adapter));
    add_tasks(j, report);
    return report;
}

pare_status pare_evaluate(const pare_model *model, const pare_evaluate_options *options, const pare_runtime *runtime,
                          char **report) {
    job j = {.model = model, .options = options, .runtime = runtime, .window = options->window};
    double start = pare_clock();
    *report = NULL;
    if (!j.window) j.window = WINDOW;
    PARE_TRY(PARE_OPTIONS_CHECK(pare_evaluate_options, options));
    PARE_TRY(pare_runtime_check(runtime));
    PARE_TRY(check_options(&j));
    PARE_TRY(pare_backend_open(runtime, false, &j.backend));
    j.texts = json_array();
    j.tasks = json_array();
    pare_status status = open_adapter(&j);
    if (status == PARE_OK) status = evaluate_texts(&j);
    if (status == PARE_OK) status = evaluate_tasks(&j);
    if (status == PARE_OK) status = pare_json_text(report_of(&j, pare_clock() - start), report);
    if (status == PARE_OK) status = pare_items_finish(&j.items);
    if (status != PARE_OK) {
        pare_text_free(*report);
        *report = NULL;
    }
    pare_items_drop(&j.items);
    json_decref(j.texts);
    json_decref(j.tasks);
    pare_trained_free(j.adapter);
    pare_backend_close(j.backend);
    return status;
}
