/* What is left learns what the dense model does there (reconstruct/reconstruct.h), after everything else. */
#include "prune/prune_job.h"
#include "reconstruct/reconstruct.h"
#include "report/pruning.h"
#include "support/memory.h"
#include "support/runtime.h"

/* What was repaired before is there until what is trained takes its place. */
static uint64_t repaired_bytes(const pare_prune_job *job) {
    return job->repaired.memory.in_file ? 0 : job->repaired.memory.bytes;
}

static pare_reconstruction ask(const pare_prune_job *job, const pare_selection *selection, const bool *dropped) {
    const pare_recipe *recipe = &job->asked->recipe;
    return (pare_reconstruction){.dense = job->origin,
                                 .dense_dropped = dropped,
                                 .model = job->current,
                                 .selection = selection,
                                 .repaired = job->repaired.count ? &job->repaired : NULL,
                                 .backend = job->backend,
                                 .runtime = job->runtime,
                                 .ids = job->windows.ids,
                                 .sequences = job->windows.count / job->asked->calibration.batches,
                                 .length = job->windows.length,
                                 .steps = (uint32_t)recipe->reconstruct,
                                 .rate = recipe->reconstruct_rate,
                                 .keep_zeros = job->procedure->zeroes,
                                 .seed = job->asked->seed,
                                 .limit = pare_runtime_limit(job->runtime),
                                 .held = repaired_bytes(job),
                                 .scratch = pare_runtime_scratch(job->runtime)};
}

static pare_status rebuild(pare_prune_job *job, const bool *dropped, pare_rebuilt (*rebuilt)[PARE_STAGES]) {
    pare_reconstruction request = ask(job, &job->selection, dropped);
    pare_repaired out;
    PARE_TRY(pare_reconstruct_run(&request, &out, rebuilt));
    pare_repaired_free(&job->repaired);
    job->repaired = out;
    json_decref(job->rebuilt);
    job->rebuilt = pare_report_rebuilt(rebuilt, job->current->config.layers);
    return PARE_OK;
}

static pare_status reconstruct(void *context) {
    pare_prune_job *job = context;
    const pare_selection *whole = pare_prune_selection(job);
    pare_rebuilt(*rebuilt)[PARE_STAGES];
    bool *dropped = NULL;
    PARE_TRY(pare_alloc(&rebuilt, job->current->config.layers, sizeof *rebuilt, "errors of layers"));
    pare_status status = pare_alloc(&dropped, whole->layers, sizeof *dropped, "layers");
    for (uint32_t i = 0; status == PARE_OK && i < whole->layers; i++)
        dropped[i] = whole->layer[i].dropped;
    if (status == PARE_OK) status = rebuild(job, dropped, rebuilt);
    pare_free(dropped);
    pare_free(rebuilt);
    return status;
}

pare_status pare_prune_reconstruct(void *context) {
    pare_prune_job *job = context;
    if (!job->asked->recipe.reconstruct) return PARE_OK;
    return pare_run_stage(&job->run, "reconstructing", reconstruct, job);
}

pare_status pare_prune_plan_reconstruct(pare_prune_job *job) {
    const pare_plan *plan = &job->plan.sizes;
    pare_selection all;
    uint64_t bytes, in_files;
    if (!job->asked->recipe.reconstruct) return PARE_OK;
    PARE_TRY(pare_selection_all(job->current, &all));
    pare_reconstruction request = ask(job, &all, NULL);
    request.sequences = (int64_t)plan->sequences;
    request.length = (int64_t)plan->length;
    request.repaired = NULL;
    request.held = job->planned.repaired;
    pare_status status = pare_reconstruct_measure(&request, &bytes, &in_files);
    pare_work work = pare_reconstruct_work(&request);
    pare_selection_free(&all);
    if (status != PARE_OK) return status;
    pare_prune_plan_work(job, "reconstructing", &work, 1.0);
    pare_prune_plan_stage(job, bytes, in_files);
    return PARE_OK;
}
