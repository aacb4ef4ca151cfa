/* Gates that were learnt become a part of the weights: W diag(m), of the units that are kept. */
#include "prune/prune_job.h"

/* Which layers lose how much is not known yet. */
pare_status pare_prune_plan_fold(pare_prune_job *job) {
    uint64_t bytes = pare_prune_merged_bytes(job->current, job->current->config.widths, true);
    bool file = pare_prune_merges_in_file(job, bytes);
    pare_prune_plan_stage(job, bytes, file ? bytes : 0);
    job->planned.repaired = file ? 0 : bytes;
    return PARE_OK;
}

static pare_status gated_rows(const void *context, size_t id, int64_t first, int64_t rows, float *out) {
    pare_source_rows(context, id, first, rows, out);
    return PARE_OK;
}

pare_status pare_prune_fold(void *context) {
    pare_prune_job *job = context;
    const pare_model *model = job->current;
    pare_source gated = {.model = model, .backend = job->backend, .column_scale = job->result.factors};
    PARE_TRY(pare_prune_merge_begin(job, true));
    for (size_t id = 0; id < model->tensor_count; id++)
        if (job->result.factors[id]) PARE_TRY(pare_prune_merge(job, id, gated_rows, &gated));
    return PARE_OK;
}
