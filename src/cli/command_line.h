/* The command line once more, as a shell takes it. */
#ifndef PARE_CLI_COMMAND_LINE_H
#define PARE_CLI_COMMAND_LINE_H

/* *out: "pare NAME WORDS", words in quotes where a shell would read something else in them; freed with free(). Returns
 * the exit code, after a sentence if there is no memory. */
int pare_command_line_new(const char *name, int count, char **words, char **out);

#endif
