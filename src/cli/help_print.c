#include "help_print.h"

#include "terminal.h"

#include <stdio.h>
#include <string.h>

/* How many bytes stay on one line whatever follows. */
typedef size_t (*piece_fn)(const char *text);

static size_t word(const char *text) {
    return strcspn(text, " ");
}

static bool begins_option(const char *text) {
    return text[0] == '-' || (text[0] == '[' && text[1] == '-') || text[0] == '|';
}

/* An option with its values. */
static size_t argument(const char *text) {
    size_t length = word(text);
    while (text[length] && !begins_option(text + length + 1))
        length += 1 + word(text + length + 1);
    return length;
}

/* end: what stands at the end of a line that goes on. */
static void wrap(const char *text, int column, int indent, piece_fn piece, const char *end) {
    int width = pare_terminal_page_width(), room = width - (int)strlen(end);
    bool first = true;
    while (*text) {
        int length = (int)piece(text), last = !text[length] || column + 1 + (int)strlen(text) <= width;
        if (!first && column + 1 + length > (last ? width : room)) {
            printf("%s\n%*s", end, indent, "");
            column = indent;
            first = true;
        }
        printf("%s%.*s", first ? "" : " ", length, text);
        column += length + !first;
        first = false;
        text += length;
        text += strspn(text, " ");
    }
    putchar('\n');
}

void pare_help_wrap(const char *text, int indent) {
    wrap(text, indent, indent, word, "");
}

/* Where the right column begins. */
static int right_column(void) {
    return pare_terminal_page_width() < 80 ? 22 : 27;
}

void pare_help_entry(const char *left, const char *text) {
    int used = printf("  %s", left), right = right_column();
    if (used > right - 2) {
        putchar('\n');
        used = 0;
    }
    printf("%*s", right - used, "");
    pare_help_wrap(text, right);
}

void pare_help_command_line(const char *front, const char *line) {
    char text[PARE_HELP_LONGEST];
    snprintf(text, sizeof text, "pare %s", line);
    int column = printf("%s", front);
    wrap(text, column, column + 4, argument, " \\");
}

static void name_option(const pare_option *option, const char *value, char *out, size_t size) {
    size_t used = 0;
    if (!value) value = option->value ? option->value : "";
    if (option->letter) used = (size_t)snprintf(out, size, "-%c, ", option->letter);
    snprintf(out + used, size - used, "--%s%s%s", option->name, *value ? " " : "", value);
}

void pare_help_describe(const pare_option *option, const char *usual, char *out, size_t size) {
    size_t used = (size_t)snprintf(out, size, "%s", option->help);
    if (option->choice && option->choice != pare_recipe_name)
        for (size_t i = 0; option->choice(i) && used < size; i++)
            used += (size_t)snprintf(out + used, size - used, "%s%s", i ? ", " : ": ", option->choice(i));
    if (option->more && used < size) option->more(out + used, size - used);
    used = strlen(out);
    if (usual && used < size) snprintf(out + used, size - used, " (default: %s)", usual);
}

void pare_help_option_valued(const pare_option *option, const char *value, const char *usual) {
    char left[120], text[PARE_HELP_LONGEST];
    name_option(option, value, left, sizeof left);
    pare_help_describe(option, usual, text, sizeof text);
    pare_help_entry(left, text);
}

void pare_help_option(const pare_option *option) {
    pare_help_option_valued(option, NULL, option->usual);
}

void pare_help_option_briefly(const pare_option *option) {
    char left[120], text[PARE_HELP_LONGEST];
    name_option(option, NULL, left, sizeof left);
    int used = snprintf(text, sizeof text, "%s", option->brief ? option->brief : option->help);
    int more = option->usual ? (int)strlen(" (default: )") + (int)strlen(option->usual) : 0;
    if (more && right_column() + used + more <= pare_terminal_page_width())
        snprintf(text + used, sizeof text - (size_t)used, " (default: %s)", option->usual);
    pare_help_entry(left, text);
}
