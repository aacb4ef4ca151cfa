/* What pare prune is about to do, said before the work starts. */
#ifndef PARE_CLI_PLAN_H
#define PARE_CLI_PLAN_H

#include "training_files.h"

/* Model, method with its constants, target, files to train on, and output. */
void pare_plan_say_job(const pare_arguments *arguments, const pare_prune_options *options, const pare_model *model,
                       const pare_training_files *files);

/* A pare_plan_fn: calibration and memory. user is not used. */
void pare_plan_say(void *user, const pare_plan *plan);

/* What is to be said before work begins, and is not said of a job that is refused. */
typedef struct pare_announcement {
    void (*say)(const void *context);
    const void *context;
    bool said;
} pare_announcement;

/* Has the runtime say it once, before its first progress or plan. The announcement must live as long. */
void pare_plan_announce(pare_announcement *announcement, pare_runtime *runtime);

#endif
