/* What single weights have lost, as a PEFT adapter beside the pruned model: its factors are made while the layers are
 * pruned (repair/low_rank.h), and its scale is 1. */
#include "prune/prune_job.h"
#include "support/file.h"
#include "train/write.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static const char folder_name[] = "residual-adapter";

static int32_t rank_of(const pare_prune_job *job) {
    return job->asked->recipe.element.residual_rank;
}

/* Of the roles of which any matrix is pruned; a matrix of these that is not has factors of zeros. */
static pare_lora_options options_of(const pare_prune_job *job) {
    pare_lora_options options = {.rank = (uint32_t)rank_of(job), .alpha = rank_of(job)};
    for (uint32_t layer = 0; layer < job->current->config.layers; layer++)
        for (int role = 0; role < PARE_MATRIX_ROLES; role++)
            if (job->sparse.pruned[pare_tensor_id(layer, (pare_role)role)]) options.targets[role] = true;
    return options;
}

uint64_t pare_sparse_residual_bytes(const pare_prune_job *job) {
    if (!rank_of(job)) return 0;
    pare_lora_options options = options_of(job);
    return pare_trained_lora_bytes(job->current, job->backend, &options);
}

pare_status pare_sparse_residual_new(pare_prune_job *job) {
    if (!rank_of(job)) return PARE_OK;
    pare_lora_options options = options_of(job);
    PARE_TRY(pare_trained_lora(job->current, job->backend, &options, &job->sparse.residual));
    memset(job->sparse.residual->value, 0, job->sparse.residual->count * sizeof *job->sparse.residual->value);
    return PARE_OK;
}

pare_status pare_sparse_residual_write(const pare_prune_job *job) {
    if (!job->sparse.residual) return PARE_OK;
    pare_lora_options options = options_of(job);
    char *path = pare_path_join(pare_output_path(job->run.output), folder_name);
    pare_status status = pare_whole();
    if (status == PARE_OK && mkdir(path, 0777) != 0)
        status = pare_fail(PARE_FILE_ERROR, "cannot make the folder %s: %s", path, strerror(errno));
    if (status == PARE_OK)
        status = pare_lora_write_adapter(job->sparse.residual, &options, job->asked->outputs.folder, path);
    free(path);
    return status;
}

pare_residual_results pare_sparse_residual_results(const pare_prune_job *job) {
    const pare_trained *residual = job->sparse.residual;
    pare_residual_results results = {.rank = (uint32_t)rank_of(job), .parameters = residual ? residual->count : 0};
    if (job->run.output) results.folder = folder_name;
    for (size_t id = 0; id < job->model->tensor_count; id++) {
        results.before += job->sparse.results[id].residual_before;
        results.after += job->sparse.results[id].residual_after;
    }
    return results;
}
