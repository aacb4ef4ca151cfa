/* The stages of a run: a recipe on its way through the rooms, from the checkpoint to the smaller model. */
#include "calibrate/check_window.h"
#include "checkpoint/archive.h"
#include "model/agreement.h"
#include "model/work.h"
#include "prune/prune_job.h"
#include "run/ranks.h"
#include "support/file.h"
#include "support/memory.h"
#include "support/runtime.h"
#include "surgery/cut.h"
#include "surgery/verify.h"

#include <stdlib.h>
#include <string.h>

/* Within one cache the files are read once. */
static bool was_scanned(const pare_prune_job *job) {
    return pare_cache_scanned(job->asked->cache, job->origin) && !job->run.output;
}

static pare_status scan(void *context) {
    pare_prune_job *job = context;
    if (was_scanned(job)) return PARE_OK;
    PARE_TRY(pare_checkpoint_scan(job->origin->checkpoint, job->runtime, &job->scan));
    return pare_cache_scan_note(job->asked->cache, job->origin);
}

static pare_status calibrate(void *context) {
    pare_prune_job *job = context;
    pare_work reading = pare_work_checking(pare_model_bytes(job->origin));
    if (!was_scanned(job)) pare_prune_plan_work(job, "reading and checking", &reading, 1.0);
    return job->procedure->calibrate ? job->procedure->calibrate(job) : PARE_OK;
}

static pare_status write_text(void *context) {
    pare_prune_job *job = context;
    return job->procedure->write_text ? job->procedure->write_text(job) : PARE_OK;
}

static pare_status write_json(const pare_prune_job *job, json_t *json, const char *name) {
    char *text = NULL;
    PARE_TRY(pare_json_text_of(json, name, &text));
    pare_status status = pare_output_write_text(job->run.output, name, text);
    pare_free(text);
    return status;
}

/* How it came about. */
static pare_status write_records(const pare_prune_job *job) {
    json_t *recipe = job->procedure->recipe(job);
    pare_record record = pare_prune_record(job, recipe);
    record.training = job->procedure->recorded ? job->procedure->report(job) : NULL;
    pare_status status = write_json(job, pare_report_manifest(&record), "pruning.json");
    if (status == PARE_OK && record.repeatable)
        status = write_json(job, pare_report_recipe_file(&record), "recipe.json");
    json_decref(recipe);
    json_decref(record.training);
    return status;
}

static pare_status write_model(void *context) {
    pare_prune_job *job = context;
    if (!job->run.output) return PARE_OK;
    char *config = NULL;
    const char *folder = pare_output_path(job->run.output);
    pare_status status = pare_cut_config(job->current, &job->selection, &config, &job->kind);
    if (status == PARE_OK) status = pare_cut_write(job->current, &job->selection, &job->repaired, folder, job->runtime);
    if (status == PARE_OK && job->asked->outputs.archive) status = pare_archive_replace(folder, job->runtime, NULL);
    if (status == PARE_OK) status = pare_output_write_text(job->run.output, "config.json", config);
    if (status == PARE_OK) status = write_records(job);
    if (status == PARE_OK) status = pare_output_carry_over(job->run.output);
    if (status == PARE_OK) status = pare_sparse_residual_write(job);
    free(config);
    return status;
}

/* On calibration data if there are any. */
static pare_status verify(void *context) {
    pare_prune_job *job = context;
    pare_windows window;
    if (!job->run.output) return PARE_OK;
    PARE_TRY(pare_check_window(job->current, job->windows.ids, job->windows.length, &window));
    pare_status status =
        pare_verify_written(job->current, &job->selection, &job->repaired, pare_output_path(job->run.output),
                            window.ids, window.length, job->runtime);
    pare_windows_free(&window);
    return status;
}

/* Random scores and those of every layer with a signal are listed; the others are empty. */
static pare_layer_span scored_layers(const pare_prune_job *job) {
    uint32_t layers = job->current->config.layers, begin = layers, end = 0;
    for (uint32_t i = 0; i < layers; i++) {
        const bool *scored = job->plan.scored;
        if (!scored[pare_tensor_id(i, PARE_ROLE_Q)] && !scored[pare_tensor_id(i, PARE_ROLE_UP)]) continue;
        begin = i < begin ? i : begin;
        end = i + 1;
    }
    return job->asked->recipe.signal || job->asked->recipe.salience ? (pare_layer_span){begin, end}
                                                                    : (pare_layer_span){0, layers};
}

static pare_status write_files(void *context) {
    pare_prune_job *job = context;
    const pare_job_outputs *o = &job->asked->outputs;
    if (o->densities) PARE_TRY(pare_run_write(&job->run, pare_sparse_densities(job), o->densities));
    if (o->scores)
        PARE_TRY(pare_run_write(&job->run, pare_report_scores(&job->result.scores, job->current, scored_layers(job)),
                                o->scores));
    return pare_run_list(&job->run);
}

pare_status pare_prune_begin(const pare_model *model, const pare_job *asked, const pare_runtime *runtime,
                             pare_prune_job *job) {
    *job = (pare_prune_job){.model = model, .origin = model, .asked = asked, .runtime = runtime};
    pare_run_begin(&job->run);
    job->traces = json_array();
    PARE_TRY(pare_prune_give_biases(job));
    PARE_TRY(pare_backend_open(runtime, false, &job->backend));
    return pare_ranks_agree(model, job->backend);
}

static pare_status remove_parts(void *context) {
    pare_prune_job *job = context;
    return job->procedure->run(job);
}

/* What is recorded speaks of the model that was named. */
static pare_status compose_dropped(void *context) {
    pare_prune_job *job = context;
    return job->dropped ? pare_selection_compose(job->dropped, &job->composed, &job->whole) : PARE_OK;
}

/* Text comes before weights, so that the plan is there, or refuses, before hundreds of gigabytes are read. */
static const pare_job_stage stages[] = {
    {"preparing", pare_prune_prepare},
    {NULL, pare_prune_progress_name},
    {"calibration data", calibrate},
    {"reading and checking", scan},
    {"calibration data", write_text},
    {NULL, pare_prune_progress_begin},
    {NULL, remove_parts},
    {NULL, compose_dropped},
    {NULL, pare_prune_reconstruct},
    {"evaluation", pare_prune_evaluate_texts},
    {"writing", write_model},
    {"checking the result", verify},
    {NULL, pare_prune_imatrix},
    {"writing", write_files},
};

pare_status pare_prune_calibrate(pare_prune_job *job) {
    enum { TO_CALIBRATE = 5 };
    return pare_run_stages(&job->run, stages, TO_CALIBRATE, job);
}

pare_status pare_prune_run(pare_prune_job *job) {
    return pare_run_stages(&job->run, stages, sizeof stages / sizeof *stages, job);
}

void pare_prune_end(pare_prune_job *job) {
    pare_run_end(&job->run);
    if (job->procedure && job->procedure->release) job->procedure->release(job);
    pare_prune_progress_end(job);
    pare_prune_round_free(job);
    pare_temporary_model_free(&job->temporary);
    pare_temporary_model_free(&job->biased);
    pare_selection_free(&job->composed);
    pare_selection_free(&job->whole);
    pare_goal_free(&job->goal);
    pare_windows_free(&job->windows);
    pare_input_norms_free(&job->norms);
    pare_scan_free(&job->scan);
    pare_free(job->texts);
    pare_free(job->ranks);
    json_decref(job->traces);
    json_decref(job->repairs);
    json_decref(job->rebuilt);
    json_decref(job->search);
    json_decref(job->experts);
    pare_expert_load_free(&job->load);
    json_decref(job->latency.report);
    pare_backend_close(job->backend);
}

static pare_status hand_over(pare_prune_job *job, pare_prune_heir *heir) {
    memcpy(heir->digest, job->scan.digest, sizeof heir->digest);
    if (heir->windows) PARE_TRY(pare_prune_imatrix_windows(job, heir->windows));
    return pare_run_adopt(heir->run, &job->run);
}

/* The last stages of a run whose report is wanted. */
pare_status pare_prune_finish(pare_prune_job *job, pare_prune_heir *heir, char **report) {
    pare_page_files page = {0};
    job->imatrix_later = heir && heir->windows;
    pare_status status = pare_prune_run(job);
    if (status == PARE_OK) status = pare_run_ranks(&job->ranks, &job->rank_count);
    if (status == PARE_OK) status = pare_prune_report(job, report);
    const pare_job_outputs *o = &job->asked->outputs;
    const char *source = pare_checkpoint_directory(job->origin->checkpoint);
    if (status == PARE_OK && !heir) pare_run_card_make(&job->run, &o->card, source, o->folder, job->runtime, report);
    if (status == PARE_OK && !heir) pare_run_page_make(&job->run, &o->page, job->runtime, report, &page);
    if (status == PARE_OK && heir) status = hand_over(job, heir);
    status = pare_run_commit(&job->run, status, report);
    if (status == PARE_OK) pare_run_page_place(&page, job->runtime);
    pare_page_files_drop(&page);
    if (status == PARE_OK) pare_prune_progress_remove(job);
    pare_prune_end(job);
    return status;
}
