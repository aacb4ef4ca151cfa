#include "recover/merge.h"
#include "calibrate/check_window.h"
#include "checkpoint/scan.h"
#include "model/companions.h"
#include "model/patches.h"
#include "recover/merged.h"
#include "recover/zeros.h"
#include "report/engines.h"
#include "report/merge.h"
#include "report/report.h"
#include "run/gguf.h"
#include "run/remote_code.h"
#include "run/run.h"
#include "support/file.h"
#include "support/memory.h"
#include "support/runtime.h"
#include "train/adapter_file.h"
#include "train/adapter_open.h"
#include "train/write.h"

#include <stdlib.h>

typedef struct job {
    const pare_model *model;
    const pare_merge_job *asked;
    pare_runtime runtime; /* with the memory that the adapter leaves */
    pare_backend *backend;
    pare_lora_options lora;
    pare_trained *adapter;
    pare_model *written;
    pare_scan scan;
    pare_run run;
} job;

static pare_status prepare(void *context) {
    job *j = context;
    enum { SMALL_FILES = 1 << 22 };
    const pare_merge_job *o = j->asked;
    uint64_t bytes;
    pare_runtime given = j->runtime;
    PARE_TRY(pare_lora_open_adapter(j->model, j->backend, o->adapter, &given, &j->lora, &j->runtime, &j->adapter));
    PARE_TRY(pare_trained_write_bytes(j->adapter, &bytes));
    const char *directory = pare_checkpoint_directory(j->model->checkpoint);
    pare_paths_read(&j->run.paths, "MODEL", directory, PARE_PATH_DATA);
    pare_paths_read(&j->run.paths, "--adapter", o->adapter, PARE_PATH_FOLDER);
    pare_paths_write(&j->run.paths, "-o", o->output, PARE_PATH_FOLDER);
    PARE_TRY(pare_model_companions(j->model, &directory));
    PARE_TRY(pare_run_gguf_choose(&j->run, j->model, o->output, o->type, &j->runtime));
    PARE_TRY(pare_run_remote_choose(&j->run, j->model, o->output, o->remote_code));
    bytes *= j->run.gguf.wanted ? 2 : 1;
    return pare_run_open(&j->run, o->output, directory, o->force, bytes + SMALL_FILES);
}

static pare_status scan(void *context) {
    job *j = context;
    return pare_checkpoint_scan(j->model->checkpoint, &j->runtime, &j->scan);
}

/* How the adapter was trained, or else the model, goes along. */
static pare_status copy_record(const job *j) {
    static const char name[] = "recovery.json";
    const char *model = pare_checkpoint_directory(j->model->checkpoint);
    char *path = pare_path_join(j->asked->adapter, name);
    bool has = pare_file_exists(path);
    free(path);
    return pare_merged_copy(j->run.output, has ? j->asked->adapter : model, name);
}

static pare_status write_files(void *context) {
    job *j = context;
    PARE_TRY(pare_merged_write(j->adapter, j->run.output, &j->runtime));
    return copy_record(j);
}

static pare_status verify(void *context) {
    job *j = context;
    pare_windows window;
    PARE_TRY(pare_model_open(pare_output_path(j->run.output), &j->written));
    PARE_TRY(pare_model_share_album(j->written, j->model));
    PARE_TRY(pare_check_window(j->model, NULL, 0, &window));
    pare_merged_check check = {.ids = window.ids,
                               .length = window.length,
                               .limit = pare_runtime_limit(&j->runtime),
                               .threads = j->runtime.threads};
    pare_status status = pare_merged_verify(j->adapter, j->written, &check);
    pare_windows_free(&window);
    return status;
}

static pare_status list(void *context) {
    return pare_run_list(&((job *)context)->run);
}

static const pare_job_stage stages[] = {
    {"preparing", prepare}, {"reading and checking", scan}, {"writing", write_files}, {"checking the result", verify},
    {"writing", list},
};

static size_t changed(const job *j) {
    size_t count = 0;
    for (size_t id = 0; id < j->model->tensor_count; id++)
        count += j->adapter->changes(j->adapter, id);
    return count;
}

static pare_status make_report(const job *j, char **text) {
    const char *targets[PARE_MATRIX_ROLES];
    size_t count = 0;
    for (int role = 0; role < PARE_MATRIX_ROLES; role++)
        if (j->lora.targets[role]) targets[count++] = pare_adapter_role((pare_role)role);
    pare_merge_results results = {.model = pare_checkpoint_directory(j->model->checkpoint),
                                  .digest = j->scan.digest,
                                  .parameters = pare_model_parameters(j->model),
                                  .bytes = pare_model_bytes(j->model),
                                  .adapter = j->asked->adapter,
                                  .rank = j->lora.rank,
                                  .alpha = j->lora.alpha,
                                  .targets = targets,
                                  .target_count = count,
                                  .adapter_parameters = j->adapter->count,
                                  .tensors = pare_checkpoint_count(j->model->checkpoint),
                                  .changed = changed(j),
                                  .written = {.path = j->asked->output,
                                              .kind = "merged",
                                              .pipeline = pare_report_pipeline(&j->model->config),
                                              .engines = pare_report_engines_of(&j->model->config),
                                              .load = "loads as the model that was merged into does",
                                              .files = &j->run.written},
                                  .times = j->run.times,
                                  .time_count = j->run.time_count,
                                  .zeros_lost = pare_zeros_share(j->adapter, &j->scan)};
    return pare_report_text(PARE_REPORT_MERGE, &results, text);
}

static void end(job *j) {
    pare_model_close(j->written);
    pare_run_end(&j->run);
    pare_trained_free(j->adapter);
    pare_scan_free(&j->scan);
    pare_backend_close(j->backend);
}

pare_status pare_merge_job_run(const pare_model *model, const pare_merge_job *asked, const pare_runtime *runtime,
                               char **report) {
    job j = {.model = model, .asked = asked, .runtime = runtime ? *runtime : (pare_runtime){0}};
    pare_memory_peak_reset();
    pare_run_begin(&j.run);
    pare_status status = pare_backend_open(&j.runtime, false, &j.backend);
    if (status == PARE_OK) status = pare_run_stages(&j.run, stages, sizeof stages / sizeof *stages, &j);
    if (status == PARE_OK) status = make_report(&j, report);
    const char *source = pare_checkpoint_directory(model->checkpoint);
    if (status == PARE_OK) pare_run_card_make(&j.run, &asked->card, source, asked->output, &j.runtime, report);
    status = pare_run_commit(&j.run, status, report);
    end(&j);
    return status;
}
