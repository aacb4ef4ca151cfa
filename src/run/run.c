#include "run/run.h"
#include "run/gguf.h"
#include "run/remote_code.h"
#include "support/file.h"
#include "support/memory.h"
#include "support/peer.h"
#include "support/progress.h"
#include "support/usage.h"

#include <stdlib.h>
#include <string.h>

void pare_run_begin(pare_run *run) {
    *run = (pare_run){0};
}

void pare_run_end(pare_run *run) {
    pare_output_abandon(run->output);
    for (size_t i = 0; i < run->file_count; i++)
        pare_staged_drop(&run->files[i]);
    free(run->files);
    pare_paths_free(&run->paths);
    free(run->times);
    pare_file_list_free(&run->written);
    *run = (pare_run){0};
}

static pare_status cost_of(pare_run *run, const char *name, pare_stage_cost **out) {
    for (size_t i = 0; i < run->time_count; i++)
        if (strcmp(run->times[i].name, name) == 0) {
            *out = &run->times[i];
            return PARE_OK;
        }
    pare_stage_cost *times = realloc(run->times, (run->time_count + 1) * sizeof *times);
    if (!times) return pare_fail(PARE_OUT_OF_MEMORY, "not enough memory for the times of stages");
    run->times = times;
    *out = &times[run->time_count++];
    **out = (pare_stage_cost){.name = name};
    return PARE_OK;
}

static uint64_t larger(uint64_t a, uint64_t b) {
    return a > b ? a : b;
}

/* What was taken since `start` and `before`. */
static void add_cost(pare_stage_cost *cost, double start, const pare_usage *before) {
    pare_usage now = pare_usage_now();
    pare_resident_look();
    pare_resident peak = pare_resident_peak(PARE_RESIDENT_STAGE);
    cost->seconds += pare_clock() - start;
    cost->usage.processor_seconds += now.processor_seconds - before->processor_seconds;
    cost->usage.read += now.read - before->read;
    cost->usage.written += now.written - before->written;
    cost->peak.anonymous = larger(cost->peak.anonymous, peak.anonymous);
    cost->peak.mapped = larger(cost->peak.mapped, peak.mapped);
}

pare_status pare_run_stage(pare_run *run, const char *name, pare_job_stage_fn *stage, void *job) {
    double start = pare_clock();
    pare_usage before = pare_usage_now();
    pare_stage_cost *cost = NULL;
    PARE_TRY(pare_interrupted());
    if (name) pare_resident_reset(PARE_RESIDENT_STAGE);
    PARE_TRY(stage(job));
    if (!name) return PARE_OK;
    PARE_TRY(cost_of(run, name, &cost));
    add_cost(cost, start, &before);
    return PARE_OK;
}

pare_status pare_run_stages(pare_run *run, const pare_job_stage *stages, size_t count, void *job) {
    for (size_t i = 0; i < count; i++)
        PARE_TRY(pare_run_stage(run, stages[i].name, stages[i].run, job));
    return PARE_OK;
}

pare_status pare_run_open(pare_run *run, const char *target, const char *source, bool force, uint64_t needed) {
    PARE_TRY(pare_paths_check(&run->paths));
    for (size_t i = 0; i < run->paths.writes.count && !pare_peer_rank(); i++) {
        const pare_path_use *use = &run->paths.writes.items[i];
        if (use->kind == PARE_PATH_FILE) PARE_TRY(pare_staged_check(use->path));
    }
    if (!target || (pare_peer_rank() && !run->each)) return PARE_OK;
    return pare_output_begin(target, source, force, needed, &run->output);
}

/* Room for one more; it counts once it is written. */
static pare_status grow(pare_run *run) {
    pare_staged *files = realloc(run->files, (run->file_count + 1) * sizeof *files);
    if (!files) return pare_fail(PARE_OUT_OF_MEMORY, "not enough memory for the names of files");
    run->files = files;
    return PARE_OK;
}

pare_status pare_run_write_bytes(pare_run *run, const void *bytes, size_t size, const char *path) {
    if (pare_peer_rank()) return PARE_OK;
    PARE_TRY(grow(run));
    PARE_TRY(pare_staged_write_bytes(bytes, size, path, &run->files[run->file_count]));
    run->file_count++;
    return PARE_OK;
}

pare_status pare_run_write_text(pare_run *run, const char *text, const char *path) {
    return pare_run_write_bytes(run, text, strlen(text), path);
}

pare_status pare_run_write(pare_run *run, json_t *json, const char *path) {
    char *text;
    PARE_TRY(pare_json_text_of(json, path, &text));
    pare_status status = pare_run_write_text(run, text, path);
    pare_free(text);
    return status;
}

pare_status pare_run_adopt(pare_run *run, pare_run *from) {
    for (; from->file_count; from->file_count--) {
        PARE_TRY(grow(run));
        run->files[run->file_count++] = from->files[from->file_count - 1];
    }
    return PARE_OK;
}

char *pare_run_progress_folder(const char *output) {
    size_t length = strlen(output);
    while (length > 1 && output[length - 1] == '/')
        length--;
    return pare_format("%.*s.progress", (int)length, output);
}

/* The model, or what stands in for it. */
static pare_status commit_output(pare_run *run) {
    pare_output *output = run->output;
    run->output = NULL;
    return output ? pare_output_commit(output) : PARE_OK;
}

pare_status pare_run_list(pare_run *run) {
    PARE_TRY(pare_run_gguf_pack(run));
    PARE_TRY(pare_run_remote_write(run));
    return run->output ? pare_file_list_read(pare_output_path(run->output), &run->written) : PARE_OK;
}

static pare_status place_all(pare_run *run) {
    PARE_TRY(pare_interrupted());
    PARE_TRY(pare_staged_place_all(run->files, run->file_count));
    pare_status status = commit_output(run);
    for (size_t i = run->file_count; status != PARE_OK && i--;)
        pare_staged_undo(&run->files[i]);
    return status;
}

pare_status pare_run_commit(pare_run *run, pare_status so_far, char **report) {
    pare_status status = so_far == PARE_OK ? place_all(run) : so_far;
    if (status == PARE_OK) return PARE_OK;
    pare_free(*report);
    *report = NULL;
    return status;
}
