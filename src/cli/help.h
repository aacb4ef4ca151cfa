/* The help texts, made from the option table. */
#ifndef PARE_CLI_HELP_H
#define PARE_CLI_HELP_H

#include "command.h"

void pare_help_print(void);
/* all: every option of the command, not only those that most people need. */
void pare_help_print_command(const pare_command *command, bool all);
void pare_help_print_methods(void);
/* False if the command has no options about that topic. */
bool pare_help_print_topic(const pare_command *command, const char *name);
/* The topic of the command with the nearest name, or NULL. */
const char *pare_help_topic_near(const pare_command *command, const char *name);

#endif
