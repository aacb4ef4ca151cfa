/* For bash: a function that looks at the command and at the word before. Bash hands "--name=value" over as three words.
 */
#include "completion_shell.h"

#include <stdio.h>

static void list_commands(void) {
    for (size_t i = 0; pare_command_at(i); i++)
        printf("%s ", pare_command_at(i)->syntax.name);
}

static bool belongs(const pare_command *command, const pare_option *option) {
    return option->commands & command->syntax.bit;
}

static void list_options(const pare_command *command) {
    printf("    %s)\n        options='", command->syntax.name);
    for (size_t i = 0; pare_option_at(i); i++) {
        const pare_option *option = pare_option_at(i);
        if (!belongs(command, option)) continue;
        printf("--%s ", option->name);
        if (option->letter) printf("-%c ", option->letter);
    }
    printf("'\n        ;;\n");
}

static void list_values(const pare_command *command, const pare_option *option) {
    printf("    %s,--%s", command->syntax.name, option->name);
    if (option->letter) printf("|%s,-%c", command->syntax.name, option->letter);
    printf(")\n        ");
    switch (pare_completion_of(option)) {
    case PARE_COMPLETES_CHOICE:
        printf("values='");
        for (size_t i = 0; option->choice(i); i++)
            printf("%s ", option->choice(i));
        printf("' kind=words");
        break;
    case PARE_COMPLETES_FILE:
        printf("kind=files");
        break;
    case PARE_COMPLETES_FOLDER:
        printf("kind=folders");
        break;
    default:
        printf("kind=other");
    }
    if (option->bare) printf(" bare=1");
    printf("\n        ;;\n");
}

static void print_values(void) {
    printf("    case \"$command,$before\" in\n");
    for (size_t i = 0; pare_command_at(i); i++)
        for (size_t j = 0; pare_option_at(j); j++)
            if (belongs(pare_command_at(i), pare_option_at(j)) &&
                pare_completion_of(pare_option_at(j)) != PARE_COMPLETES_NOTHING)
                list_values(pare_command_at(i), pare_option_at(j));
    printf("    esac\n");
}

void pare_completion_bash(void) {
    printf("# Completion of pare for bash, made by pare %s from its option table.\n\n_pare() {\n"
           "    local word=\"${COMP_WORDS[COMP_CWORD]}\" before=\"${COMP_WORDS[COMP_CWORD-1]}\"\n"
           "    local command=\"${COMP_WORDS[1]}\" options='' values='' kind='' bare=''\n"
           "    COMPREPLY=()\n"
           "    if [[ $word == '=' ]]; then\n        word=''\n"
           "    elif [[ $before == '=' ]]; then\n        before=\"${COMP_WORDS[COMP_CWORD-2]}\"\n    fi\n"
           "    if ((COMP_CWORD == 1)); then\n        COMPREPLY=($(compgen -W '",
           pare_version());
    list_commands();
    printf("help --help --version' -- \"$word\"))\n        return\n    fi\n    case \"$command\" in\n");
    for (size_t i = 0; pare_command_at(i); i++)
        list_options(pare_command_at(i));
    printf("    help)\n        COMPREPLY=($(compgen -W '");
    list_commands();
    for (size_t i = 0; pare_completion_help_words[i]; i++)
        printf("%s ", pare_completion_help_words[i]);
    printf("' -- \"$word\"))\n        return\n        ;;\n    esac\n");
    print_values();
    printf("    if [[ $word == -* && ( -z $kind || -n $bare ) ]]; then\n"
           "        COMPREPLY=($(compgen -W \"$options\" -- \"$word\"))\n        return\n    fi\n"
           "    case \"$kind\" in\n"
           "    words) COMPREPLY=($(compgen -W \"$values\" -- \"$word\")) ;;\n"
           "    folders) compopt -o filenames 2>/dev/null; mapfile -t COMPREPLY < <(compgen -d -- \"$word\") ;;\n"
           "    other) ;;\n"
           "    *) compopt -o filenames 2>/dev/null; mapfile -t COMPREPLY < <(compgen -f -- \"$word\") ;;\n"
           "    esac\n}\n\ncomplete -F _pare pare\n");
}
