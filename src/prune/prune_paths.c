/* What a pruning reads and writes. */
#include "calibrate/calibration.h"
#include "prune/prune_job.h"

#include <stdlib.h>

static void name_read(pare_paths *paths, const pare_prune_job *job) {
    const pare_prune_options *o = job->options;
    pare_paths_read(paths, "MODEL", pare_checkpoint_directory(job->origin->checkpoint), PARE_PATH_FOLDER);
    pare_paths_read(paths, "--recipe", o->recipe, PARE_PATH_FILE);
    if (job->calibrated && !pare_calibration_is_self(o->calibration.source))
        pare_paths_read(paths, "--calib", o->calibration.source, PARE_PATH_FILE);
    for (size_t i = 0; i < o->text_count; i++)
        if (!pare_calibration_is_self(o->texts[i])) pare_paths_read(paths, "--text", o->texts[i], PARE_PATH_FILE);
}

static void name_progress(pare_paths *paths, const pare_prune_options *o) {
    char *progress = o->resume && o->output ? pare_run_progress_folder(o->output) : NULL;
    pare_paths_write(paths, "--resume", progress, PARE_PATH_FOLDER);
    free(progress);
}

void pare_prune_name_paths(pare_prune_job *job) {
    const pare_prune_options *o = job->options;
    pare_paths *paths = &job->run.paths;
    name_read(paths, job);
    if (!o->dry_run) pare_paths_write(paths, "-o", o->output, PARE_PATH_FOLDER);
    pare_paths_write(paths, "--scores", o->scores, PARE_PATH_FILE);
    pare_paths_write(paths, "--densities", o->densities, PARE_PATH_FILE);
    for (size_t i = 0; i < o->beside_count; i++)
        pare_paths_write(paths, o->besides[i].name, o->besides[i].path, PARE_PATH_BESIDE);
    if (job->runtime) pare_paths_write(paths, "--scratch", job->runtime->scratch, PARE_PATH_SCRATCH);
    name_progress(paths, o);
}

pare_status pare_prune_check_output(const pare_model *model, const pare_prune_options *o, const pare_runtime *runtime) {
    pare_prune_job job = {.model = model, .origin = model, .options = o, .runtime = runtime, .calibrated = true};
    if (!o->dry_run && !o->output) return pare_fail(PARE_BAD_ARGUMENT, "-o OUT is missing: name the folder to write");
    pare_prune_name_paths(&job);
    if (o->recover) pare_paths_read(&job.run.paths, "--recover", o->recover->data, PARE_PATH_FILE);
    const char *directory = pare_checkpoint_directory(model->checkpoint);
    pare_status status = pare_run_open(&job.run, o->dry_run ? NULL : o->output, directory, o->force, 0);
    pare_run_end(&job.run);
    return status;
}
