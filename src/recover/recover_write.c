/* The folder that a recovery leaves, its check, and its appearance. */
#include "calibrate/check_window.h"
#include "model/patches.h"
#include "recover/merged.h"
#include "recover/recover_job.h"
#include "report/curve.h"
#include "support/file.h"
#include "support/memory.h"
#include "support/path.h"
#include "support/peer.h"
#include "train/write.h"

#include <stdlib.h>
#include <unistd.h>

static pare_status write_weights(const pare_recover_job *job) {
    const char *folder = pare_output_path(job->run.output);
    if (job->settings.adapter)
        return pare_lora_write_adapter(job->trained, &job->settings.lora,
                                       pare_checkpoint_directory(job->model->checkpoint), folder);
    return pare_merged_write(job->trained, job->run.output, job->runtime);
}

static pare_status write_record(const pare_recover_job *job) {
    char *text;
    PARE_TRY(pare_recover_record(job, &text));
    pare_status status = pare_output_write_text(job->run.output, "recovery.json", text);
    pare_free(text);
    return status;
}

/* One file of the loss curve: in the output, or staged beside the prefix. Frees the text. */
static pare_status write_curve(pare_recover_job *job, char *text, const char *ending) {
    const char *prefix = job->settings.curve;
    if (!text) return pare_fail(PARE_OUT_OF_MEMORY, "there is not enough memory for the loss curve");
    char *name = pare_format("%s.%s", prefix ? prefix : "loss", ending);
    pare_status status =
        prefix ? pare_run_write_text(&job->run, text, name) : pare_output_write_text(job->run.output, name, text);
    free(name);
    free(text);
    return status;
}

pare_status pare_recover_write(void *context) {
    pare_recover_job *job = context;
    if (pare_peer_rank()) return PARE_OK;
    pare_curve curve = job->trainer.curve;
    char *title = pare_format("Training of %s", pare_path_name(job->settings.output));
    curve.pictures = pare_reads_pictures(&job->model->config);
    pare_status status = write_weights(job);
    if (status == PARE_OK) status = write_record(job);
    if (status == PARE_OK) status = write_curve(job, pare_curve_csv(&curve), "csv");
    if (status == PARE_OK) status = write_curve(job, pare_curve_svg(&curve, title), "svg");
    free(title);
    return status == PARE_OK ? pare_whole() : status;
}

static pare_status compare(const pare_recover_job *job) {
    const pare_example *first = &job->examples.list[0];
    pare_windows window;
    PARE_TRY(pare_check_window(job->model, job->examples.ids + first->start, first->count, &window));
    if (job->trained->round) job->trained->round(job->trained);
    pare_merged_check check = {
        .ids = window.ids, .length = window.length, .threads = job->runtime ? job->runtime->threads : 0};
    pare_status status = pare_merged_verify(job->trained, job->written, &check);
    pare_windows_free(&window);
    return status;
}

/* An adapter must come back with the same bits. */
static pare_status compare_adapter(const pare_recover_job *job) {
    pare_lora_options options;
    pare_trained *read;
    PARE_TRY(pare_lora_read_adapter(job->model, job->backend, pare_output_path(job->run.output), &options, &read));
    bool same = read->count == job->trained->count;
    for (size_t i = 0; same && i < read->count; i++)
        same = !(read->value[i] < job->trained->value[i] || read->value[i] > job->trained->value[i]);
    pare_trained_free(read);
    return same ? PARE_OK
                : pare_fail(PARE_CHECK_FAILED,
                            "the adapter written to %s does not hold what was trained; nothing was kept - please "
                            "report this",
                            pare_output_path(job->run.output));
}

pare_status pare_recover_verify(void *context) {
    pare_recover_job *job = context;
    if (pare_peer_rank()) return PARE_OK;
    if (job->trained->adapters) job->trained->adapters->dropout = 0.0f;
    if (job->settings.adapter) return compare_adapter(job);
    PARE_TRY(pare_model_open(pare_output_path(job->run.output), &job->written));
    PARE_TRY(pare_model_share_album(job->written, job->model));
    return compare(job);
}

void pare_recover_remove_progress(const pare_recover_job *job) {
    if (!job->state || pare_peer_rank()) return;
    char *temporary = pare_format("%s.new", job->state);
    unlink(job->state);
    if (temporary) unlink(temporary);
    pare_resume_remove(job->progress, job->runtime);
    free(temporary);
}

pare_status pare_recover_list(void *context) {
    return pare_run_list(&((pare_recover_job *)context)->run);
}
