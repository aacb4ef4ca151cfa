/* A process that a launcher has started as one of several: it joins the others before a command runs, and leaves after
 * it. Rank 0 speaks, and only it writes files. */
#ifndef PARE_CLI_RANKS_H
#define PARE_CLI_RANKS_H

#include "command.h"

/* Joins, refuses what is not spread, and sets what all ranks have to have alike. words: [count] the command line behind
 * the program's name. Returns the exit code; without a launcher PARE_EXIT_DONE at once. */
int pare_ranks_join(const pare_command *command, pare_arguments *arguments, int count, char **words);

/* The exit code of this process after `code`: one that failed ends the others, and what it has to say is said once. */
int pare_ranks_leave(int code);

#endif
