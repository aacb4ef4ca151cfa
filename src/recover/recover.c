/* pare_recover: from a checkpoint and examples to a checkpoint that was trained on them. */
#include "recover/recover_job.h"
#include "support/file.h"
#include "support/memory.h"
#include "support/progress.h"
#include "support/runtime.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Below this, threads that wait for each other cost more than they bring. */
enum { PARALLEL_PARAMETERS = 1 << 17 };

typedef pare_status (*stage_fn)(pare_recover_job *job);

static pare_status open_output(pare_recover_job *job) {
    enum { SMALL_FILES = 1 << 22 };
    const pare_recover_options *o = job->options;
    const char *directory = pare_checkpoint_directory(job->model->checkpoint);
    uint64_t bytes = (o->adapter ? 0 : pare_model_bytes(job->model)) + SMALL_FILES;
    PARE_TRY(pare_output_begin(o->output, directory, o->force, bytes, &job->output));
    if (!o->resume) return PARE_OK;
    size_t length = strlen(o->output);
    while (length > 1 && o->output[length - 1] == '/')
        length--;
    job->progress = pare_format("%.*s.progress", (int)length, o->output);
    job->state = pare_path_join(job->progress, "training.state");
    pare_interrupted_keeps(job->progress);
    return pare_whole();
}

static pare_status check_curve(const pare_recover_job *job) {
    const pare_recover_options *o = job->options;
    if (!o->curve) return PARE_OK;
    char *path = pare_format("%s.csv", o->curve);
    pare_status status = pare_staged_check(path, pare_checkpoint_directory(job->model->checkpoint), o->output);
    free(path);
    return status;
}

static pare_status prepare(pare_recover_job *job) {
    PARE_TRY(pare_recover_resolve(job->model, job->options, &job->settings));
    if (!job->options->output) return pare_fail(PARE_BAD_ARGUMENT, "-o OUT is missing: name the folder to write");
    PARE_TRY(check_curve(job));
    return open_output(job);
}

static pare_status scan(pare_recover_job *job) {
    return pare_checkpoint_scan(job->model->checkpoint, job->runtime, &job->scan);
}

static pare_status timed(pare_recover_job *job, const char *name, stage_fn run) {
    double start = pare_clock();
    PARE_TRY(pare_interrupted());
    PARE_TRY(run(job));
    double before = json_number_value(json_object_get(job->seconds, name));
    json_object_set_new(job->seconds, name, json_real(before + pare_clock() - start));
    return PARE_OK;
}

static pare_status run_stages(pare_recover_job *job) {
    static const struct {
        const char *name;
        stage_fn run;
    } stages[] = {
        {"preparing", prepare},
        {"reading and checking", scan},
        {"reading examples", pare_recover_read},
        {"preparing", pare_recover_plan},
        {"evaluation", pare_recover_evaluate_before},
        {"training", pare_recover_train},
        {"writing", pare_recover_write},
        {"checking the result", pare_recover_verify},
        {"evaluation", pare_recover_evaluate_after},
        {"putting into place", pare_recover_commit},
    };
    for (size_t i = 0; i < sizeof stages / sizeof *stages; i++)
        PARE_TRY(timed(job, stages[i].name, stages[i].run));
    return PARE_OK;
}

static void end(pare_recover_job *job) {
    pare_model_close(job->written);
    pare_output_abandon(job->output);
    pare_staged_drop(&job->csv);
    pare_staged_drop(&job->svg);
    pare_trainer_free(&job->trainer);
    pare_trained_free(job->trained);
    pare_batches_free(job->batches);
    pare_examples_free(&job->examples);
    pare_chat_style_free(&job->style);
    pare_scan_free(&job->scan);
    pare_free(job->before);
    pare_interrupted_keeps(NULL);
    if (job->locked) close(job->lock);
    free(job->progress);
    free(job->state);
    json_decref(job->texts);
    json_decref(job->seconds);
    json_decref(job->files);
    pare_backend_close(job->backend);
}

static pare_status run(pare_recover_job *job, char **report) {
    *report = NULL;
    PARE_TRY(PARE_OPTIONS_CHECK(pare_recover_options, job->options));
    PARE_TRY(pare_runtime_check(job->runtime));
    pare_memory_peak_reset();
    job->seconds = json_object();
    bool alone = pare_model_parameters(job->model) < PARALLEL_PARAMETERS;
    pare_status status = pare_backend_open(job->runtime, alone, &job->backend);
    if (status == PARE_OK) status = run_stages(job);
    if (status == PARE_OK) status = pare_recover_report(job, report);
    end(job);
    return status;
}

pare_status pare_recover(const pare_model *model, const pare_recover_options *options, const pare_runtime *runtime,
                         char **report) {
    return run(&(pare_recover_job){.model = model, .options = options, .runtime = runtime}, report);
}

pare_status pare_recover_passing(const pare_model *model, const pare_recover_options *options,
                                 const pare_runtime *runtime, char **report) {
    return run(&(pare_recover_job){.model = model, .passing = true, .options = options, .runtime = runtime}, report);
}

pare_status pare_recover_check(const pare_model *model, const pare_recover_options *options) {
    pare_recover_settings settings;
    return pare_recover_resolve(model, options, &settings);
}
