/* For zsh: one call of _arguments for each command. */
#include "completion_shell.h"

#include <stdio.h>

/* What an argument of _arguments must not have in its texts, quoted as they are. */
static const char special[] = "[]:'\\";

static void print_value(const pare_option *option) {
    switch (pare_completion_of(option)) {
    case PARE_COMPLETES_NOTHING:
        return;
    case PARE_COMPLETES_CHOICE:
        printf(":%s:(", option->value);
        for (size_t i = 0; option->choice(i); i++)
            printf("%s%s", i ? " " : "", option->choice(i));
        printf(")");
        return;
    case PARE_COMPLETES_FILE:
        printf(":%s:_files", option->value);
        return;
    case PARE_COMPLETES_FOLDER:
        printf(":%s:_files -/", option->value);
        return;
    case PARE_COMPLETES_OTHER:
        break;
    }
    printf(": : ");
}

static void print_option(const char *name, const pare_option *option) {
    char brief[160];
    bool again = option->kind == PARE_VALUE_LIST || option->kind == PARE_VALUE_REPEATED;
    pare_completion_brief(option, special, brief, sizeof brief);
    printf(" \\\n            '%s%s%s[%s]", again ? "*" : "", name,
           pare_completion_of(option) == PARE_COMPLETES_NOTHING ? ""
           : name[1] == '-'                                     ? "="
                                                                : "+",
           brief);
    print_value(option);
    putchar('\'');
}

static void print_command(const pare_command *command) {
    printf("        (%s)\n        _arguments -S", command->syntax.name);
    for (size_t i = 0; pare_option_at(i); i++) {
        const pare_option *option = pare_option_at(i);
        char name[80], letter[3] = {'-', option->letter, 0};
        if (!(option->commands & command->syntax.bit)) continue;
        snprintf(name, sizeof name, "--%s", option->name);
        print_option(name, option);
        if (option->letter) print_option(letter, option);
    }
    printf(" \\\n            '*:file:_files'\n        ;;\n");
}

/* Without what ends a quoted text, or divides name and text. */
static void print_summary(const char *name, const char *text) {
    printf("        '%s:", name);
    for (; *text; text++)
        if (*text != '\'' && *text != ':' && *text != '\\') putchar(*text);
    printf("'\n");
}

void pare_completion_zsh(void) {
    printf("#compdef pare\n# Completion of pare for zsh, made by pare %s from its option table.\n\n_pare() {\n"
           "    local -a commands\n    commands=(\n",
           pare_version());
    for (size_t i = 0; pare_command_at(i); i++)
        print_summary(pare_command_at(i)->syntax.name, pare_command_at(i)->summary);
    print_summary("help", "what commands, options, methods and presets do");
    printf("    )\n    if ((CURRENT == 2)); then\n        _describe command commands\n"
           "        [[ $words[2] == -* ]] && compadd -- --help --version\n        return\n    fi\n"
           "    local command=$words[2]\n    shift words\n    ((CURRENT--))\n    case $command in\n");
    for (size_t i = 0; pare_command_at(i); i++)
        print_command(pare_command_at(i));
    printf("        (help)\n        _describe command commands\n        compadd --");
    for (size_t i = 0; pare_completion_help_words[i]; i++)
        printf(" %s", pare_completion_help_words[i]);
    printf("\n        ;;\n    esac\n}\n\nif [[ $funcstack[1] == _pare ]]; then\n    _pare \"$@\"\nelse\n"
           "    compdef _pare pare\nfi\n");
}
