/* Importance matrices of a run: one that is given in place of text, and one of what is left. */
#include "calibrate/calibration.h"
#include "calibrate/imatrix.h"
#include "evaluate/imatrix.h"
#include "model/expert_tensors.h"
#include "model/gguf_target.h"
#include "prune/prune_job.h"
#include "support/file.h"
#include "support/memory.h"
#include "support/peer.h"

/* [tensor_count] the matrices whose inputs the method reads: those that lose weights, or of the layers that lose units.
 */
static void mark_wanted(const pare_prune_job *job, bool *wanted) {
    const pare_target *target = &job->target;
    for (uint32_t layer = 0; layer < job->model->config.layers; layer++)
        for (pare_role role = 0; role < PARE_MATRIX_ROLES; role++) {
            size_t id = pare_tensor_id(layer, role);
            bool attention = pare_role_in(role, PARE_PART_ATTENTION);
            bool inside = pare_layer_in(attention ? target->attention : target->ffn, layer);
            bool all = target->mode == PARE_MODE_CHANNEL || job->asked->outputs.scores;
            wanted[id] = job->sparse.pruned ? job->sparse.pruned[id] : inside || all;
        }
}

static pare_status read_norms(pare_prune_job *job, const pare_imatrix_file *imatrix) {
    bool *wanted;
    PARE_TRY(pare_experts_refuse(job->model, "an importance matrix in place of text"));
    PARE_TRY(pare_alloc(&wanted, job->model->tensor_count, sizeof *wanted, "input norms"));
    mark_wanted(job, wanted);
    pare_status status = pare_imatrix_norms(imatrix, job->model, wanted, &job->norms);
    pare_free(wanted);
    return status;
}

/* Of the whole file. */
static pare_status digest_of(const pare_imatrix_file *imatrix, char text[PARE_DIGEST_TEXT]) {
    const pare_mapping *mapping = imatrix->mapping.data ? &imatrix->mapping : &imatrix->file.mapping;
    pare_digest *digest;
    PARE_TRY(pare_digest_new(&digest));
    pare_digest_add(digest, mapping->data, mapping->bytes);
    pare_digest_finish(digest, text);
    return PARE_OK;
}

pare_status pare_prune_imatrix_read(pare_prune_job *job) {
    pare_imatrix_file imatrix;
    const char *path = job->asked->calibration.of.source;
    PARE_TRY(pare_imatrix_open(path, &imatrix));
    job->norms_chunks = imatrix.chunks;
    job->norms_length = imatrix.chunk_length;
    pare_status status = read_norms(job, &imatrix);
    if (status == PARE_OK) status = digest_of(&imatrix, job->calibration_digest);
    pare_imatrix_close(&imatrix);
    return status;
}

pare_status pare_prune_imatrix_check(const pare_prune_job *job) {
    pare_gguf_target held;
    const pare_calibration_options *c = &job->asked->calibration.of;
    const char *path = pare_checkpoint_directory(job->origin->checkpoint);
    if (!job->asked->outputs.imatrix) return PARE_OK;
    PARE_TRY(pare_gguf_target_find(&job->model->config, path, &held));
    PARE_TRY(pare_calibration_check_source(job->model, "--calib", c->source));
    return c->length ? pare_calibration_check_length(job->model, "--length", c->length) : PARE_OK;
}

/* Where the method reads no windows, those that its options name. */
static pare_calibration_request request_of(const pare_prune_job *job) {
    return (pare_calibration_request){.options = &job->asked->calibration.of,
                                      .usual = job->asked->calibration.usual_samples,
                                      .wording = (size_t)job->asked->recipe.wording,
                                      .seed = job->asked->seed};
}

pare_windows pare_prune_imatrix_shape(const pare_prune_job *job) {
    pare_calibration_request request = request_of(job);
    if (!job->windows.count) return pare_calibration_shape(job->origin, &request);
    return (pare_windows){.count = job->windows.count / job->asked->calibration.batches, .length = job->windows.length};
}

pare_status pare_prune_plan_imatrix(pare_prune_job *job) {
    pare_windows windows = pare_prune_imatrix_shape(job);
    pare_plan alone = {0};
    if (!job->asked->outputs.imatrix && !job->imatrix_later) return PARE_OK;
    PARE_TRY(pare_imatrix_plan(job->model, job->backend, job->runtime, &windows, &alone));
    job->plan.sizes.imatrix = alone.imatrix;
    return PARE_OK;
}

pare_status pare_prune_imatrix_windows(const pare_prune_job *job, pare_windows *windows) {
    char digest[PARE_DIGEST_TEXT];
    pare_calibration_request request = request_of(job);
    if (!job->windows.count)
        return pare_calibration_load(job->origin, job->backend, job->runtime, &request, windows, digest);
    PARE_TRY(pare_windows_copy(&job->windows, windows));
    windows->count /= job->asked->calibration.batches;
    return PARE_OK;
}

const char *pare_prune_imatrix_source(const pare_job *asked) {
    const char *source = asked->calibration.of.source;
    return pare_calibration_is_self(source) ? "self" : source;
}

static pare_status write_of(pare_prune_job *job, const pare_windows *windows) {
    pare_model *written;
    PARE_TRY(pare_model_open(pare_output_path(job->run.output), &written));
    pare_evaluation evaluation = {.model = written,
                                  .backend = job->backend,
                                  .runtime = job->runtime,
                                  .windows = windows,
                                  .name = pare_prune_imatrix_source(job->asked)};
    pare_status status = pare_imatrix_write(&evaluation, &job->run, job->asked->outputs.imatrix);
    pare_model_close(written);
    return status;
}

static pare_status measure(void *context) {
    pare_prune_job *job = context;
    pare_windows windows;
    PARE_TRY(pare_prune_imatrix_windows(job, &windows));
    pare_status status =
        pare_peer_rank() ? PARE_OK : write_of(job, &windows); /* the first alone has what was written */
    pare_windows_free(&windows);
    return status;
}

pare_status pare_prune_imatrix(void *context) {
    pare_prune_job *job = context;
    if (!job->asked->outputs.imatrix) return PARE_OK;
    return pare_run_stage(&job->run, "importance matrix", measure, job);
}
