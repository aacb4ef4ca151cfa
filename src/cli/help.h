/* The help texts of commands, topics and methods, made from the option table. */
#ifndef PARE_CLI_HELP_H
#define PARE_CLI_HELP_H

#include "command.h"

/* What pare does, and what MODEL is, each a paragraph. */
extern const char pare_help_about[], pare_help_model[];

void pare_help_print(void);
/* all: every option of the command, not only those that most people need. */
void pare_help_print_command(const pare_command *command, bool all);
void pare_help_print_methods(void);
void pare_help_print_presets(void);
/* False if the command has no options about that topic. */
bool pare_help_print_topic(const pare_command *command, const char *name);

/* The index-th topic of the command, in the order of its options; NULL after the last. */
const pare_topic *pare_help_topic_at(const pare_command *command, size_t index);
/* True if the command has an option whose values these are. */
bool pare_help_chooses(const pare_command *command, const char *(*choice)(size_t index));

#endif
