/* Words of a command line as a shell takes them. Needs nothing else, since the program writes them, too. */
#ifndef PARE_SUPPORT_SHELL_WORD_H
#define PARE_SUPPORT_SHELL_WORD_H

#include <stdio.h>

/* As it is, or between quotes where a shell would read something else. */
void pare_shell_word(FILE *out, const char *word);

#endif
