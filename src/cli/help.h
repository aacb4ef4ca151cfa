/* The help texts, made from the option table. */
#ifndef PARE_CLI_HELP_H
#define PARE_CLI_HELP_H

#include "command.h"

void pare_help_print(void);
void pare_help_print_command(const pare_command *command);

#endif
