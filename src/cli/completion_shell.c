#include "completion_shell.h"

#include <stdio.h>
#include <string.h>

const char *const pare_completion_help_words[] = {"methods", "models", NULL};

pare_completes pare_completion_of(const pare_option *option) {
    static const char *const files[] = {"FILE", "OUT", "MODEL", "DENSE", "PREFIX"};
    if (option->kind == PARE_VALUE_FLAG) return PARE_COMPLETES_NOTHING;
    if (option->choice) return PARE_COMPLETES_CHOICE;
    if (!option->value) return PARE_COMPLETES_OTHER;
    if (strcmp(option->value, "DIR") == 0) return PARE_COMPLETES_FOLDER;
    for (size_t i = 0; i < sizeof files / sizeof *files; i++)
        if (strncmp(option->value, files[i], strlen(files[i])) == 0) return PARE_COMPLETES_FILE;
    return PARE_COMPLETES_OTHER;
}

void pare_completion_brief(const pare_option *option, const char *without, char *out, size_t size) {
    enum { MOST = 100 };
    const char *text = option->brief ? option->brief : option->help;
    size_t length = strcspn(text, ";"), used = 0;
    if (length > MOST)
        for (length = MOST; length && text[length] != ' '; length--)
            ;
    for (size_t i = 0; i < length && used + 1 < size; i++)
        if (!strchr(without, text[i])) out[used++] = text[i];
    out[used] = 0;
}
