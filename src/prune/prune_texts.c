#include "calibrate/calibration.h"
#include "calibrate/self.h"
#include "evaluate/pair.h"
#include "prune/prune_job.h"
#include "support/file.h"
#include "support/memory.h"
#include "support/path.h"
#include "support/runtime.h"
#include "surgery/mask.h"

#include <stdlib.h>

/* "self" is written with another seed than the text that the model was calibrated on. */
static pare_status read_windows(const pare_prune_job *job, const char *name, pare_windows *windows) {
    const pare_job_evaluation *o = &job->asked->evaluation;
    if (pare_calibration_is_self(name)) {
        pare_self_request request = {.sequences = o->max_windows ? o->max_windows : PARE_SELF_WINDOWS,
                                     .length = o->window,
                                     .seed = job->asked->seed + 1};
        return pare_self_sample(job->origin, job->backend, job->runtime, &request, windows);
    }
    return pare_calibration_stream(job->model, name, o->window, o->max_windows, job->runtime, windows);
}

/* A text is cut into windows once for all runs of a cache. */
pare_status pare_prune_text_windows(const pare_prune_job *job, size_t index, pare_windows *windows) {
    const pare_job_evaluation *o = &job->asked->evaluation;
    if (job->given.texts) return pare_windows_copy(&job->given.texts[index], windows);
    char *name =
        pare_format("%s %u %u %llu", o->texts[index], o->window, o->max_windows, (unsigned long long)job->asked->seed);
    pare_status status = PARE_OK;
    if (!pare_cache_text_take(job->asked->cache, job->origin, name, windows)) {
        status = read_windows(job, o->texts[index], windows);
        if (status == PARE_OK) status = pare_cache_text_give(job->asked->cache, job->origin, name, windows);
        if (status != PARE_OK) pare_windows_free(windows);
    }
    free(name);
    return status;
}

/* How the dense model does may be known from an earlier run on the same text. */
static pare_status evaluate_dense(pare_prune_job *job, const pare_evaluation *evaluation, pare_text_pair *out) {
    char *name = pare_format("%s %u %u %u %llu", evaluation->name, job->asked->evaluation.window,
                             job->asked->evaluation.max_windows, (unsigned)job->backend->operand,
                             (unsigned long long)job->asked->seed);
    pare_cache *cache = job->asked->cache;
    bool known = pare_cache_before_take(cache, job->origin, name, out);
    pare_status status = known ? PARE_OK : pare_evaluate_pair(evaluation, NULL, 0, out);
    if (status == PARE_OK && !known) status = pare_cache_before_give(cache, job->origin, name, out);
    free(name);
    return status;
}

/* The pruned model with what it has lost beside it, where there is that. */
static pare_status adapt(const pare_prune_job *job, pare_evaluation evaluation, pare_text_pair *out) {
    if (!job->sparse.residual) return PARE_OK;
    evaluation.adapters = job->sparse.residual->adapters;
    evaluation.stage = "evaluating with the adapter";
    evaluation.continuations = 0;
    out->adapted = true;
    return pare_evaluate_side(&evaluation, job->origin, &out->with_adapter);
}

/* Stages are named by their texts, so that each begins at nothing done. */
static pare_status compare(const pare_prune_job *job, pare_evaluation evaluation, pare_text_pair *out) {
    char *stage = pare_format("evaluating %s", pare_path_name(out->file));
    evaluation.stage = stage;
    pare_status status = pare_compare_pair(&evaluation, job->origin, out);
    free(stage);
    return status == PARE_OK ? adapt(job, evaluation, out) : status;
}

/* One of many runs over the same texts asks the dense model once, and is not compared with it word by word. */
static pare_status evaluate_windows(pare_prune_job *job, const pare_windows *windows, const pare_source *masked,
                                    pare_text_pair *out) {
    pare_evaluation dense = {.model = job->origin,
                             .backend = job->backend,
                             .runtime = job->runtime,
                             .windows = windows,
                             .name = out->file,
                             .stage = "evaluating the dense model"},
                    pruned = dense;
    pruned.model = job->current;
    pruned.source = masked;
    pruned.stage = "evaluating the pruned model";
    pruned.continuations = job->asked->evaluation.continuations;
    pruned.seed = job->asked->seed;
    out->windows = windows->count;
    PARE_TRY(pare_calibration_check(job->model, out->file, windows));
    PARE_TRY(pare_calibration_agree(job->model, windows));
    if (!job->asked->cache) return compare(job, pruned, out);
    PARE_TRY(evaluate_dense(job, &dense, out));
    return pare_evaluate_pair(&pruned, NULL, 1, out);
}

static pare_status evaluate_text(pare_prune_job *job, size_t index, const pare_source *masked) {
    pare_windows windows;
    job->texts[index].file = job->asked->evaluation.texts[index];
    PARE_TRY(pare_prune_text_windows(job, index, &windows));
    pare_status status = evaluate_windows(job, &windows, masked, &job->texts[index]);
    pare_windows_free(&windows);
    return status;
}

pare_status pare_prune_evaluate_texts(void *context) {
    pare_prune_job *job = context;
    pare_mask mask;
    if (!job->asked->evaluation.text_count) return PARE_OK;
    PARE_TRY(pare_alloc(&job->texts, job->asked->evaluation.text_count, sizeof *job->texts, "perplexities"));
    PARE_TRY(pare_mask_new(job->current, &job->selection, &job->repaired, &mask));
    pare_source masked = {.model = job->current, .backend = job->backend};
    pare_mask_apply(&mask, &masked);
    pare_status status = PARE_OK;
    for (size_t i = 0; i < job->asked->evaluation.text_count && status == PARE_OK; i++)
        status = evaluate_text(job, i, &masked);
    pare_mask_free(&mask);
    return status;
}
