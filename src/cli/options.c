#include "options.h"

#include "../support/suggest.h"
#include "command_line.h"
#include "message.h"
#include "terminal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TAKING_SEVERAL = PARE_IN_EVAL | PARE_IN_CLASSIFY | PARE_IN_REPORT | PARE_IN_CONVERT };

typedef struct word_parser {
    const pare_syntax *command;
    char **words;
    int count, next;
    pare_arguments *out;
    bool only_operands;   /* after "--" */
    bool model_from_list; /* the last text may be MODEL: it was not written after '=' */
} word_parser;

static bool is_option_word(const char *word) {
    return word[0] == '-' && word[1] != 0;
}

/* True for words that cannot be an option's value: "--name" and known short options. A negative number can. */
static bool cannot_be_value(const char *word) {
    if (word[0] != '-' || !word[1]) return false;
    if (word[1] == '-') return true;
    if (word[2]) return false;
    for (size_t i = 0; pare_option_at(i); i++)
        if (pare_option_at(i)->letter == word[1]) return true;
    return false;
}

static const pare_option *nearest_option(const word_parser *parser, const char *name) {
    const pare_option *best = NULL;
    unsigned least = PARE_SUGGESTION_NONE;
    for (size_t i = 0; pare_option_at(i); i++) {
        const pare_option *option = pare_option_at(i);
        unsigned distance = pare_suggestion_distance(name, option->name);
        if (!(option->commands & parser->command->bit) || distance >= least) continue;
        least = distance;
        best = option;
    }
    return best;
}

static const char *owner_name(unsigned commands) {
    return commands & PARE_IN_PRUNE      ? "prune"
           : commands & PARE_IN_EVAL     ? "eval"
           : commands & PARE_IN_GENERATE ? "generate"
           : commands & PARE_IN_INSPECT  ? "inspect"
           : commands & PARE_IN_SWEEP    ? "sweep"
           : commands & PARE_IN_ROBUST   ? "robust"
           : commands & PARE_IN_RECOVER  ? "recover"
           : commands & PARE_IN_MERGE    ? "merge"
           : commands & PARE_IN_REPORT   ? "report"
           : commands & PARE_IN_EXPORT   ? "export"
           : commands & PARE_IN_CONVERT  ? "convert"
           : commands & PARE_IN_IMATRIX  ? "imatrix"
                                         : "bench";
}

/* A row of that name, whatever commands it belongs to, that of pare prune first; or NULL. */
static const pare_option *option_named(const char *name) {
    const pare_option *found = NULL;
    for (size_t i = 0; pare_option_at(i); i++) {
        const pare_option *option = pare_option_at(i);
        if (strcmp(option->name, name) != 0) continue;
        if (option->commands & PARE_IN_PRUNE) return option;
        if (!found) found = option;
    }
    return found;
}

static int fail_unknown(const word_parser *parser, const char *word, const char *name) {
    const char *command = parser->command->name;
    const pare_option *near = nearest_option(parser, name), *other = option_named(name);
    bool own = near && strcmp(near->name, name) == 0;
    if (other && !own)
        pare_terminal_fail("pare %s has no option --%s, which is one of pare %s", command, name,
                           owner_name(other->commands));
    else if (near)
        pare_terminal_fail("pare %s: unknown option %s, did you mean --%s?", command, pare_quote(word).text,
                           near->name);
    else
        pare_terminal_fail("pare %s: unknown option %s, 'pare %s --help' lists what there is", command,
                           pare_quote(word).text, command);
    return PARE_EXIT_USAGE;
}

/* The table's row for "--name", "--name=value" or "-x"; NULL if the command has none. */
static const pare_option *find_option(const word_parser *parser, const char *word) {
    bool full = word[1] == '-';
    size_t length = full ? strcspn(word + 2, "=") : 0;
    for (size_t i = 0; pare_option_at(i); i++) {
        const pare_option *option = pare_option_at(i);
        if (!(option->commands & parser->command->bit)) continue;
        bool same = full ? strlen(option->name) == length && strncmp(option->name, word + 2, length) == 0
                         : option->letter && option->letter == word[1] && !word[2];
        if (same) return option;
    }
    return NULL;
}

/* The name is what stands before '='; one that is longer than any option's is cut, and so still unlike all of them. */
static int fail_unknown_word(const word_parser *parser, const char *word) {
    char name[64];
    const char *start = word[1] == '-' ? word + 2 : word + 1;
    snprintf(name, sizeof name, "%.*s", (int)strcspn(start, "="), start);
    return fail_unknown(parser, word, name);
}

/* A setting keeps its text; what stands before a quantile names it. */
static void store_setting(word_parser *parser, const pare_option *option, const char *text) {
    pare_setting_list *settings = &parser->out->settings;
    bool quantile = option->kind == PARE_VALUE_LEVEL && text[0] == 'q';
    settings->list[settings->count++] =
        (pare_setting){.key = quantile ? "eta_quantile" : option->key, .value = quantile ? text + 1 : text};
}

static int store(word_parser *parser, const pare_option *option, const char *text) {
    enum { LONGEST = 64 };
    char reason[640], parsed[LONGEST];
    const char *value;
    void *target = (char *)parser->out + option->offset;
    bool list = option->kind == PARE_VALUE_LIST || option->kind == PARE_VALUE_REPEATED;
    if (option->key) target = parsed;
    if (!pare_value_parse(option, text, list ? (void *)&value : target, reason, sizeof reason)) {
        pare_terminal_fail("pare %s: --%s %s", parser->command->name, option->name, reason);
        return PARE_EXIT_USAGE;
    }
    if (option->key) store_setting(parser, option, text);
    pare_given_list *given = &parser->out->given;
    given->list[given->count++] = (pare_given){option, text};
    if (list) {
        pare_word_list *words = target;
        words->words[words->count++] = value;
    }
    return PARE_EXIT_DONE;
}

static bool is_choice(const pare_option *option, const char *word) {
    for (size_t i = 0; option->choice(i); i++)
        if (strcmp(option->choice(i), word) == 0) return true;
    return false;
}

/* The value after "--name": one word, or for a list all words up to the next option. */
static int take_following(word_parser *parser, const pare_option *option) {
    if (option->bare && (parser->next == parser->count || !is_choice(option, parser->words[parser->next])))
        return store(parser, option, option->bare);
    if (parser->next == parser->count || cannot_be_value(parser->words[parser->next])) {
        pare_terminal_fail("pare %s: --%s needs a value (%s)%s", parser->command->name, option->name, option->value,
                           parser->next == parser->count ? "" : "; write it after '=' if it begins with a dash");
        return PARE_EXIT_USAGE;
    }
    int code = store(parser, option, parser->words[parser->next++]);
    if (option->kind != PARE_VALUE_LIST) return code;
    while (code == PARE_EXIT_DONE && parser->next < parser->count && !is_option_word(parser->words[parser->next]))
        code = store(parser, option, parser->words[parser->next++]);
    return code;
}

static bool was_given(const pare_arguments *arguments, const pare_option *option) {
    for (size_t i = 0; i < arguments->given.count; i++)
        if (arguments->given.list[i].option == option) return true;
    return false;
}

static int take_option(word_parser *parser, const char *word) {
    const pare_option *option = find_option(parser, word);
    if (!option) return fail_unknown_word(parser, word);
    bool repeats = option->kind == PARE_VALUE_LIST || option->kind == PARE_VALUE_REPEATED;
    if (!repeats && was_given(parser->out, option)) {
        pare_terminal_fail("pare %s: --%s is given twice", parser->command->name, option->name);
        return PARE_EXIT_USAGE;
    }
    const char *equals = word[1] == '-' ? strchr(word, '=') : NULL;
    if (option->kind == PARE_VALUE_LIST) parser->model_from_list = !equals;
    if (option->kind != PARE_VALUE_FLAG)
        return equals ? store(parser, option, equals + 1) : take_following(parser, option);
    if (equals) {
        pare_terminal_fail("pare %s: --%s takes no value", parser->command->name, option->name);
        return PARE_EXIT_USAGE;
    }
    parser->out->given.list[parser->out->given.count++] = (pare_given){option, "yes"};
    *(bool *)((char *)parser->out + option->offset) = true;
    return PARE_EXIT_DONE;
}

static int take_operand(word_parser *parser, const char *word) {
    if (parser->out->model && !(parser->command->bit & TAKING_SEVERAL)) {
        pare_terminal_fail("pare %s: it takes one MODEL, %s, so there is no place for %s", parser->command->name,
                           pare_quote(parser->out->model).text, pare_quote(word).text);
        return PARE_EXIT_USAGE;
    }
    if (!*word) {
        pare_terminal_fail("pare %s: %s must not be empty", parser->command->name,
                           parser->command->bit & PARE_IN_REPORT ? "the name of a file" : "MODEL");
        return PARE_EXIT_USAGE;
    }
    pare_word_list *models = &parser->out->models;
    models->words[models->count++] = word;
    parser->out->model = models->words[0];
    return PARE_EXIT_DONE;
}

static int take_word(word_parser *parser) {
    const char *word = parser->words[parser->next++];
    if (parser->only_operands || !is_option_word(word)) return take_operand(parser, word);
    if (strcmp(word, "--") != 0) return take_option(parser, word);
    parser->only_operands = true;
    return PARE_EXIT_DONE;
}

static bool asks_for_help(int count, char **words) {
    for (int i = 0; i < count && strcmp(words[i], "--") != 0; i++)
        if (strcmp(words[i], "--help") == 0 || strcmp(words[i], "-h") == 0) return true;
    return false;
}

/* Lists with room for `room` entries each. */
static int allocate(pare_arguments *out, size_t room) {
    out->models.words = calloc(room, sizeof *out->models.words);
    out->texts.words = calloc(room, sizeof *out->texts.words);
    out->over.words = calloc(room, sizeof *out->over.words);
    out->targets.words = calloc(room, sizeof *out->targets.words);
    out->skipped.words = calloc(room, sizeof *out->skipped.words);
    out->training.words = calloc(room, sizeof *out->training.words);
    out->settings.list = calloc(room, sizeof *out->settings.list);
    out->given.list = calloc(room, sizeof *out->given.list);
    if (out->models.words && out->texts.words && out->over.words && out->targets.words && out->skipped.words &&
        out->training.words && out->settings.list && out->given.list)
        return PARE_EXIT_DONE;
    pare_terminal_fail("there is not enough memory to read the command line");
    return PARE_EXIT_FAILED;
}

int pare_arguments_parse(const pare_syntax *command, int count, char **words, pare_arguments *out) {
    *out = (pare_arguments){.method = -1,
                            .protocol = -1,
                            .shape = -1,
                            .task_protocol = -1,
                            .sparsity = {.one = -1},
                            .preset = -1,
                            .wording = -1,
                            .train_on_prompt = -1,
                            .group_by_length = -1,
                            .warmup = PARE_NOT_GIVEN,
                            .decay = PARE_NOT_GIVEN,
                            .validation = PARE_NOT_GIVEN,
                            .dropout = -1,
                            .ce = -1,
                            .kd = -1,
                            .calibration_share = -1,
                            .clip = -1,
                            .weight_decay = -1,
                            .help = asks_for_help(count, words)};
    if (out->help) return PARE_EXIT_DONE;
    int code = allocate(out, (size_t)count + 1);
    if (code == PARE_EXIT_DONE) code = pare_command_line_new(command->name, count, words, &out->command);
    if (code != PARE_EXIT_DONE) return code;
    word_parser parser = {.command = command, .words = words, .count = count, .out = out};
    while (code == PARE_EXIT_DONE && parser.next < count)
        code = take_word(&parser);
    if (code == PARE_EXIT_DONE && !out->model && parser.model_from_list && out->texts.count > 1)
        code = take_operand(&parser, out->texts.words[--out->texts.count]);
    return code;
}

void pare_arguments_free(pare_arguments *arguments) {
    free(arguments->models.words);
    free(arguments->texts.words);
    free(arguments->over.words);
    free(arguments->targets.words);
    free(arguments->skipped.words);
    free(arguments->training.words);
    free(arguments->sparsity.each);
    free(arguments->settings.list);
    free(arguments->given.list);
    free(arguments->ratio.each);
    free(arguments->drops.list);
    free(arguments->command);
    *arguments = (pare_arguments){0};
}

static bool copy_shares(const pare_share_list *from, pare_share_list *out) {
    out->each = from->count ? calloc(from->count, sizeof *out->each) : NULL;
    if (!from->count) return true;
    if (out->each) memcpy(out->each, from->each, from->count * sizeof *out->each);
    return out->each != NULL;
}

static bool copy_layers(const pare_layer_list *from, pare_layer_list *out) {
    out->list = from->count ? calloc(from->count, sizeof *out->list) : NULL;
    if (out->list) memcpy(out->list, from->list, from->count * sizeof *out->list);
    return out->list || !from->count;
}

static void copy_words(const pare_word_list *from, pare_word_list *out) {
    if (from->count) memcpy(out->words, from->words, from->count * sizeof *out->words);
}

int pare_arguments_copy(const pare_arguments *from, size_t more, pare_arguments *out) {
    *out = *from;
    out->command = NULL;
    bool copied = copy_shares(&from->ratio, &out->ratio);
    copied = copy_shares(&from->sparsity, &out->sparsity) && copied;
    copied = copy_layers(&from->drops, &out->drops) && copied;
    int code = allocate(out, from->given.count + more + 1);
    if (code == PARE_EXIT_DONE && !copied) code = PARE_EXIT_FAILED;
    if (code != PARE_EXIT_DONE) return code;
    copy_words(&from->models, &out->models);
    copy_words(&from->texts, &out->texts);
    copy_words(&from->over, &out->over);
    copy_words(&from->targets, &out->targets);
    copy_words(&from->skipped, &out->skipped);
    if (from->settings.count)
        memcpy(out->settings.list, from->settings.list, from->settings.count * sizeof *out->settings.list);
    if (from->given.count) memcpy(out->given.list, from->given.list, from->given.count * sizeof *out->given.list);
    return PARE_EXIT_DONE;
}

const pare_option *pare_option_find(const pare_syntax *command, const char *name) {
    char word[64];
    word_parser parser = {.command = command};
    snprintf(word, sizeof word, "--%.60s", name);
    const pare_option *option = strchr(name, '=') ? NULL : find_option(&parser, word);
    if (!option) fail_unknown_word(&parser, word);
    return option;
}

const pare_option *pare_option_find_word(const pare_syntax *command, const char *word) {
    word_parser parser = {.command = command};
    const pare_option *option = find_option(&parser, word);
    if (!option) fail_unknown_word(&parser, word);
    return option;
}

int pare_arguments_set(const pare_syntax *command, const pare_option *option, const char *text,
                       pare_arguments *arguments) {
    word_parser parser = {.command = command, .out = arguments};
    if (option->kind != PARE_VALUE_FLAG) return store(&parser, option, text);
    bool yes = strcmp(text, "yes") == 0;
    if (!yes && strcmp(text, "no") != 0) {
        pare_terminal_fail("pare %s: --%s must be yes or no, not %s", command->name, option->name,
                           pare_quote(text).text);
        return PARE_EXIT_USAGE;
    }
    *(bool *)((char *)arguments + option->offset) = yes;
    return PARE_EXIT_DONE;
}
