/* Perplexities before and after: of the model as it was opened, and of the files that were written (of the model with
 * its adapters, where only these were written); and how far both are from the dense model, or the teacher. */
#include "calibrate/calibration.h"
#include "evaluate/continuations.h"
#include "evaluate/pair.h"
#include "model/patches.h"
#include "recover/recover_job.h"
#include "support/memory.h"
#include "support/peer.h"
#include "support/runtime.h"

/* A teacher of fewer positions than a window has is not compared with. */
pare_status pare_recover_check_texts(pare_recover_job *job) {
    const pare_recovery *s = &job->settings;
    bool pictures = pare_reads_pictures(&job->model->config);
    if (!s->text_count) return PARE_OK;
    if (s->continuations) PARE_TRY(pare_continuations_check(job->model, s->window));
    if (job->dense && !pictures && s->window > job->dense->config.max_positions) job->dense = NULL;
    return PARE_OK;
}

static pare_status read_windows(const pare_recover_job *job, const char *name, pare_windows *windows) {
    const pare_recovery *s = &job->settings;
    PARE_TRY(pare_calibration_stream(job->model, name, s->window, s->max_windows, job->runtime, windows));
    return pare_calibration_check(job->model, name, windows);
}

/* evaluation: of which model, and how it is called; after: of what came of it. */
static pare_status measure(pare_recover_job *job, size_t index, pare_evaluation evaluation, bool after) {
    pare_text_pair *pair = &job->texts[index];
    evaluation.name = pair->file;
    evaluation.backend = job->backend;
    evaluation.runtime = job->runtime;
    evaluation.windows = &job->windows[index];
    evaluation.continuations = job->settings.continuations;
    evaluation.seed = job->settings.seed;
    return pare_evaluate_pair(&evaluation, job->dense, after, pair);
}

pare_status pare_recover_evaluate_before(void *context) {
    pare_recover_job *job = context;
    size_t texts = job->settings.text_count;
    pare_evaluation evaluation = {.model = job->model, .stage = "evaluating before"};
    PARE_TRY(pare_alloc(&job->texts, texts, sizeof *job->texts, "perplexities"));
    PARE_TRY(pare_alloc(&job->windows, texts, sizeof *job->windows, "windows"));
    for (size_t i = 0; i < texts; i++) {
        job->texts[i].file = job->settings.texts[i];
        PARE_TRY(read_windows(job, job->settings.texts[i], &job->windows[i]));
        job->texts[i].windows = job->windows[i].count;
        PARE_TRY(pare_calibration_agree(job->model, &job->windows[i]));
        PARE_TRY(measure(job, i, evaluation, false));
    }
    return PARE_OK;
}

void pare_recover_windows_free(pare_recover_job *job) {
    for (size_t i = 0; job->windows && i < job->settings.text_count; i++)
        pare_windows_free(&job->windows[i]);
    pare_free(job->windows);
}

/* The files are the first rank's. */
pare_status pare_recover_evaluate_after(void *context) {
    pare_recover_job *job = context;
    pare_evaluation evaluation = {.model = job->written ? job->written : job->model, .stage = "evaluating after"};
    pare_status status = PARE_OK;
    if (pare_peer_rank()) return PARE_OK;
    if (!job->written) evaluation.adapters = job->trained->adapters;
    pare_peer_set_apart(true);
    for (size_t i = 0; i < job->settings.text_count && status == PARE_OK; i++)
        status = measure(job, i, evaluation, true);
    pare_peer_set_apart(false);
    return status;
}
