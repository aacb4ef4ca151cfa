/* Help on one option: what it does, whose it is, and where it stands. */
#ifndef PARE_CLI_HELP_OPTION_H
#define PARE_CLI_HELP_OPTION_H

#include "command.h"

/* name: without dashes; or one letter. False if no command has it. */
bool pare_help_print_option(const char *name);
/* option: a row of the command's. */
void pare_help_print_command_option(const pare_command *command, const pare_option *option);

#endif
