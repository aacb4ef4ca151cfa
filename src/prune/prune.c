/* pare_prune: walks a recipe through the rooms, from the checkpoint to the smaller model. */
#include "calibrate/calibration.h"
#include "checkpoint/archive.h"
#include "prune/prune_job.h"
#include "report/files.h"
#include "support/file.h"
#include "support/memory.h"
#include "support/progress.h"
#include "support/runtime.h"
#include "surgery/cut.h"
#include "surgery/verify.h"

#include <stdlib.h>
#include <string.h>

typedef pare_status (*stage_fn)(pare_prune_job *job);

/* Within one cache the files are read once. */
static pare_status scan(pare_prune_job *job) {
    if (pare_cache_scanned(job->options->cache, job->origin) && !job->output) return PARE_OK;
    PARE_TRY(pare_checkpoint_scan(job->origin->checkpoint, job->runtime, &job->scan));
    return pare_cache_scan_note(job->options->cache, job->origin);
}

static pare_status take_windows(pare_prune_job *job) {
    const pare_windows *given = job->given.calibration;
    PARE_TRY(pare_windows_copy(given, &job->windows));
    return pare_windows_digest(given, job->calibration_digest);
}

static pare_status load_windows(pare_prune_job *job) {
    if (job->given.calibration) return take_windows(job);
    pare_calibration_request request = {.options = &job->calibration,
                                        .usual = job->usual_samples,
                                        .batches = pare_prune_batches(job),
                                        .mid_text = pare_recipe_repairs(&job->recipe),
                                        .seed = job->options->seed};
    if (pare_cache_windows_take(job->options->cache, job->model, &request, &job->windows, job->calibration_digest))
        return PARE_OK;
    PARE_TRY(pare_calibration_load(job->model, job->backend, job->runtime, &request, &job->windows,
                                   job->calibration_digest));
    return pare_cache_windows_give(job->options->cache, job->model, &request, &job->windows, job->calibration_digest);
}

/* The plan is shown before the long part of the work: before a model writes its own text, after a file was read. */
static pare_status calibrate(pare_prune_job *job) {
    const pare_calibration_options *c = &job->calibration;
    if (job->drops) return PARE_OK;
    if (!job->calibrated) return pare_prune_plan(job, 0, 0, true);
    if (pare_recipe_trains(&job->recipe)) return pare_loraprune_read(job);
    bool self = pare_calibration_is_self(c->source) && !job->given.calibration;
    if (self) PARE_TRY(pare_prune_plan(job, c->samples, c->length, true));
    PARE_TRY(load_windows(job));
    return self ? PARE_OK
                : pare_prune_plan(job, job->windows.count / pare_prune_batches(job), job->windows.length, true);
}

static pare_status write_model(pare_prune_job *job) {
    if (!job->output) return PARE_OK;
    json_t *recipe = pare_prune_recipe_json(job);
    pare_record record = pare_prune_record(job, recipe);
    record.training = job->lora ? pare_loraprune_json(job) : NULL;
    char *manifest = NULL, *config = NULL;
    const char *folder = pare_output_path(job->output);
    pare_status status = pare_json_text(pare_report_manifest(&record), &manifest);
    json_decref(recipe);
    json_decref(record.training);
    if (status == PARE_OK) status = pare_cut_config(job->current, &job->selection, &config, &job->kind);
    if (status == PARE_OK) status = pare_cut_write(job->current, &job->selection, &job->repaired, folder, job->runtime);
    if (status == PARE_OK && job->options->archive) status = pare_archive_replace(folder, job->runtime, NULL);
    if (status == PARE_OK) status = pare_output_write_text(job->output, "config.json", config);
    if (status == PARE_OK) status = pare_output_write_text(job->output, "pruning.json", manifest);
    if (status == PARE_OK) status = pare_output_carry_over(job->output);
    pare_free(manifest);
    free(config);
    return status;
}

/* Some ids to compare the written model on: calibration text if there is any, else ids spread over the vocabulary. */
static pare_status verify(pare_prune_job *job) {
    enum { LENGTH = 32 };
    uint32_t ids[LENGTH];
    if (!job->output) return PARE_OK;
    uint32_t length = job->windows.length && job->windows.length < LENGTH ? job->windows.length : LENGTH;
    if (length > job->model->config.max_positions) length = job->model->config.max_positions;
    for (uint32_t i = 0; i < length; i++)
        ids[i] = job->windows.ids ? job->windows.ids[i] : (uint32_t)((i * 7919u + 1u) % job->model->config.vocabulary);
    return pare_verify_written(job->current, &job->selection, &job->repaired, pare_output_path(job->output), ids,
                               length, job->runtime);
}

static pare_status commit_model(pare_prune_job *job) {
    if (!job->output) return PARE_OK;
    PARE_TRY(pare_report_files(pare_output_path(job->output), &job->files, &job->bytes_after));
    PARE_TRY(pare_interrupted());
    pare_output *output = job->output;
    job->output = NULL;
    return pare_output_commit(output);
}

/* Random scores and those of every layer with a signal are listed; the others are empty. */
static pare_layer_span scored_layers(const pare_prune_job *job) {
    uint32_t layers = job->current->config.layers, begin = layers, end = 0;
    for (uint32_t i = 0; i < layers; i++) {
        const bool *scored = job->plan.scored;
        if (!scored[pare_tensor_id(i, PARE_ROLE_Q)] && !scored[pare_tensor_id(i, PARE_ROLE_GATE)]) continue;
        begin = i < begin ? i : begin;
        end = i + 1;
    }
    return job->recipe.salience || job->lora ? (pare_layer_span){begin, end} : (pare_layer_span){0, layers};
}

/* Scores and densities are on the disk before the model appears, and appear after it: a failure leaves neither. */
static pare_status commit(pare_prune_job *job) {
    if (job->options->densities)
        PARE_TRY(pare_staged_write(pare_sparse_densities(job), job->options->densities, &job->densities));
    if (job->options->scores)
        PARE_TRY(pare_staged_write(pare_report_scores(&job->result.scores, job->current, scored_layers(job)),
                                   job->options->scores, &job->scores));
    PARE_TRY(commit_model(job));
    PARE_TRY(pare_staged_place(&job->densities));
    return pare_staged_place(&job->scores);
}

pare_status pare_prune_timed(pare_prune_job *job, const char *name, stage_fn run) {
    double start = pare_clock();
    PARE_TRY(pare_interrupted());
    PARE_TRY(run(job));
    double before = json_number_value(json_object_get(job->seconds, name));
    json_object_set_new(job->seconds, name, json_real(before + pare_clock() - start));
    return PARE_OK;
}

pare_status pare_prune_begin(const pare_model *model, const pare_prune_options *options, const pare_runtime *runtime,
                             pare_prune_job *job) {
    *job = (pare_prune_job){.model = model, .origin = model, .options = options, .runtime = runtime};
    job->seconds = json_object();
    job->traces = json_array();
    return pare_backend_open(runtime, false, &job->backend);
}

pare_status pare_prune_calibrate(pare_prune_job *job) {
    PARE_TRY(pare_prune_timed(job, "preparing", pare_prune_prepare));
    PARE_TRY(pare_prune_progress_name(job));
    PARE_TRY(pare_prune_timed(job, "reading and checking", scan));
    return pare_prune_timed(job, "calibration text", calibrate);
}

static pare_status remove_parts(pare_prune_job *job) {
    if (job->drops) return pare_prune_take_drops(job);
    return job->recipe.mode == PARE_MODE_ELEMENT ? pare_sparse_run(job) : pare_prune_rounds(job);
}

const pare_selection *pare_prune_selection(const pare_prune_job *job) {
    return job->dropped ? &job->whole : &job->composed;
}

pare_status pare_prune_run(pare_prune_job *job) {
    PARE_TRY(pare_prune_calibrate(job));
    PARE_TRY(pare_prune_progress_begin(job));
    PARE_TRY(remove_parts(job));
    if (job->dropped) PARE_TRY(pare_selection_compose(job->dropped, &job->composed, &job->whole));
    PARE_TRY(pare_prune_timed(job, "evaluation", pare_prune_evaluate_texts));
    PARE_TRY(pare_prune_timed(job, "writing", write_model));
    PARE_TRY(pare_prune_timed(job, "checking the result", verify));
    PARE_TRY(pare_prune_timed(job, "putting into place", commit));
    pare_prune_progress_remove(job);
    return PARE_OK;
}

void pare_prune_end(pare_prune_job *job) {
    pare_output_abandon(job->output);
    pare_staged_drop(&job->scores);
    pare_staged_drop(&job->densities);
    pare_sparse_free(&job->sparse);
    pare_loraprune_free(job->lora);
    pare_prune_progress_end(job);
    pare_prune_round_free(job);
    pare_temporary_model_free(&job->temporary);
    pare_selection_free(&job->composed);
    pare_selection_free(&job->whole);
    pare_goal_free(&job->goal);
    pare_windows_free(&job->windows);
    pare_scan_free(&job->scan);
    json_decref(job->texts);
    json_decref(job->seconds);
    json_decref(job->files);
    json_decref(job->traces);
    json_decref(job->repairs);
    pare_backend_close(job->backend);
}

pare_status pare_prune(const pare_model *model, const pare_prune_options *options, const pare_runtime *runtime,
                       char **report) {
    pare_prune_job job;
    *report = NULL;
    PARE_TRY(PARE_OPTIONS_CHECK(pare_prune_options, options));
    PARE_TRY(pare_runtime_check(runtime));
    if (options->recover) return pare_prune_recovered(model, options, runtime, report);
    if (options->drop_count) return pare_prune_dropped(model, options, runtime, report);
    pare_memory_peak_reset();
    pare_status status = pare_prune_begin(model, options, runtime, &job);
    if (status == PARE_OK) status = pare_prune_run(&job);
    if (status == PARE_OK) status = pare_prune_report(&job, report);
    pare_prune_end(&job);
    return status;
}

pare_status pare_prune_check(const pare_model *model, const pare_prune_options *options) {
    PARE_TRY(PARE_OPTIONS_CHECK(pare_prune_options, options));
    if (options->drop_count) return pare_prune_check_dropped(model, options);
    pare_prune_options dry = *options;
    pare_prune_job job = {.model = model, .origin = model, .options = &dry};
    dry.dry_run = true;
    pare_status status = pare_prune_prepare(&job);
    pare_prune_end(&job);
    return status;
}
