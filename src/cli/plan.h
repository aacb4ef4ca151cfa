/* What pare prune is about to do, said before the work starts. */
#ifndef PARE_CLI_PLAN_H
#define PARE_CLI_PLAN_H

#include "options.h"

/* Model, method with its constants, target and output. */
void pare_plan_say_job(const pare_arguments *arguments, const pare_prune_options *options, const pare_model *model);

/* A pare_plan_fn: calibration and memory. user is not used. */
void pare_plan_say(void *user, const pare_plan *plan);

#endif
