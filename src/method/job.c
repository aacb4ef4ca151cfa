#include "method/job.h"
#include "support/memory.h"

#include <stdlib.h>

bool pare_job_has_amount(const pare_job *job) {
    const pare_job_target *t = &job->target;
    return t->ratio != 0.0 || t->ratios || t->parameters || t->bytes || t->latency != 0.0 || t->sparsity.given;
}

bool pare_job_zeroes(const pare_job *job) {
    return !job->target.drops_alone && job->recipe.mode == PARE_MODE_ELEMENT;
}

void pare_job_free(pare_job *job) {
    free(job->outputs.progress);
    pare_free(job->ignored);
    pare_free(job->lacking);
    pare_free(job->recovery);
    *job = (pare_job){0};
}
