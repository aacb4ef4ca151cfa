#include "help.h"

#include "suggest.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

enum { WIDTH = 96, INDENT = 27 };

/* Prints words so that no line passes WIDTH; lines after the first begin at `indent`, where the first already is. */
static void print_wrapped(const char *text, int indent) {
    int column = indent;
    bool first = true;
    while (*text) {
        int length = (int)strcspn(text, " ");
        if (!first && column + 1 + length > WIDTH) {
            printf("\n%*s", indent, "");
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

static void print_entry(const char *left, const char *text) {
    int used = printf("  %s", left);
    if (used > INDENT - 2) {
        putchar('\n');
        used = 0;
    }
    printf("%*s", INDENT - used, "");
    print_wrapped(text, INDENT);
}

static void print_option(const pare_option *option) {
    char left[80], text[512];
    size_t used = 0;
    if (option->letter) used = (size_t)snprintf(left, sizeof left, "-%c, ", option->letter);
    snprintf(left + used, sizeof left - used, "--%s%s%s", option->name, option->value ? " " : "",
             option->value ? option->value : "");
    used = (size_t)snprintf(text, sizeof text, "%s", option->help);
    if (option->choice && option->choice != pare_recipe_name)
        for (size_t i = 0; option->choice(i) && used < sizeof text; i++)
            used += (size_t)snprintf(text + used, sizeof text - used, "%s%s", i ? ", " : ": ", option->choice(i));
    print_entry(left, text);
}

/* The topic of that name among the command's options, or NULL. */
static const pare_topic *topic_find(const pare_command *command, const char *name) {
    for (size_t i = 0; pare_option_at(i); i++) {
        const pare_option *option = pare_option_at(i);
        if ((option->commands & command->syntax.bit) && strcmp(option->group->name, name) == 0) return option->group;
    }
    return NULL;
}

/* True if no row before this one belongs to the command and the same topic. */
static bool begins_topic(const pare_command *command, size_t index) {
    const pare_topic *topic = pare_option_at(index)->group;
    if (!(pare_option_at(index)->commands & command->syntax.bit)) return false;
    for (size_t i = 0; i < index; i++)
        if ((pare_option_at(i)->commands & command->syntax.bit) && pare_option_at(i)->group == topic) return false;
    return true;
}

static void print_topic(const pare_command *command, const pare_topic *topic) {
    printf("\n%s\n", topic->heading);
    for (size_t i = 0; pare_option_at(i); i++)
        if ((pare_option_at(i)->commands & command->syntax.bit) && pare_option_at(i)->group == topic)
            print_option(pare_option_at(i));
}

static bool is_shortened(const pare_command *command) {
    for (size_t i = 0; pare_option_at(i); i++)
        if (pare_option_at(i)->common & command->syntax.bit) return true;
    return false;
}

static void print_options(const pare_command *command) {
    for (size_t i = 0; pare_option_at(i); i++)
        if (begins_topic(command, i)) print_topic(command, pare_option_at(i)->group);
}

static void print_common(const pare_command *command) {
    printf("\nOptions that most people need\n");
    for (size_t i = 0; pare_option_at(i); i++)
        if (pare_option_at(i)->common & command->syntax.bit) print_option(pare_option_at(i));
}

static void print_rest(const pare_command *command) {
    printf("\nThe rest: pare help %s TOPIC, or --all of it\n", command->syntax.name);
    for (size_t i = 0; pare_option_at(i); i++)
        if (begins_topic(command, i)) print_entry(pare_option_at(i)->group->name, pare_option_at(i)->group->about);
}

static void print_methods(void) {
    printf("\nMethods\n");
    for (size_t i = 0; pare_recipe_name(i); i++)
        print_entry(pare_recipe_name(i), pare_recipe_summary(i));
}

static void print_presets(void) {
    printf("\nPresets\n");
    for (size_t i = 0; pare_recover_preset_name(i); i++)
        print_entry(pare_recover_preset_name(i), pare_recover_preset_summary(i));
}

static void print_examples(const pare_command *command, size_t most) {
    printf("\nExamples\n");
    for (size_t i = 0; command->examples[i] && i < most; i++)
        printf("  pare %s %s\n", command->syntax.name, command->examples[i]);
}

void pare_help_print_command(const pare_command *command, bool all) {
    bool shortened = !all && is_shortened(command);
    for (size_t i = 0; command->synopsis[i]; i++)
        printf("%s pare %s %s\n", i ? "      " : "Usage:", command->syntax.name, command->synopsis[i]);
    putchar('\n');
    print_wrapped(command->description, 0);
    if (shortened) {
        print_common(command);
        print_examples(command, 3);
        print_rest(command);
        return;
    }
    print_options(command);
    if (command->lists_methods) print_methods();
    if (command->lists_presets) print_presets();
    print_examples(command, SIZE_MAX);
}

void pare_help_print_methods(void) {
    print_methods();
    printf("\n'pare help prune' explains how one is chosen.\n");
}

bool pare_help_print_topic(const pare_command *command, const char *name) {
    const pare_topic *topic = topic_find(command, name);
    if (!topic) return false;
    printf("pare %s\n", command->syntax.name);
    print_topic(command, topic);
    printf("\n'pare help %s' lists the other topics, 'pare help %s --all' every option.\n", command->syntax.name,
           command->syntax.name);
    return true;
}

const char *pare_help_topic_near(const pare_command *command, const char *name) {
    const char *best = NULL;
    unsigned least = PARE_SUGGESTION_NONE;
    for (size_t i = 0; pare_option_at(i); i++) {
        if (!begins_topic(command, i)) continue;
        unsigned distance = pare_suggestion_distance(name, pare_option_at(i)->group->name);
        if (distance >= least) continue;
        least = distance;
        best = pare_option_at(i)->group->name;
    }
    return best;
}

void pare_help_print(void) {
    char opening[256];
    snprintf(
        opening, sizeof opening,
        "pare %s prunes trained transformers: it removes the attention heads and feed-forward channels that a model "
        "needs least, and writes a smaller checkpoint that stock engines load.",
        pare_version());
    print_wrapped(opening, 0);
    printf("\nUsage: pare COMMAND MODEL [OPTION...]\n\nCommands\n");
    for (size_t i = 0; pare_command_at(i); i++)
        print_entry(pare_command_at(i)->syntax.name, pare_command_at(i)->summary);
    print_entry("help [COMMAND]", "this text, or what most people need of one command; --all for all of it");
    print_entry("help methods", "the methods that pare prune knows");
    print_entry("--version", "the version");
    printf("\nMODEL is a Hugging Face folder of the LLaMA family: config.json, safetensors, a tokenizer;\n"
           "or ORG/NAME, if the model is in the Hugging Face cache.\n"
           "Options may stand before or after it, as --name value or --name=value.\n\n"
           "Exit code: 0 done, 1 the work failed, 2 the command line is wrong. Results go to standard\n"
           "output, everything else to standard error.\n\nExamples\n"
           "  pare inspect my-model\n"
           "  pare prune my-model -o smaller --ratio 0.2 --text wiki.txt\n"
           "  pare recover smaller -o healed --data alpaca.json --text wiki.txt\n"
           "  pare eval smaller --text wiki.txt --against my-model\n");
}
