/* What the rows of a sweep belong to, so that rows of another one are not taken for its own. */
#ifndef PARE_CLI_SWEEP_IDENTITY_H
#define PARE_CLI_SWEEP_IDENTITY_H

#include "sweep_axes.h"

#include "../support/json_build.h"

/* All that the rows depend on. */
json_t *pare_sweep_identity(const pare_arguments *arguments, const pare_sweep_axes *axes, const pare_model *model);

#endif
