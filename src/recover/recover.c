/* pare_recover: from a checkpoint and examples to a checkpoint that was trained on them. */
#include "calibrate/calibration.h"
#include "model/agreement.h"
#include "model/companions.h"
#include "recover/recover_job.h"
#include "recover/teacher.h"
#include "run/gguf.h"
#include "run/ranks.h"
#include "run/remote_code.h"
#include "support/file.h"
#include "support/memory.h"
#include "support/peer.h"
#include "support/runtime.h"

#include <stdlib.h>
#include <string.h>

/* Below this, threads that wait for each other cost more than they bring. */
enum { PARALLEL_PARAMETERS = 1 << 17 };

static void name_paths(pare_recover_job *job) {
    const pare_recovery *o = &job->settings;
    pare_paths *paths = &job->run.paths;
    pare_paths_read(paths, "MODEL", pare_checkpoint_directory(job->model->checkpoint), PARE_PATH_DATA);
    pare_paths_read(paths, "--teacher", o->teacher, PARE_PATH_DATA);
    if (o->teacher_cache && pare_file_exists(o->teacher_cache))
        pare_paths_read(paths, "--teacher-cache", o->teacher_cache, PARE_PATH_FILE);
    else
        pare_paths_write(paths, "--teacher-cache", o->teacher_cache, PARE_PATH_BESIDE);
    for (size_t i = 0; i < pare_recovery_sources(o); i++) {
        pare_recovery_source source = pare_recovery_source_at(o, i);
        pare_paths_read(paths, source.option, source.path, PARE_PATH_DATA);
    }
    for (size_t i = 0; i < o->text_count; i++)
        pare_paths_read(paths, pare_calibration_option(job->model), o->texts[i], PARE_PATH_DATA);
    pare_paths_write(paths, "-o", o->output, PARE_PATH_FOLDER);
    if (job->runtime) pare_paths_write(paths, "--scratch", job->runtime->scratch, PARE_PATH_SCRATCH);
    pare_paths_write(paths, "--resume", job->progress, PARE_PATH_FOLDER);
    pare_run_page_name(&job->run, &o->page);
    static const char *const endings[] = {"csv", "svg"};
    for (int i = 0; o->curve && i < 2; i++) {
        char *path = pare_format("%s.%s", o->curve, endings[i]);
        pare_paths_write(paths, "--curve", path, PARE_PATH_FILE);
        free(path);
    }
}

static pare_status prepare(void *context) {
    enum { SMALL_FILES = 1 << 22 };
    pare_recover_job *job = context;
    const pare_recovery *o = &job->settings;
    if (!job->passing) PARE_TRY(pare_teacher_check_other(job->model, o));
    PARE_TRY(pare_recovery_fit(job->model, &job->settings, &job->opened));
    if (job->opened) job->teacher = job->opened;
    if (!job->dense) job->dense = job->teacher;
    PARE_TRY(pare_recover_check_texts(job));
    if (!o->output) return pare_fail(PARE_BAD_ARGUMENT, "-o OUT is missing: name the folder to write");
    job->progress = o->resume ? pare_run_progress_folder(o->output) : NULL;
    job->state = o->resume ? pare_path_join(job->progress, "training.state") : NULL;
    PARE_TRY(pare_run_gguf_choose(&job->run, job->model, o->output, o->type, job->runtime));
    PARE_TRY(pare_run_remote_choose(&job->run, job->model, o->output, o->remote_code));
    if (job->passing) job->run.gguf.base = job->teacher ? pare_checkpoint_directory(job->teacher->checkpoint) : NULL;
    uint64_t bytes = (o->adapter ? 0 : pare_model_bytes(job->model)) + SMALL_FILES;
    name_paths(job);
    pare_resume_keep(&job->resume, job->progress);
    PARE_TRY(pare_whole());
    const char *beside;
    PARE_TRY(pare_model_companions(job->model, &beside));
    return pare_run_open(&job->run, o->output, beside, o->force, bytes);
}

/* The model that a pruning began with was read there. */
static pare_status scan_teacher(pare_recover_job *job) {
    pare_scan scan;
    if (*job->teacher_digest) return PARE_OK;
    PARE_TRY(pare_checkpoint_scan(job->teacher->checkpoint, job->runtime, &scan));
    memcpy(job->teacher_digest, scan.digest, sizeof job->teacher_digest);
    pare_scan_free(&scan);
    return PARE_OK;
}

static pare_status scan(void *context) {
    pare_recover_job *job = context;
    PARE_TRY(pare_checkpoint_scan(job->model->checkpoint, job->runtime, &job->scan));
    if (!job->teacher) return PARE_OK;
    PARE_TRY(scan_teacher(job));
    PARE_TRY(pare_peer_agree("weights of the teacher (by their digest)", job->teacher_digest));
    if (job->settings.fresh || strcmp(job->scan.digest, job->teacher_digest) != 0) return PARE_OK;
    return pare_fail(
        PARE_BAD_ARGUMENT,
        "--teacher %s has the very weights of the model that is to learn from it: give the model before it "
        "was pruned",
        pare_checkpoint_directory(job->teacher->checkpoint));
}

static pare_status tell_before(void *context) {
    pare_recover_job *job = context;
    return job->before && job->before->written ? job->before->written(job->before->context, job) : PARE_OK;
}

static const pare_job_stage stages[] = {
    {"preparing", prepare},
    {"reading and checking", scan},
    {"reading examples", pare_recover_read},
    {"preparing", pare_recover_plan},
    {"evaluation", pare_recover_evaluate_before},
    {"training", pare_recover_train},
    {"writing", pare_recover_write},
    {"checking the result", pare_recover_verify},
    {"evaluation", pare_recover_evaluate_after},
    {NULL, tell_before},
    {"writing", pare_recover_list},
};

static void end(pare_recover_job *job) {
    pare_model_close(job->written);
    pare_run_end(&job->run);
    pare_trainer_free(&job->trainer);
    pare_trained_free(job->trained);
    pare_batches_free(job->batches);
    pare_examples_free(&job->examples);
    pare_free(job->parts);
    pare_chat_style_free(&job->style);
    pare_scan_free(&job->scan);
    pare_model_close(job->opened);
    pare_teacher_cache_close(job->cache);
    pare_recover_windows_free(job);
    pare_free(job->texts);
    pare_free(job->ranks);
    pare_resume_close(&job->resume);
    free(job->progress);
    free(job->state);
    pare_backend_close(job->backend);
}

/* The first rank makes it, and the page and the card with it. */
static pare_status make_report(pare_recover_job *job, const pare_recover_before *before, pare_page_files *page,
                               char **report) {
    const pare_recovery *o = &job->settings;
    const char *source = pare_checkpoint_directory((before ? before->dense : job->model)->checkpoint);
    if (pare_peer_rank()) return PARE_OK;
    PARE_TRY(pare_recover_report(job, report));
    if (before) PARE_TRY(before->report(before->context, report));
    pare_run_card_make(&job->run, &o->card, source, o->output, job->runtime, report);
    pare_run_page_make(&job->run, &o->page, job->runtime, report, page);
    return PARE_OK;
}

static pare_status run(pare_recover_job *job, const pare_recover_before *before, char **report) {
    pare_page_files page = {0};
    *report = NULL;
    pare_memory_peak_reset();
    pare_run_begin(&job->run);
    bool alone = pare_model_parameters(job->model) < PARALLEL_PARAMETERS;
    pare_status status = pare_backend_open(job->runtime, alone, &job->backend);
    if (status == PARE_OK) status = pare_ranks_agree(job->model, job->backend);
    if (status == PARE_OK && before) status = pare_run_adopt(&job->run, before->run);
    if (status == PARE_OK) status = pare_run_stages(&job->run, stages, sizeof stages / sizeof *stages, job);
    if (status == PARE_OK) status = pare_run_ranks(&job->ranks, &job->rank_count);
    if (status == PARE_OK) status = make_report(job, before, &page, report);
    if (status == PARE_OK) status = pare_run_tell(report);
    status = pare_run_commit(&job->run, status, report);
    if (status == PARE_OK) pare_run_page_place(&page, job->runtime);
    pare_page_files_drop(&page);
    if (status == PARE_OK) pare_recover_remove_progress(job);
    end(job);
    return status;
}

pare_status pare_recovery_run(const pare_model *model, const pare_recovery *recovery, const pare_runtime *runtime,
                              char **report) {
    return run(&(pare_recover_job){.model = model, .settings = *recovery, .runtime = runtime}, NULL, report);
}

pare_status pare_recovery_run_passing(const pare_recover_before *before, const pare_model *model,
                                      const pare_recovery *recovery, const pare_runtime *runtime, char **report) {
    pare_recover_job job = {
        .before = before, .model = model, .passing = true, .settings = *recovery, .runtime = runtime};
    job.dense = before->dense;
    if (recovery->teacher_is_dense) {
        job.teacher = before->dense;
        memcpy(job.teacher_digest, before->dense_digest, sizeof job.teacher_digest);
    }
    return run(&job, before, report);
}
