/* pare_imatrix: the importance matrix of a model, for llama.cpp. */
#include "report/imatrix.h"
#include "calibrate/calibration.h"
#include "evaluate/imatrix.h"
#include "model/gguf_target.h"
#include "model/latent_tensors.h"
#include "report/report.h"
#include "run/run.h"
#include "support/memory.h"
#include "support/runtime.h"

typedef struct imatrix_job {
    const pare_model *model;
    const pare_imatrix_options *asked;
    const pare_runtime *runtime;
    pare_backend *backend;
    pare_windows windows;
    char digest[65];
    pare_plan plan;
    pare_run run;
} imatrix_job;

static const char *source_of(const imatrix_job *j) {
    const char *source = j->asked->calibration.source;
    return pare_calibration_is_self(source) ? "self" : source;
}

static pare_status prepare(void *context) {
    imatrix_job *j = context;
    const char *folder = pare_checkpoint_directory(j->model->checkpoint), *source = j->asked->calibration.source;
    pare_gguf_target held;
    PARE_TRY(pare_latents_refuse(j->model, "an importance matrix"));
    PARE_TRY(pare_gguf_target_find(&j->model->config, folder, &held));
    PARE_TRY(pare_calibration_check_source(j->model, "--calib", source));
    pare_paths_read(&j->run.paths, "MODEL", folder, PARE_PATH_DATA);
    if (!pare_calibration_is_self(source)) pare_paths_read(&j->run.paths, "--calib", source, PARE_PATH_FILE);
    pare_paths_write(&j->run.paths, "-o", j->asked->output, PARE_PATH_FILE);
    return pare_run_open(&j->run, NULL, folder, false, 0);
}

/* Sequences are cut from all documents joined, as llama-imatrix reads its text. */
static pare_status read_text(void *context) {
    enum { SAMPLES = 128 };
    imatrix_job *j = context;
    pare_calibration_options options = j->asked->calibration;
    options.stream = true;
    pare_calibration_request request = {.options = &options, .usual = SAMPLES, .seed = j->asked->seed};
    PARE_TRY(pare_calibration_load(j->model, j->backend, j->runtime, &request, &j->windows, j->digest));
    PARE_TRY(pare_imatrix_plan(j->model, j->backend, j->runtime, &j->windows, &j->plan));
    if (j->runtime && j->runtime->plan) j->runtime->plan(j->runtime->progress_user, &j->plan);
    return PARE_OK;
}

static pare_status measure(void *context) {
    imatrix_job *j = context;
    pare_evaluation evaluation = {
        .model = j->model, .backend = j->backend, .runtime = j->runtime, .windows = &j->windows, .name = source_of(j)};
    return pare_imatrix_write(&evaluation, &j->run, j->asked->output);
}

static const pare_job_stage stages[] = {
    {"preparing", prepare}, {"calibration data", read_text}, {"importance matrix", measure}};

static pare_status make_report(const imatrix_job *j, char **text) {
    pare_imatrix_results results = {.model = pare_checkpoint_directory(j->model->checkpoint),
                                    .text = source_of(j),
                                    .output = j->asked->output,
                                    .parameters = pare_model_parameters(j->model),
                                    .bytes = pare_model_bytes(j->model),
                                    .sequences = j->windows.count,
                                    .length = j->windows.length,
                                    .digest = j->digest,
                                    .plan = &j->plan,
                                    .times = j->run.times,
                                    .time_count = j->run.time_count};
    return pare_report_text(PARE_REPORT_IMATRIX, &results, text);
}

pare_status pare_imatrix(const pare_model *model, const pare_imatrix_options *options, const pare_runtime *runtime,
                         char **report) {
    imatrix_job j = {.model = model, .asked = options, .runtime = runtime};
    *report = NULL;
    PARE_TRY(PARE_OPTIONS_CHECK(pare_imatrix_options, options));
    if (!options->output)
        return pare_fail(PARE_BAD_ARGUMENT, "-o FILE is missing: name the importance matrix to write");
    PARE_TRY(pare_runtime_check(runtime));
    pare_memory_peak_reset();
    pare_run_begin(&j.run);
    pare_status status = pare_backend_open(runtime, false, &j.backend);
    if (status == PARE_OK) status = pare_run_stages(&j.run, stages, sizeof stages / sizeof *stages, &j);
    if (status == PARE_OK) status = make_report(&j, report);
    status = pare_run_commit(&j.run, status, report);
    pare_run_end(&j.run);
    pare_windows_free(&j.windows);
    pare_backend_close(j.backend);
    return status;
}
