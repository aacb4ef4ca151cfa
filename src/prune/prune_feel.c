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

/* They go to a scratch file where they would take more than half of the limit. */
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
    bool file = limit && bytes > limit / 2;
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
