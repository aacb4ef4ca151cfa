/* What is left after training: W + scale B A of what is kept. */
#include "prune/loraprune.h"
#include "prune/prune_job.h"
#include "support/memory.h"
#include "support/progress.h"
#include "support/runtime.h"

uint64_t pare_loraprune_merged_bytes(const pare_model *model, const pare_widths *widths) {
    uint64_t bytes = 0;
    for (uint32_t layer = 0; layer < model->config.layers; layer++)
        for (pare_role role = 0; role < PARE_MATRIX_ROLES; role++)
            bytes += pare_repaired_bytes_at(model, layer, role, &widths[layer], model->config.hidden);
    return bytes;
}

static pare_status trained_rows(const void *context, size_t id, int64_t first, int64_t rows, float *out) {
    const pare_trained *trained = context;
    return trained->merged(trained, id, first, rows, out);
}

static pare_status new_room(pare_prune_job *job) {
    uint64_t limit = pare_runtime_limit(job->runtime), bytes;
    pare_widths *widths;
    PARE_TRY(pare_alloc(&widths, job->model->config.layers, sizeof *widths, "widths"));
    pare_selection_widths(&job->selection, widths);
    bytes = pare_loraprune_merged_bytes(job->model, widths);
    pare_free(widths);
    const char *scratch = limit && bytes > limit / 2 ? pare_runtime_scratch(job->runtime) : NULL;
    return pare_repaired_new(job->model, bytes, scratch, &job->repaired);
}

pare_status pare_loraprune_merge(void *context) {
    pare_prune_job *job = context;
    uint32_t layers = job->model->config.layers;
    PARE_TRY(new_room(job));
    for (uint32_t layer = 0; layer < layers; layer++) {
        for (pare_role role = 0; role < PARE_MATRIX_ROLES; role++)
            PARE_TRY(pare_prune_merge(job, pare_tensor_id(layer, role), trained_rows, job->lora->trained));
        PARE_TRY(pare_progress_report(job->runtime, "merging", layer + 1, layers));
    }
    return PARE_OK;
}
