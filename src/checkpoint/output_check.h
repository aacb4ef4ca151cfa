/* May a model directory be written there? Looks only, changes nothing. */
#ifndef PARE_CHECKPOINT_OUTPUT_CHECK_H
#define PARE_CHECKPOINT_OUTPUT_CHECK_H

#include "support/status.h"

/* The rules of pare_output_begin. *place: the target's path without links, freed with free(). */
pare_status pare_output_check(const char *target, const char *source, bool force, uint64_t needed, char **place);

#endif
