/* How help stands on the page: paragraphs, entries in two columns, command lines. No line is wider than the page. */
#ifndef PARE_CLI_HELP_PRINT_H
#define PARE_CLI_HELP_PRINT_H

#include "options.h"

/* Words so that no line passes the page's width; lines after the first begin at `indent`, where the first already is.
 */
void pare_help_wrap(const char *text, int indent);

/* Something on the left, and what it is. */
void pare_help_entry(const char *left, const char *text);

/* "pare LINE" after the words in front, to be copied as it stands: lines that go on end with a backslash. */
void pare_help_command_line(const char *front, const char *line);

/* "  --name VALUE  what it does: its choices (default: what holds without it)" */
void pare_help_option(const pare_option *option);
/* What it does, its choices, and the default, on one line. */
enum { PARE_HELP_LONGEST = 1000 };
void pare_help_describe(const pare_option *option, const char *usual, char *out, size_t size);
/* On one line, where the page is wide enough: the short text, and the default if there is room for it. */
void pare_help_option_briefly(const pare_option *option);
/* With the value it has ("--name value"), or NULL; usual: the default to tell, or NULL. */
void pare_help_option_valued(const pare_option *option, const char *value, const char *usual);

#endif
