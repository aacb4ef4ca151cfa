/* What is left after training: W + scale B A of what is kept. */
#include "prune/loraprune.h"
#include "prune/prune_job.h"
#include "support/progress.h"

static pare_status trained_rows(const void *context, size_t id, int64_t first, int64_t rows, float *out) {
    const pare_trained *trained = context;
    return trained->merged(trained, id, first, rows, out);
}

pare_status pare_loraprune_merge(void *context) {
    pare_prune_job *job = context;
    uint32_t layers = job->model->config.layers;
    PARE_TRY(pare_prune_merge_begin(job, false));
    for (uint32_t layer = 0; layer < layers; layer++) {
        for (pare_role role = 0; role < PARE_MATRIX_ROLES; role++)
            PARE_TRY(pare_prune_merge(job, pare_tensor_id(layer, role), trained_rows, job->lora->trained));
        PARE_TRY(pare_progress_report(job->runtime, "merging", layer + 1, layers));
    }
    return PARE_OK;
}
