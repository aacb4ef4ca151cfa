/* pare_prune: its options become a job, which runs. */
#include "prune/prune.h"
#include "options/resolve.h"
#include "support/runtime.h"

pare_status pare_prune(const pare_model *model, const pare_prune_options *options, const pare_runtime *runtime,
                       char **report) {
    pare_job job;
    *report = NULL;
    PARE_TRY(pare_runtime_check(runtime));
    pare_status status = pare_job_resolve(options, &job);
    if (status == PARE_OK) status = pare_job_run(model, &job, runtime, report);
    pare_job_free(&job);
    return status;
}

pare_status pare_prune_check(const pare_model *model, const pare_prune_options *options) {
    pare_job job;
    pare_status status = pare_job_resolve(options, &job);
    if (status == PARE_OK) status = pare_job_try(model, &job);
    pare_job_free(&job);
    return status;
}
