/* A model and an adapter that was kept apart to one model. */
#ifndef PARE_RECOVER_MERGE_H
#define PARE_RECOVER_MERGE_H

#include "model/model.h"
#include "run/card.h"

/* Options read once (options/merge.c); all of it is the caller's. */
typedef struct pare_merge_job {
    const char *adapter, *output; /* folders; output: or a GGUF file */
    const char *type;             /* of its numbers; or NULL */
    bool force, remote_code;
    pare_card_job card;
} pare_merge_job;

/* All of it; *report as pare_merge has it. */
pare_status pare_merge_job_run(const pare_model *model, const pare_merge_job *job, const pare_runtime *runtime,
                               char **report);

#endif
