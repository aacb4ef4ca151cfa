#include "help_words.h"

#include "../support/suggest.h"
#include "completion.h"
#include "help.h"
#include "help_method.h"
#include "help_models.h"
#include "help_option.h"
#include "help_print.h"
#include "manual.h"
#include "message.h"
#include "outcome.h"
#include "terminal.h"

#include <stdio.h>
#include <string.h>

static bool is_option(const char *word) {
    return word[0] == '-' && word[1];
}

/* Of "--name=value"; or the letter of "-x". */
static void name_of(const char *word, char *name, size_t size) {
    const char *start = word + (word[1] == '-' ? 2 : 1);
    snprintf(name, size, "%.*s", (int)strcspn(start, "="), start);
}

/* The nearest of what names the words that may be asked for: the best over several lists of names. */
typedef struct guess {
    const char *typed;
    unsigned least;
    char best[120]; /* as it is to be written; "" at first */
} guess;

static void consider(guess *g, const char *front, const char *name) {
    unsigned distance = strcmp(g->typed, name) == 0 ? 0 : pare_suggestion_distance(g->typed, name);
    if (distance >= g->least) return;
    g->least = distance;
    snprintf(g->best, sizeof g->best, "%s%s", front, name);
}

static void consider_topics(guess *g, const pare_command *command) {
    const pare_topic *topic;
    for (size_t i = 0; (topic = pare_help_topic_at(command, i)); i++)
        consider(g, "", topic->name);
}

static void consider_choices(guess *g, const pare_command *command) {
    char front[40];
    for (size_t i = 0; pare_option_at(i); i++) {
        const pare_option *option = pare_option_at(i);
        bool named = option->choice == pare_recipe_name || option->choice == pare_recover_preset_name;
        if (!(option->commands & command->syntax.bit)) continue;
        consider(g, "--", option->name);
        snprintf(front, sizeof front, "--%s ", option->name);
        for (size_t j = 0; named && option->choice(j); j++)
            consider(g, front, option->choice(j));
    }
}

static int fail_topic(const pare_command *command, const char *word) {
    guess g = {.typed = word, .least = PARE_SUGGESTION_NONE};
    const char *name = command->syntax.name;
    consider_topics(&g, command);
    consider_choices(&g, command);
    if (*g.best)
        pare_terminal_fail("pare help %s: there is no topic %s, did you mean '%s'?", name, pare_quote(word).text,
                           g.best);
    else
        pare_terminal_fail("pare help %s: there is no topic %s, 'pare help %s' lists them", name, pare_quote(word).text,
                           name);
    return PARE_EXIT_USAGE;
}

/* True if what is asked for is a method or preset, with a value: the words are read as a command line then. */
static bool names_choice(const pare_command *command, int count, char **words, const pare_option **out) {
    for (int i = 0; i < count; i++) {
        char name[64];
        if (!is_option(words[i])) continue;
        name_of(words[i], name, sizeof name);
        bool valued = strchr(words[i], '=') || (i + 1 < count && !is_option(words[i + 1]));
        for (size_t j = 0; valued && pare_option_at(j); j++) {
            const pare_option *option = pare_option_at(j);
            bool page = option->choice == pare_recipe_name || option->choice == pare_recover_preset_name ||
                        strcmp(option->name, "recipe") == 0;
            if (!page || strcmp(option->name, name) != 0 || !(option->commands & command->syntax.bit)) continue;
            *out = option;
            return true;
        }
    }
    return false;
}

static int answer_choice(const pare_command *command, const pare_option *asked, int count, char **words) {
    pare_arguments arguments;
    int code = pare_arguments_parse(&command->syntax, count, words, &arguments);
    bool preset = asked->choice == pare_recover_preset_name;
    if (code == PARE_EXIT_DONE && arguments.method >= 0 && arguments.recipe)
        code = pare_outcome_usage("help", "give either --method or --recipe, not both");
    else if (code == PARE_EXIT_DONE)
        code = preset ? pare_help_print_preset(&pare_command_recover, &arguments)
                      : pare_help_print_method(command, &arguments);
    pare_arguments_free(&arguments);
    return code;
}

static int answer_option(const pare_command *command, int count, char **words) {
    char name[64];
    name_of(words[0], name, sizeof name);
    const pare_option *option = pare_option_find_word(&command->syntax, words[0]);
    if (!option) return PARE_EXIT_USAGE;
    bool value = count == 2 && option->kind != PARE_VALUE_FLAG && !is_option(words[1]);
    if (count > 1 && !value) return pare_outcome_usage("help", "it explains one option at a time");
    pare_help_print_command_option(command, option);
    return PARE_EXIT_DONE;
}

int pare_help_answer_command(const pare_command *command, int count, char **words) {
    const pare_option *asked;
    bool all = count == 1 && strcmp(words[0], "--all") == 0;
    if (count == 0 || all) {
        pare_help_print_command(command, all);
        return PARE_EXIT_DONE;
    }
    if (names_choice(command, count, words, &asked)) return answer_choice(command, asked, count, words);
    if (is_option(words[0])) return answer_option(command, count, words);
    if (count > 1) return pare_outcome_usage("help", "it explains one command at a time, or one topic of it");
    if (strcmp(words[0], "methods") == 0 && pare_help_chooses(command, pare_recipe_name))
        return pare_help_answer(1, words);
    return pare_help_print_topic(command, words[0]) ? PARE_EXIT_DONE : fail_topic(command, words[0]);
}

/* An option without a command: that of every one that has it. */
static int answer_any_option(int count, char **words) {
    static const pare_command *const choosing[] = {&pare_command_prune, &pare_command_recover};
    const pare_option *asked;
    char name[64];
    guess g = {.least = PARE_SUGGESTION_NONE};
    for (size_t i = 0; i < sizeof choosing / sizeof *choosing; i++)
        if (names_choice(choosing[i], count, words, &asked)) return answer_choice(choosing[i], asked, count, words);
    name_of(words[0], name, sizeof name);
    if (strcmp(words[0], "--all") == 0)
        return pare_outcome_usage("help", "--all is all of one command, such as pare help prune --all");
    if (count > 2 || (count == 2 && is_option(words[1])))
        return pare_outcome_usage("help", "it explains one option at a time");
    if (pare_help_print_option(name)) return PARE_EXIT_DONE;
    g.typed = name;
    for (size_t i = 0; pare_option_at(i); i++)
        consider(&g, "--", pare_option_at(i)->name);
    if (*g.best)
        pare_terminal_fail("pare help: no command has the option %s, did you mean %s?", pare_quote(words[0]).text,
                           g.best);
    else
        pare_terminal_fail("pare help: no command has the option %s, 'pare help COMMAND --all' lists those of one",
                           pare_quote(words[0]).text);
    return PARE_EXIT_USAGE;
}

static int fail_word(const char *word) {
    guess g = {.typed = word, .least = PARE_SUGGESTION_NONE};
    consider(&g, "", "methods");
    consider(&g, "", "models");
    for (size_t i = 0; pare_command_at(i); i++)
        consider(&g, "", pare_command_at(i)->syntax.name);
    for (size_t i = 0; pare_command_at(i); i++)
        consider_topics(&g, pare_command_at(i));
    for (size_t i = 0; pare_command_at(i); i++)
        consider_choices(&g, pare_command_at(i));
    if (*g.best && !g.least)
        return pare_outcome_usage("help",
                                  "it explains one thing at a time, and what follows a command's name is of it");
    if (*g.best)
        pare_terminal_fail("pare help: there is no command or topic %s, did you mean '%s'?", pare_quote(word).text,
                           g.best);
    else
        pare_terminal_fail("pare help: there is no command or topic %s, 'pare help' lists what there is",
                           pare_quote(word).text);
    return PARE_EXIT_USAGE;
}

/* A topic without a command: that of the first one that has it. */
static int answer_word(const char *word) {
    for (size_t i = 0; pare_command_at(i); i++)
        if (pare_help_print_topic(pare_command_at(i), word)) return PARE_EXIT_DONE;
    return fail_word(word);
}

/* What is installed beside the program: `help --man [COMMAND]`, `help --completion SHELL`. */
static int answer_installed(int count, char **words) {
    if (strcmp(words[0], "--man") == 0) {
        const pare_command *command = count == 2 ? pare_command_find(words[1]) : NULL;
        if (count > 2 || (count == 2 && !command))
            return pare_outcome_usage("help", "--man makes the manual page of pare, or of the command that follows");
        pare_manual_print(command);
        return PARE_EXIT_DONE;
    }
    if (count == 2 && pare_completion_print(words[1])) return PARE_EXIT_DONE;
    return pare_outcome_usage("help", "--completion makes what a shell completes command lines with: name bash, zsh or "
                                      "fish");
}

int pare_help_answer(int count, char **words) {
    if (count == 0) {
        pare_help_print();
        return PARE_EXIT_DONE;
    }
    if (strcmp(words[0], "--man") == 0 || strcmp(words[0], "--completion") == 0) return answer_installed(count, words);
    const pare_command *command = pare_command_find(words[0]);
    if (command && count == 2 && pare_command_find(words[1]))
        return pare_outcome_usage("help", "it explains one command at a time, or one topic of it");
    if (command) return pare_help_answer_command(command, count - 1, words + 1);
    if (is_option(words[0])) return answer_any_option(count, words);
    if (count > 1) return fail_word(words[0]);
    if (strcmp(words[0], "models") == 0) return pare_help_print_models();
    if (strcmp(words[0], "methods") != 0) return answer_word(words[0]);
    pare_help_wrap(
        "What --method takes; 'pare help prune --method NAME' has what means something for one, with its values.", 0);
    pare_help_print_methods();
    return PARE_EXIT_DONE;
}
