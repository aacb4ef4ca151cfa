/* What is left learns what the dense model does there (reconstruct/reconstruct.h), after everything else. */
#include "calibrate/output_fisher.h"
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
                                 .rank = (uint32_t)recipe->reconstruct_rank,
                                 .dense_share = recipe->reconstruct_dense,
                                 .keep_zeros = job->procedure->zeroes,
                                 .seed = job->asked->seed,
                                 .limit = pare_runtime_limit(job->runtime),
                                 .held = repaired_bytes(job),
                                 .scratch = pare_runtime_scratch(job->runtime),
                                 .state = job->progress ? job->progress->reconstructed : NULL,
                                 .key = job->progress ? job->progress->round_key : NULL};
}

static bool feels(const pare_prune_job *job) {
    return job->asked->recipe.reconstruct_metric == PARE_METRIC_FISHER;
}

/* Bytes of the metric, which is there as long as the training, and how many of them are in a scratch file. */
static uint64_t metric_bytes(const pare_prune_job *job, uint64_t limit, uint64_t *in_file) {
    uint64_t bytes = feels(job) ? pare_output_fisher_bytes(job->current) : 0;
    *in_file = pare_limit_wants_file(limit, bytes) ? bytes : 0;
    return bytes;
}

typedef struct rebuilding {
    pare_prune_job *job;
    bool *dropped; /* [layers of the dense model] */
    pare_rebuilt (*rebuilt)[PARE_STAGES];
    pare_output_fisher fisher;
    float *(*metric)[PARE_STAGES]; /* [layers] of `fisher`, or of one that is kept; NULL: squares */
} rebuilding;

static pare_status feel(void *context) {
    rebuilding *b = context;
    pare_prune_job *job = b->job;
    pare_source source = {.model = job->current, .backend = job->backend};
    uint64_t limit = pare_limit_beside(pare_runtime_limit(job->runtime), repaired_bytes(job));
    const pare_output_fisher *fisher;
    PARE_TRY(pare_prune_feel_outputs(job, "felt-rebuild", &source, limit, &b->fisher, &fisher));
    b->metric = fisher->metric;
    return PARE_OK;
}

static pare_status train(void *context) {
    rebuilding *b = context;
    pare_prune_job *job = b->job;
    pare_reconstruction request = ask(job, &job->selection, b->dropped);
    uint64_t in_file, metric = metric_bytes(job, request.limit, &in_file);
    pare_repaired out;
    request.held += metric - in_file;
    request.metric = (float *const(*)[PARE_STAGES])b->metric;
    PARE_TRY(pare_reconstruct_run(&request, &out, b->rebuilt));
    pare_repaired_free(&job->repaired);
    job->repaired = out;
    json_decref(job->rebuilt);
    job->rebuilt = pare_report_rebuilt(b->rebuilt, job->current->config.layers);
    return PARE_OK;
}

static pare_status reconstruct(rebuilding *b) {
    pare_prune_job *job = b->job;
    const pare_selection *whole = pare_prune_selection(job);
    PARE_TRY(pare_alloc(&b->rebuilt, job->current->config.layers, sizeof *b->rebuilt, "errors of layers"));
    PARE_TRY(pare_alloc(&b->dropped, whole->layers, sizeof *b->dropped, "layers"));
    for (uint32_t i = 0; i < whole->layers; i++)
        b->dropped[i] = whole->layer[i].dropped;
    if (feels(job)) PARE_TRY(pare_run_stage(&job->run, "feeling outputs", feel, b));
    return pare_run_stage(&job->run, "reconstructing", train, b);
}

pare_status pare_prune_reconstruct(void *context) {
    rebuilding b = {.job = context};
    if (!b.job->asked->recipe.reconstruct) return PARE_OK;
    pare_status status = reconstruct(&b);
    pare_output_fisher_free(&b.fisher);
    pare_free(b.dropped);
    pare_free(b.rebuilt);
    return status;
}

/* The pass that the metric takes, which may hold more than that of the scores. */
static pare_status plan_metric(pare_prune_job *job, uint64_t held) {
    const pare_plan *plan = &job->plan.sizes;
    pare_pass_memory pass = {0};
    PARE_TRY(pare_prune_plan_feeling(job, pare_limit_beside(plan->limit, held), 1.0, &pass));
    if (pass.weights + pass.activations + pass.gradients > plan->weights + plan->activations + plan->gradients)
        pare_prune_plan_pass(job, &pass);
    return PARE_OK;
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
    uint64_t in_file, metric = metric_bytes(job, request.limit, &in_file);
    static float *const no_metric[1][PARE_STAGES];
    request.held = job->planned.repaired + metric - in_file;
    request.metric = metric ? no_metric : NULL;
    pare_status status = pare_reconstruct_measure(&request, &bytes, &in_files);
    pare_work work = pare_reconstruct_work(&request);
    pare_selection_free(&all);
    if (status != PARE_OK) return status;
    pare_prune_plan_work(job, "reconstructing", &work, 1.0);
    pare_prune_plan_stage(job, bytes + in_file, in_files + in_file);
    return metric ? plan_metric(job, job->planned.repaired + metric - in_file) : PARE_OK;
}
