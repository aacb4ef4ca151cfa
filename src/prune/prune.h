/* Runs a pruning that was resolved (method/job.h). */
#ifndef PARE_PRUNE_ROOM_H
#define PARE_PRUNE_ROOM_H

#include "method/job.h"

/* All of it; *report as pare_prune has it. */
pare_status pare_job_run(const pare_model *model, const pare_job *job, const pare_runtime *runtime, char **report);

/* Fails as pare_job_run would before any work; nothing is written, and the output may be missing. */
pare_status pare_job_try(const pare_model *model, const pare_job *job);

#endif
