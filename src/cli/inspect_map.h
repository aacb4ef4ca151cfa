/* pare inspect --map: where the weights of one matrix lie. */
#ifndef PARE_CLI_INSPECT_MAP_H
#define PARE_CLI_INSPECT_MAP_H

#include "options.h"

/* Returns the exit code. */
int pare_inspect_map(const pare_arguments *arguments);

#endif
