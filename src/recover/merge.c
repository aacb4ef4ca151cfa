/* pare_merge: a model and an adapter that was kept apart to one model. */
#include "checkpoint/scan.h"
#include "recover/merged.h"
#include "recover/zeros.h"
#include "run/run.h"
#include "support/file.h"
#include "support/json.h"
#include "support/memory.h"
#include "support/runtime.h"
#include "train/adapter_file.h"
#include "train/adapter_open.h"
#include "train/write.h"

#include <stdlib.h>

typedef struct job {
    const pare_model *model;
    const pare_merge_options *options;
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
    const pare_merge_options *o = j->options;
    uint64_t bytes;
    if (!o->adapter) return pare_fail(PARE_BAD_ARGUMENT, "--adapter DIR is missing: the adapter to merge");
    if (!o->output) return pare_fail(PARE_BAD_ARGUMENT, "-o OUT is missing: name the folder to write");
    pare_runtime given = j->runtime;
    PARE_TRY(pare_lora_open_adapter(j->model, j->backend, o->adapter, &given, &j->lora, &j->runtime, &j->adapter));
    PARE_TRY(pare_trained_write_bytes(j->adapter, &bytes));
    const char *directory = pare_checkpoint_directory(j->model->checkpoint);
    pare_paths_read(&j->run.paths, "MODEL", directory, PARE_PATH_FOLDER);
    pare_paths_read(&j->run.paths, "--adapter", o->adapter, PARE_PATH_FOLDER);
    pare_paths_write(&j->run.paths, "-o", o->output, PARE_PATH_FOLDER);
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
    char *path = pare_path_join(j->options->adapter, name);
    bool has = pare_file_exists(path);
    free(path);
    return pare_merged_copy(j->run.output, has ? j->options->adapter : model, name);
}

static pare_status write_files(void *context) {
    job *j = context;
    PARE_TRY(pare_merged_write(j->adapter, j->run.output, &j->runtime));
    return copy_record(j);
}

/* Tokens from all over the vocabulary. */
static pare_status verify(void *context) {
    job *j = context;
    enum { MOST = 32 };
    const pare_config *config = &j->model->config;
    uint32_t ids[MOST];
    pare_merged_check check = {.ids = ids,
                               .length = config->max_positions < MOST ? config->max_positions : MOST,
                               .limit = pare_runtime_limit(&j->runtime)};
    for (uint64_t i = 0; i < MOST; i++)
        ids[i] = (uint32_t)(i * config->vocabulary / MOST);
    PARE_TRY(pare_model_open(pare_output_path(j->run.output), &j->written));
    return pare_merged_verify(j->adapter, j->written, &check);
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

static json_t *targets_json(const job *j) {
    json_t *targets = json_array();
    for (int role = 0; role < PARE_MATRIX_ROLES; role++)
        if (j->lora.targets[role]) json_array_append_new(targets, json_string(pare_adapter_module((pare_role)role)));
    return targets;
}

static json_t *warnings_json(const job *j) {
    double zeros = 100 * pare_zeros_share(j->adapter, &j->scan);
    if (zeros <= 0) return json_array();
    return json_pack("[o]", json_sprintf("%.3g %% of the weights that the adapter changes were zeros, and are not zero "
                                         "any more; pare recover --keep-sparsity trains without filling them",
                                         zeros));
}

static pare_status make_report(const job *j, char **text) {
    json_t *model =
        json_pack("{s:o,s:I,s:I,s:s}", "path", pare_json_name(pare_checkpoint_directory(j->model->checkpoint)),
                  "parameters", (json_int_t)pare_model_parameters(j->model), "bytes",
                  (json_int_t)pare_model_bytes(j->model), "sha256", j->scan.digest);
    json_t *adapter =
        json_pack("{s:o,s:i,s:f,s:o,s:I}", "path", pare_json_name(j->options->adapter), "rank", (int)j->lora.rank,
                  "alpha", j->lora.alpha, "targets", targets_json(j), "parameters", (json_int_t)j->adapter->count);
    json_t *output = json_pack("{s:o,s:s,s:s,s:O,s:I}", "path", pare_json_name(j->options->output), "kind", "merged",
                               "load", "loads as the model that was merged into does", "files", j->run.names, "bytes",
                               (json_int_t)j->run.bytes);
    json_t *report = json_pack(
        "{s:s,s:o,s:o,s:{s:I,s:I},s:o,s:O,s:{s:I}}", "pare", pare_version(), "model", model, "adapter", adapter,
        "tensors", "all", (json_int_t)pare_checkpoint_count(j->model->checkpoint), "changed", (json_int_t)changed(j),
        "output", output, "seconds", j->run.seconds, "memory", "anonymous_peak", (json_int_t)pare_memory_peak());
    json_t *warnings = warnings_json(j);
    if (json_array_size(warnings)) json_object_set(report, "warnings", warnings);
    json_decref(warnings);
    return pare_json_text(report, text);
}

static void end(job *j) {
    pare_model_close(j->written);
    pare_run_end(&j->run);
    pare_trained_free(j->adapter);
    pare_scan_free(&j->scan);
    pare_backend_close(j->backend);
}

pare_status pare_merge(const pare_model *model, const pare_merge_options *options, const pare_runtime *runtime,
                       char **report) {
    *report = NULL;
    PARE_TRY(PARE_OPTIONS_CHECK(pare_merge_options, options));
    PARE_TRY(pare_runtime_check(runtime));
    job j = {.model = model, .options = options, .runtime = runtime ? *runtime : (pare_runtime){0}};
    pare_memory_peak_reset();
    pare_run_begin(&j.run);
    pare_status status = pare_backend_open(&j.runtime, false, &j.backend);
    if (status == PARE_OK) status = pare_run_stages(&j.run, stages, sizeof stages / sizeof *stages, &j);
    if (status == PARE_OK) status = make_report(&j, report);
    status = pare_run_commit(&j.run, status, report);
    end(&j);
    return status;
}
