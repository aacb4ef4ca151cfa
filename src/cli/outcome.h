/* From a call of the library to the exit code: failures become a sentence, reports become output. */
#ifndef PARE_CLI_OUTCOME_H
#define PARE_CLI_OUTCOME_H

#include "options.h"

#include <jansson.h>

/* Says what went wrong unless status is PARE_OK, and returns the exit code. */
int pare_outcome_exit(pare_status status);

/* Says "pare COMMAND: SENTENCE" and returns PARE_EXIT_USAGE. */
int pare_outcome_usage(const char *command, const char *sentence);

/* Says that the file cannot be written, and why (errno); returns PARE_EXIT_FAILED. */
int pare_outcome_cannot_write(const char *path);

/* Opens a model; on failure says why. Returns the exit code. */
int pare_outcome_open(const char *directory, pare_model **model);

/* Prints a report that a call has made, as it is with --json, else by `show`; frees it and returns the exit code. */
int pare_outcome_deliver(pare_status status, char *report, const pare_arguments *arguments,
                         void (*show)(const pare_arguments *arguments, const json_t *report));

/* How the command line wants the machine to be used, with progress on the terminal. */
pare_runtime pare_outcome_runtime(const pare_arguments *arguments);

/* Flushes standard output. Returns `code`, or PARE_EXIT_FAILED if something could not be written: with a sentence,
 * except where the reader has gone away. */
int pare_outcome_finish(int code);

#endif
