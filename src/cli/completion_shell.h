/* What the completions for each shell are made of, from the option table. */
#ifndef PARE_CLI_COMPLETION_SHELL_H
#define PARE_CLI_COMPLETION_SHELL_H

#include "command.h"

/* What may follow an option. */
typedef enum pare_completes {
    PARE_COMPLETES_NOTHING, /* it takes no value */
    PARE_COMPLETES_CHOICE,  /* one of option->choice */
    PARE_COMPLETES_FILE,
    PARE_COMPLETES_FOLDER,
    PARE_COMPLETES_OTHER, /* a number, a name: nothing that could be listed */
} pare_completes;

pare_completes pare_completion_of(const pare_option *option);

/* A text on one line, short, in which no character is one of `without`. */
void pare_completion_brief(const pare_option *option, const char *without, char *out, size_t size);

/* Words that may follow `pare help`, beside the commands: topics and more; NULL after the last. */
extern const char *const pare_completion_help_words[];

void pare_completion_bash(void);
void pare_completion_zsh(void);
void pare_completion_fish(void);

#endif
