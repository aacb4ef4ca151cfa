#include "help_option.h"

#include "help_print.h"

#include <stdio.h>
#include <string.h>

static bool is_named(const pare_option *option, const char *name) {
    return strcmp(option->name, name) == 0 || (option->letter == name[0] && !name[1]);
}

/* Writes "pare prune, pare sweep" and returns the first of them, but not `but`; NULL: there are none. */
static const pare_command *list_owners(const pare_option *option, const pare_command *but, char *out, size_t size) {
    const pare_command *first = NULL;
    size_t used = 0;
    *out = 0;
    for (size_t i = 0; pare_command_at(i); i++) {
        const pare_command *command = pare_command_at(i);
        if (!(option->commands & command->syntax.bit) || command == but || used >= size) continue;
        used += (size_t)snprintf(out + used, size - used, "%spare %s", first ? ", " : "", command->syntax.name);
        if (!first) first = command;
    }
    return first;
}

static void print_place(const pare_command *command, const pare_option *option) {
    char owners[240], text[520];
    list_owners(option, command, owners, sizeof owners);
    snprintf(text, sizeof text, "It is in the topic %s: 'pare help %s %s' has its neighbours.%s%s%s",
             option->group->name, command->syntax.name, option->group->name, *owners ? " Also an option of " : "",
             owners, *owners ? "." : "");
    putchar('\n');
    pare_help_wrap(text, 0);
}

void pare_help_print_command_option(const pare_command *command, const pare_option *option) {
    printf("pare %s\n\n", command->syntax.name);
    pare_help_option(option);
    print_place(command, option);
}

bool pare_help_print_option(const char *name) {
    char owners[400];
    bool found = false;
    for (size_t i = 0; pare_option_at(i); i++) {
        const pare_option *option = pare_option_at(i);
        const pare_command *first = is_named(option, name) ? list_owners(option, NULL, owners, sizeof owners) : NULL;
        if (!first) continue;
        char place[120];
        snprintf(place, sizeof place, " (topic %s: 'pare help %s %s')", option->group->name, first->syntax.name,
                 option->group->name);
        printf("%s", found ? "\n" : "");
        strncat(owners, place, sizeof owners - strlen(owners) - 1);
        pare_help_wrap(owners, 0);
        pare_help_option(option);
        found = true;
    }
    return found;
}
