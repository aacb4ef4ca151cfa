/* What is asked for: the words after "pare help", or after --help. Both return the exit code. */
#ifndef PARE_CLI_HELP_WORDS_H
#define PARE_CLI_HELP_WORDS_H

#include "command.h"

int pare_help_answer(int count, char **words);
int pare_help_answer_command(const pare_command *command, int count, char **words);

#endif
