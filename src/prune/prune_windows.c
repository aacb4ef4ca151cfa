/* The calibration windows of a run: chosen before any work, then read, given, or written by the model. */
#include "calibrate/calibration.h"
#include "calibrate/pictures.h"
#include "calibrate/self.h"
#include "prune/prune_job.h"
#include "support/file.h"
#include "support/peer.h"

/* The calibration options with nothing left open where the model writes its own text. */
pare_status pare_windows_choose(pare_prune_job *job) {
    enum { LENGTH = 128 };
    pare_calibration_options *c = &job->calibration;
    uint32_t positions = job->model->config.max_positions;
    *c = job->asked->calibration.of;
    if (!job->asked->calibration.needed) return PARE_OK;
    if (job->asked->calibration.imatrix) return pare_prune_imatrix_read(job);
    bool pictures = pare_reads_pictures(&job->model->config);
    if (pictures && job->asked->calibration.protocol)
        return pare_fail(PARE_BAD_ARGUMENT, "--protocol %s is about texts, and %s reads pictures: leave it out",
                         job->asked->calibration.protocol, pare_checkpoint_directory(job->model->checkpoint));
    if (pictures && c->length)
        return pare_fail(PARE_BAD_ARGUMENT, "--length %u: a picture is always %u tokens of this model; leave it out",
                         c->length, positions);
    if (c->length) PARE_TRY(pare_calibration_check_length(job->model, "--length", c->length));
    if (!job->given.calibration) PARE_TRY(pare_calibration_check_source(job->model, "--calib", c->source));
    if (!pare_calibration_is_self(c->source)) return PARE_OK;
    if (!c->samples) c->samples = job->asked->calibration.usual_samples;
    if (!c->length) c->length = LENGTH < positions ? LENGTH : positions;
    return PARE_OK;
}

static pare_status take_windows(pare_prune_job *job) {
    const pare_windows *given = job->given.calibration;
    PARE_TRY(pare_windows_copy(given, &job->windows));
    return pare_calibration_digest(job->model, given, job->calibration_digest);
}

static pare_calibration_request request_of(const pare_prune_job *job) {
    return (pare_calibration_request){.options = &job->calibration,
                                      .usual = job->asked->calibration.usual_samples,
                                      .batches = job->asked->calibration.batches,
                                      .mid_text = pare_recipe_repairs(&job->asked->recipe),
                                      .wording = (size_t)job->asked->recipe.wording,
                                      .seed = job->asked->seed};
}

static pare_status load_windows(pare_prune_job *job) {
    if (job->given.calibration) return take_windows(job);
    pare_calibration_request request = request_of(job);
    if (pare_cache_windows_take(job->asked->cache, job->model, &request, &job->windows, job->calibration_digest))
        return PARE_OK;
    PARE_TRY(pare_calibration_load(job->model, job->backend, job->runtime, &request, &job->windows,
                                   job->calibration_digest));
    return pare_cache_windows_give(job->asked->cache, job->model, &request, &job->windows, job->calibration_digest);
}

/* Pictures without labels have no loss. */
static pare_status check_labels(const pare_prune_job *job) {
    const pare_recipe *recipe = &job->asked->recipe;
    const pare_windows *windows = &job->windows;
    if (!pare_reads_pictures(&job->model->config) || !pare_recipe_needs_loss(recipe)) return PARE_OK;
    if (pare_windows_predictions(job->model, windows) == windows->count) return PARE_OK;
    const char *others = pare_recipe_is_element(recipe)    ? "wanda or sparsegpt"
                         : recipe->mode == PARE_MODE_LAYER ? "layer-influence"
                                                           : "wanda-structured or obs";
    return pare_fail(PARE_BAD_ARGUMENT,
                     "%s reads the loss, and the pictures of %s have no labels: put them into one folder per class, or "
                     "take a method that needs none, such as %s",
                     recipe->name, job->calibration.source, others);
}

static bool is_written(const pare_prune_job *job) {
    bool reads = job->asked->calibration.needed && !job->norms.layers && !job->given.calibration;
    return reads && pare_calibration_is_self(job->calibration.source);
}

static pare_status settle_windows(pare_prune_job *job) {
    PARE_TRY(load_windows(job));
    PARE_TRY(pare_peer_agree("calibration text (by the digest of its ids)", job->calibration_digest));
    return check_labels(job);
}

/* The plan is shown before the long part of the work: before weights are read, and a model writes its own text. */
pare_status pare_windows_calibrate(pare_prune_job *job) {
    const pare_calibration_options *c = &job->calibration;
    if (job->norms.layers) PARE_TRY(pare_peer_agree("importance matrix (by its digest)", job->calibration_digest));
    if (!job->asked->calibration.needed || job->norms.layers) return pare_prune_plan(job, 0, 0, true);
    if (!is_written(job)) {
        PARE_TRY(settle_windows(job));
        return pare_prune_plan(job, job->windows.count / job->asked->calibration.batches, job->windows.length, true);
    }
    pare_calibration_request request = request_of(job);
    pare_work text = pare_calibration_work(job->model, &request);
    pare_prune_plan_work(job, "calibration data", &text, 1.0);
    job->expected.written = pare_self_rows(c->samples);
    return pare_prune_plan(job, c->samples, c->length, true);
}

pare_status pare_windows_write(pare_prune_job *job) {
    return is_written(job) ? settle_windows(job) : PARE_OK;
}
