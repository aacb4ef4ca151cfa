/* Gates that were learnt become a part of the weights: W diag(m), of the units that are kept. */
#include "prune/prune_job.h"
#include "support/memory.h"
#include "support/runtime.h"

/* O and Down of all layers of these widths. */
static uint64_t folded_bytes(const pare_model *model, const pare_widths *widths) {
    uint64_t bytes = 0;
    for (uint32_t layer = 0; layer < model->config.layers; layer++)
        for (pare_role role = 0; role < PARE_MATRIX_ROLES; role++)
            if (pare_role_writes(role))
                bytes += pare_repaired_bytes_at(model, layer, role, &widths[layer], model->config.hidden);
    return bytes;
}

static const char *scratch_for(const pare_prune_job *job, uint64_t bytes) {
    uint64_t limit = pare_runtime_limit(job->runtime);
    return limit && bytes > limit / 2 ? pare_runtime_scratch(job->runtime) : NULL;
}

/* Which layers lose how much is not known yet. */
pare_status pare_prune_plan_fold(pare_prune_job *job) {
    uint64_t bytes = folded_bytes(job->current, job->current->config.widths);
    bool file = scratch_for(job, bytes) != NULL;
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
    pare_widths *widths;
    PARE_TRY(pare_alloc(&widths, model->config.layers, sizeof *widths, "widths"));
    pare_selection_widths(&job->selection, widths);
    uint64_t bytes = folded_bytes(model, widths);
    pare_free(widths);
    PARE_TRY(pare_repaired_new(model, bytes, scratch_for(job, bytes), &job->repaired));
    for (size_t id = 0; id < model->tensor_count; id++)
        if (job->result.factors[id]) PARE_TRY(pare_prune_merge(job, id, gated_rows, &gated));
    return PARE_OK;
}
