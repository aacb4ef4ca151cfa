#include "command_line.h"

#include "options.h"
#include "terminal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void write_word(FILE *out, const char *word) {
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_./:=,@%+-";
    if (*word && strspn(word, plain) == strlen(word)) {
        fputs(word, out);
        return;
    }
    fputc('\'', out);
    for (; *word; word++)
        if (*word == '\'')
            fputs("'\\''", out);
        else
            fputc(*word, out);
    fputc('\'', out);
}

int pare_command_line_new(const char *name, int count, char **words, char **out) {
    size_t bytes;
    FILE *text = open_memstream(out, &bytes);
    if (text) fprintf(text, "pare %s", name);
    for (int i = 0; text && i < count; i++) {
        fputc(' ', text);
        write_word(text, words[i]);
    }
    if (text && fclose(text) == 0 && *out) return PARE_EXIT_DONE;
    pare_terminal_fail("there is not enough memory to read the command line");
    return PARE_EXIT_FAILED;
}
