/* pare_export: a model in another form, a GGUF file or a folder. */
#include "report/export.h"
#include "calibrate/check_window.h"
#include "checkpoint/scan.h"
#include "model/companions.h"
#include "model/gguf_form.h"
#include "model/patches.h"
#include "recover/merged.h"
#include "report/engines.h"
#include "report/report.h"
#include "run/gguf.h"
#include "run/remote_code.h"
#include "support/json.h"
#include "support/memory.h"
#include "support/runtime.h"
#include "surgery/convert.h"
#include "surgery/cut.h"
#include "surgery/gguf_export.h"
#include "surgery/verify.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

typedef struct export_job {
    const pare_model *model;
    const pare_export_options *asked;
    const pare_runtime *runtime;
    pare_selection all;
    bool retyped; /* a folder with another type than the model's */
    pare_dtype dtype;
    pare_scan scan;
    pare_imatrix_file imatrix;
    pare_run run;
} export_job;

const char *pare_export_type(size_t index) {
    const pare_gguf_form *form = pare_gguf_form_at(index);
    return form ? form->name : NULL;
}

/* The type of a folder's numbers. */
static pare_status choose_dtype(export_job *j) {
    const char *type = j->asked->type;
    j->retyped = type != NULL;
    if (!type) return PARE_OK;
    for (j->dtype = PARE_DTYPE_F32; j->dtype <= PARE_DTYPE_BF16; j->dtype++)
        if (strcasecmp(pare_dtype_name(j->dtype), type) == 0) return PARE_OK;
    return pare_fail(PARE_BAD_ARGUMENT,
                     "--type %.40s: a folder has f32, f16 or bf16; for others name a GGUF file, %s.gguf", type,
                     j->asked->output);
}

/* Of another model it is refused when the file's size is asked for, before any work, too. */
static pare_status check_importance(export_job *j) {
    const char *path = j->asked->importance;
    if (!path) return PARE_OK;
    if (!j->run.gguf.wanted)
        return pare_fail(PARE_BAD_ARGUMENT, "--importance %s weighs the blocks of a GGUF file: name one, -o %s.gguf",
                         path, j->asked->output);
    const pare_ggml_type *type = pare_ggml_type_named(j->run.gguf.form->type);
    if (!type->weighed)
        return pare_fail(PARE_BAD_ARGUMENT,
                         "--importance %s changes nothing in %s: give another type, such as --type q4_k_m", path,
                         j->run.gguf.form->name);
    PARE_TRY(pare_imatrix_open(path, &j->imatrix));
    j->run.gguf.importance = &j->imatrix;
    return PARE_OK;
}

static pare_status bytes_of(const export_job *j, uint64_t *bytes) {
    enum { SMALL_FILES = 1 << 22, WIDEST = 4 };
    if (j->run.gguf.wanted) {
        pare_gguf_exported said;
        const pare_run_gguf *gguf = &j->run.gguf;
        pare_gguf_export what = {.form = gguf->form, .imatrix = gguf->importance, .name = "", .base = gguf->base};
        return pare_gguf_export_need(j->model, &what, bytes, &said);
    }
    *bytes = (j->retyped ? pare_model_parameters(j->model) * WIDEST : pare_model_bytes(j->model)) + SMALL_FILES;
    return PARE_OK;
}

static pare_status prepare(void *context) {
    export_job *j = context;
    const pare_export_options *o = j->asked;
    const char *directory = pare_checkpoint_directory(j->model->checkpoint);
    uint64_t bytes;
    if (pare_output_is_gguf(o->output))
        PARE_TRY(pare_run_gguf_choose(&j->run, j->model, o->output, o->type, j->runtime));
    else
        PARE_TRY(choose_dtype(j));
    PARE_TRY(pare_run_remote_choose(&j->run, j->model, o->output, o->remote_code));
    j->run.gguf.base = NULL; /* it is the model itself */
    PARE_TRY(check_importance(j));
    PARE_TRY(bytes_of(j, &bytes));
    pare_paths_read(&j->run.paths, "MODEL", directory, PARE_PATH_DATA);
    pare_paths_read(&j->run.paths, "--importance", o->importance, PARE_PATH_FILE);
    pare_paths_write(&j->run.paths, "-o", o->output, PARE_PATH_FOLDER);
    PARE_TRY(pare_model_companions(j->model, &directory));
    PARE_TRY(pare_selection_all(j->model, &j->all));
    return pare_run_open(&j->run, o->output, directory, o->force, bytes);
}

static pare_status scan(void *context) {
    export_job *j = context;
    return pare_checkpoint_scan(j->model->checkpoint, j->runtime, &j->scan);
}

/* config.json with what it says of the type; *out is freed with pare_free. */
static pare_status restate(const char *text, pare_dtype dtype, char **out) {
    static const char *const keys[] = {"torch_dtype", "dtype"};
    json_t *json = json_loads(text, 0, NULL);
    *out = NULL;
    if (!json) return pare_fail(PARE_OUT_OF_MEMORY, "not enough memory for config.json");
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
        if (json_object_get(json, keys[i]))
            pare_json_put(json, keys[i], pare_json_string(pare_dtype_torch_name(dtype)));
    pare_status status = pare_json_dump(json, "config.json", JSON_INDENT(2) | JSON_PRESERVE_ORDER, out);
    json_decref(json);
    return status;
}

static pare_status write_config(export_job *j) {
    char *text, *restated = NULL;
    pare_config_kind kind;
    PARE_TRY(pare_cut_config(j->model, &j->all, &text, &kind));
    pare_status status = j->retyped ? restate(text, j->dtype, &restated) : PARE_OK;
    if (status == PARE_OK) status = pare_output_write_text(j->run.output, "config.json", restated ? restated : text);
    pare_free(restated);
    free(text);
    return status;
}

static pare_status write_folder(export_job *j) {
    const char *folder = pare_output_path(j->run.output);
    if (j->retyped)
        PARE_TRY(pare_convert_write_as(j->model, j->dtype, &j->all, folder, j->runtime));
    else
        PARE_TRY(pare_cut_write(j->model, &j->all, NULL, folder, j->runtime));
    PARE_TRY(write_config(j));
    PARE_TRY(pare_merged_copy(j->run.output, pare_checkpoint_directory(j->model->checkpoint), "pruning.json"));
    return pare_output_carry_over(j->run.output);
}

static pare_status write_model(void *context) {
    export_job *j = context;
    return j->run.gguf.wanted ? pare_run_gguf_write(&j->run, j->model) : write_folder(j);
}

/* A GGUF file was compared when it was written. */
static pare_status verify(void *context) {
    export_job *j = context;
    pare_windows window;
    pare_model *written;
    if (j->run.gguf.wanted) return PARE_OK;
    PARE_TRY(pare_check_window(j->model, NULL, 0, &window));
    pare_status status = pare_model_open(pare_output_path(j->run.output), &written);
    if (status == PARE_OK) {
        double least = j->retyped && j->dtype != PARE_DTYPE_F32 ? PARE_VERIFY_BOUND_BF16 : 0;
        status = pare_model_share_album(written, j->model);
        if (status == PARE_OK)
            status = pare_verify_model(j->model, NULL, written, least, window.ids, window.length, j->runtime);
        pare_model_close(written);
    }
    pare_windows_free(&window);
    return status;
}

static pare_status list(void *context) {
    export_job *j = context;
    PARE_TRY(pare_run_remote_write(&j->run));
    return pare_file_list_read(pare_output_path(j->run.output), &j->run.written);
}

static const pare_job_stage stages[] = {
    {"preparing", prepare}, {"reading and checking", scan}, {"writing", write_model}, {"checking the result", verify},
    {"writing", list},
};

static pare_status make_report(const export_job *j, char **text) {
    pare_export_results results = {.model = pare_checkpoint_directory(j->model->checkpoint),
                                   .digest = j->scan.digest,
                                   .parameters = pare_model_parameters(j->model),
                                   .bytes = pare_model_bytes(j->model),
                                   .written = {.path = j->asked->output,
                                               .kind = "a folder",
                                               .load = "loads as the model that it was",
                                               .engines = pare_report_engines_of(&j->model->config),
                                               .pipeline = pare_report_pipeline(&j->model->config),
                                               .files = &j->run.written},
                                   .times = j->run.times,
                                   .time_count = j->run.time_count};
    return pare_report_text(PARE_REPORT_EXPORT, &results, text);
}

pare_status pare_export(const pare_model *model, const pare_export_options *options, const pare_runtime *runtime,
                        char **report) {
    export_job j = {.model = model, .asked = options, .runtime = runtime};
    *report = NULL;
    PARE_TRY(PARE_OPTIONS_CHECK(pare_export_options, options));
    if (!options->output) return pare_fail(PARE_BAD_ARGUMENT, "-o OUT is missing: name the GGUF file to write");
    PARE_TRY(pare_runtime_check(runtime));
    pare_memory_peak_reset();
    pare_run_begin(&j.run);
    pare_status status = pare_run_stages(&j.run, stages, sizeof stages / sizeof *stages, &j);
    if (status == PARE_OK) status = make_report(&j, report);
    status = pare_run_commit(&j.run, status, report);
    pare_run_end(&j.run);
    pare_scan_free(&j.scan);
    pare_imatrix_close(&j.imatrix);
    pare_selection_free(&j.all);
    return status;
}
