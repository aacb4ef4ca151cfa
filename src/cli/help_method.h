/* Help on one method, or one preset of a recovery: what means something there, with the value that it has. */
#ifndef PARE_CLI_HELP_METHOD_H
#define PARE_CLI_HELP_METHOD_H

#include "command.h"

/* arguments: the method (or recipe file), and what else is given with it. Returns the exit code. */
int pare_help_print_method(const pare_command *command, const pare_arguments *arguments);
int pare_help_print_preset(const pare_command *command, const pare_arguments *arguments);

#endif
