/* The way into this room: a job that was resolved, in whichever of the ways it takes. */
#include "prune/prune.h"
#include "prune/prune_job.h"

pare_status pare_job_try(const pare_model *model, const pare_job *asked) {
    pare_job dry = *asked;
    dry.outputs.dry = true;
    dry.outputs.folder = NULL;
    dry.recovery = NULL;
    PARE_TRY(pare_job_check(&dry));
    return asked->target.drop_count ? pare_prune_try_dropped(model, &dry) : pare_prune_try(model, &dry);
}

pare_status pare_job_run(const pare_model *model, const pare_job *asked, const pare_runtime *runtime, char **report) {
    PARE_TRY(pare_job_check(asked));
    PARE_TRY(pare_job_agree(asked));
    if (!asked->recovery) return pare_prune_for(NULL, model, asked, runtime, report);
    PARE_TRY(pare_job_try(model, asked));
    return pare_prune_recovered(model, asked, runtime, report);
}
