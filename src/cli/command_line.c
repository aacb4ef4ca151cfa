#include "command_line.h"

#include "../support/shell_word.h"
#include "../support/text_stream.h"
#include "options.h"
#include "terminal.h"

#include <stdio.h>
#include <stdlib.h>

int pare_command_line_new(const char *name, int count, char **words, char **out) {
    size_t bytes;
    FILE *text = pare_text_stream(out, &bytes);
    if (text) fprintf(text, "pare %s", name);
    for (int i = 0; text && i < count; i++) {
        fputc(' ', text);
        pare_shell_word(text, words[i]);
    }
    if (text && fclose(text) == 0 && *out) return PARE_EXIT_DONE;
    pare_terminal_fail("there is not enough memory to read the command line");
    return PARE_EXIT_FAILED;
}
