/* What a model can refuse of a job is refused here, before any work. */
#include "calibrate/calibration.h"
#include "evaluate/continuations.h"
#include "model/companions.h"
#include "prune/prune_job.h"
#include "run/gguf.h"
#include "run/remote_code.h"
#include "support/file.h"

static void name_read(pare_paths *paths, const pare_prune_job *job) {
    const pare_job *asked = job->asked;
    const pare_job_evaluation *o = &asked->evaluation;
    pare_paths_read(paths, "MODEL", pare_checkpoint_directory(job->origin->checkpoint), PARE_PATH_DATA);
    pare_paths_read(paths, "--recipe", asked->recipe_file, PARE_PATH_FILE);
    pare_paths_read(paths, "--latency-table", asked->target.latency_table, PARE_PATH_FILE);
    bool text = asked->calibration.needed || asked->outputs.imatrix;
    if (text && !pare_calibration_is_self(asked->calibration.of.source))
        pare_paths_read(paths, "--calib", asked->calibration.of.source, PARE_PATH_DATA);
    for (size_t i = 0; i < o->text_count; i++)
        if (!pare_calibration_is_self(o->texts[i]))
            pare_paths_read(paths, pare_calibration_option(job->origin), o->texts[i], PARE_PATH_DATA);
}

static void name_paths(pare_prune_job *job) {
    const pare_job_outputs *o = &job->asked->outputs;
    pare_paths *paths = &job->run.paths;
    name_read(paths, job);
    pare_paths_write(paths, "-o", o->folder, PARE_PATH_FOLDER);
    pare_paths_write(paths, "--scores", o->scores, PARE_PATH_FILE);
    pare_paths_write(paths, "--densities", o->densities, PARE_PATH_FILE);
    pare_paths_write(paths, "--imatrix", o->imatrix, PARE_PATH_FILE);
    for (size_t i = 0; i < o->beside_count; i++)
        pare_paths_write(paths, o->besides[i].name, o->besides[i].path, PARE_PATH_BESIDE);
    pare_run_page_name(&job->run, &o->page);
    if (job->runtime) pare_paths_write(paths, "--scratch", job->runtime->scratch, PARE_PATH_SCRATCH);
    pare_paths_write(paths, "--resume", o->progress, PARE_PATH_FOLDER);
}

static pare_status check_texts(const pare_prune_job *job) {
    const pare_job_evaluation *o = &job->asked->evaluation;
    if (o->text_count) PARE_TRY(pare_calibration_check_length(job->model, "--window", o->window));
    if (o->continuations) PARE_TRY(pare_continuations_check(job->model, o->window));
    for (size_t i = 0; i < o->text_count; i++)
        PARE_TRY(pare_calibration_check_source(job->model, "--images", o->texts[i]));
    return PARE_OK;
}

pare_status pare_prune_prepare(void *context) {
    pare_prune_job *job = context;
    enum { SMALL_FILES = 1 << 20 };
    const pare_job_outputs *o = &job->asked->outputs;
    const char *directory;
    PARE_TRY(pare_model_companions(job->origin, &directory));
    job->procedure = pare_procedure_of(job->asked);
    PARE_TRY(job->procedure->choose_target(job));
    PARE_TRY(pare_prune_check_inside(job));
    PARE_TRY(pare_prune_check_biases(job));
    if (job->procedure->choose_data) PARE_TRY(job->procedure->choose_data(job));
    PARE_TRY(check_texts(job));
    PARE_TRY(pare_prune_imatrix_check(job));
    name_paths(job);
    PARE_TRY(pare_run_gguf_choose(&job->run, job->origin, o->folder, o->type, job->runtime));
    PARE_TRY(pare_run_remote_choose(&job->run, job->origin, o->folder, o->remote_code));
    PARE_TRY(pare_prune_check_gguf(job));
    job->run.each = o->each;
    uint64_t bytes = job->goal.bytes * (o->archive || job->run.gguf.wanted ? 2 : 1) + SMALL_FILES;
    return pare_run_open(&job->run, o->folder, directory, o->force, bytes);
}

pare_status pare_prune_try(const pare_model *model, const pare_job *asked) {
    pare_prune_job job = {.model = model, .origin = model, .asked = asked};
    pare_status status = pare_prune_prepare(&job);
    pare_prune_end(&job);
    return status;
}

pare_status pare_prune_check_output(const pare_model *model, const pare_job *asked, const pare_runtime *runtime) {
    pare_prune_job job = {.model = model, .origin = model, .asked = asked, .runtime = runtime};
    const pare_job_outputs *o = &asked->outputs;
    name_paths(&job);
    for (size_t i = 0; asked->recovery && i < pare_recovery_sources(asked->recovery); i++) {
        pare_recovery_source source = pare_recovery_source_at(asked->recovery, i);
        pare_paths_read(&job.run.paths, source.calibration ? "--calib" : "--recover", source.path, PARE_PATH_DATA);
    }
    const char *directory;
    pare_status status = pare_model_companions(model, &directory);
    if (status == PARE_OK) status = pare_run_gguf_choose(&job.run, model, o->folder, o->type, runtime);
    if (status == PARE_OK) status = pare_run_remote_choose(&job.run, model, o->folder, o->remote_code);
    if (status == PARE_OK) status = pare_run_open(&job.run, o->folder, directory, o->force, 0);
    pare_run_end(&job.run);
    return status;
}
