/* The pruning options of a command line. */
#ifndef PARE_CLI_CMD_PRUNE_H
#define PARE_CLI_CMD_PRUNE_H

#include "options.h"

/* Points into `arguments`. */
pare_prune_options pare_prune_options_of(const pare_arguments *arguments);

/* What is wrong with the words taken together, or NULL. */
const char *pare_prune_arguments_check(const pare_arguments *arguments);

#endif
