/* Completions for shells. */
#ifndef PARE_CLI_COMPLETION_H
#define PARE_CLI_COMPLETION_H

#include <stdbool.h>

/* Prints that of "bash", "zsh" or "fish"; false if there is no shell of that name. */
bool pare_completion_print(const char *shell);

#endif
