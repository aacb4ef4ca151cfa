/* For fish: a line for each command, and for each option of a command. */
#include "completion_shell.h"

#include <stdio.h>

/* Between single quotes. */
static void print_quoted(const char *text) {
    putchar('\'');
    for (; *text; text++) {
        if (*text == '\'' || *text == '\\') putchar('\\');
        putchar(*text);
    }
    putchar('\'');
}

static void print_option(const pare_command *command, const pare_option *option) {
    char brief[160];
    pare_completion_brief(option, "", brief, sizeof brief);
    printf("complete -c pare -n '__fish_seen_subcommand_from %s' -l %s", command->syntax.name, option->name);
    if (option->letter) printf(" -s %c", option->letter);
    switch (pare_completion_of(option)) {
    case PARE_COMPLETES_NOTHING:
        break;
    case PARE_COMPLETES_CHOICE:
        printf(" -x -a '");
        for (size_t i = 0; option->choice(i); i++)
            printf("%s%s", i ? " " : "", option->choice(i));
        putchar('\'');
        break;
    case PARE_COMPLETES_FILE:
        printf(" -r -F");
        break;
    case PARE_COMPLETES_FOLDER:
        printf(" -x -a '(__fish_complete_directories)'");
        break;
    case PARE_COMPLETES_OTHER:
        printf(" -x");
    }
    printf(" -d ");
    print_quoted(brief);
    putchar('\n');
}

static void print_command(const char *name, const char *summary) {
    printf("complete -c pare -n __fish_use_subcommand -f -a %s -d ", name);
    print_quoted(summary);
    putchar('\n');
}

void pare_completion_fish(void) {
    printf("# Completion of pare for fish, made by pare %s from its option table.\n\n", pare_version());
    printf("complete -c pare -n __fish_use_subcommand -f -l help -d 'the commands'\n"
           "complete -c pare -n __fish_use_subcommand -f -l version -d 'the version'\n");
    for (size_t i = 0; pare_command_at(i); i++)
        print_command(pare_command_at(i)->syntax.name, pare_command_at(i)->summary);
    print_command("help", "what commands, options, methods and presets do");
    printf("complete -c pare -n '__fish_seen_subcommand_from help' -f -a '");
    for (size_t i = 0; pare_command_at(i); i++)
        printf("%s ", pare_command_at(i)->syntax.name);
    for (size_t i = 0; pare_completion_help_words[i]; i++)
        printf("%s%s", i ? " " : "", pare_completion_help_words[i]);
    printf("'\n");
    for (size_t i = 0; pare_command_at(i); i++)
        for (size_t j = 0; pare_option_at(j); j++)
            if (pare_option_at(j)->commands & pare_command_at(i)->syntax.bit)
                print_option(pare_command_at(i), pare_option_at(j));
}
