/* The options of pare recover as the library takes them, for the command itself and for pare prune --recover. */
#ifndef PARE_CLI_CMD_RECOVER_H
#define PARE_CLI_CMD_RECOVER_H

#include "options.h"

pare_recover_options pare_recover_options_of(const pare_arguments *arguments);

#endif
