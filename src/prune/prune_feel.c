/* How the loss feels the outputs of attention and FFN, for whatever measures errors by it. */
#include "calibrate/output_fisher.h"
#include "prune/prune_job.h"
#include "support/file.h"
#include "support/runtime.h"

#include <stdlib.h>

/* One calibration serves all ratios: the metrics of the dense model depend on neither selection nor repair. */
static pare_cache *cache_of(const pare_prune_job *job, bool file) {
    return job->round == 0 && !file ? job->asked->cache : NULL;
}

/* The pass. */
typedef struct feeling {
    pare_fisher_request request;
    pare_output_fisher *out;
} feeling;

static pare_status feel_kept(void *context, const char *state, const char *key) {
    feeling *f = context;
    f->request.state = state;
    f->request.key = key;
    return pare_output_fisher_run(&f->request, f->out);
}

pare_status pare_prune_feel_outputs(pare_prune_job *job, const char *felt, const pare_source *source, uint64_t limit,
                                    pare_output_fisher *own, const pare_output_fisher **out) {
    int64_t sequences = job->windows.count / job->asked->calibration.batches;
    uint64_t bytes = pare_output_fisher_bytes(job->current);
    bool file = pare_limit_wants_file(limit, bytes);
    pare_cache *cache = cache_of(job, file);
    char *name =
        pare_format("%s %u %lld", job->calibration_digest, (unsigned)job->backend->operand, (long long)sequences);
    pare_status status = PARE_OK;
    *out = pare_cache_fisher_find(cache, job->current, name);
    if (!*out) {
        feeling f = {.out = own};
        f.request = (pare_fisher_request){.source = source,
                                          .runtime = job->runtime,
                                          .ids = job->windows.ids,
                                          .sequences = sequences,
                                          .length = job->windows.length,
                                          .limit = limit && !file ? limit - bytes : limit,
                                          .scratch = file ? pare_runtime_scratch(job->runtime) : NULL};
        status = pare_prune_kept(job, felt, feel_kept, &f);
        if (status == PARE_OK && cache) status = pare_cache_fisher_give(cache, job->current, name, own);
        *out = cache ? pare_cache_fisher_find(cache, job->current, name) : own;
        if (status == PARE_OK && !*out) status = pare_whole();
    }
    free(name);
    return status;
}

pare_status pare_prune_plan_feeling(pare_prune_job *job, uint64_t limit, double times, pare_pass_memory *pass) {
    const pare_plan *plan = &job->plan.sizes;
    pare_source source = {.model = job->current, .backend = job->backend};
    pare_fisher_request request = {
        .source = &source, .sequences = (int64_t)plan->sequences, .length = (int64_t)plan->length, .limit = limit};
    int64_t group;
    pare_work work;
    PARE_TRY(pare_output_fisher_group(&request, &group, pass));
    PARE_TRY(pare_output_fisher_work(&request, &work));
    pare_prune_plan_work(job, "feeling outputs", &work, times);
    return PARE_OK;
}

void pare_prune_plan_pass(pare_prune_job *job, const pare_pass_memory *pass) {
    pare_plan *plan = &job->plan.sizes;
    plan->weights = pass->weights;
    plan->activations = pass->activations;
    plan->gradients = pass->gradients;
    plan->micro_batch = (uint64_t)pass->micro_batch;
}
