#include "help.h"

#include "help_print.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

static bool belongs(const pare_command *command, const pare_option *option) {
    return option->commands & command->syntax.bit;
}

/* True if no row before this one belongs to the command and the same topic. */
static bool begins_topic(const pare_command *command, size_t index) {
    const pare_topic *topic = pare_option_at(index)->group;
    if (!belongs(command, pare_option_at(index))) return false;
    for (size_t i = 0; i < index; i++)
        if (belongs(command, pare_option_at(i)) && pare_option_at(i)->group == topic) return false;
    return true;
}

const pare_topic *pare_help_topic_at(const pare_command *command, size_t index) {
    for (size_t i = 0; pare_option_at(i); i++)
        if (begins_topic(command, i) && index-- == 0) return pare_option_at(i)->group;
    return NULL;
}

bool pare_help_chooses(const pare_command *command, const char *(*choice)(size_t index)) {
    for (size_t i = 0; pare_option_at(i); i++)
        if (belongs(command, pare_option_at(i)) && pare_option_at(i)->choice == choice) return true;
    return false;
}

static void print_topic(const pare_command *command, const pare_topic *topic) {
    putchar('\n');
    pare_help_wrap(topic->heading, 0);
    for (size_t i = 0; pare_option_at(i); i++)
        if (belongs(command, pare_option_at(i)) && pare_option_at(i)->group == topic)
            pare_help_option(pare_option_at(i));
}

static void print_options(const pare_command *command) {
    const pare_topic *topic;
    for (size_t i = 0; (topic = pare_help_topic_at(command, i)); i++)
        print_topic(command, topic);
}

static bool is_common(const pare_command *command, const pare_option *option) {
    return belongs(command, option) && (option->common & command->syntax.bit);
}

static bool is_shortened(const pare_command *command) {
    for (size_t i = 0; pare_option_at(i); i++)
        if (is_common(command, pare_option_at(i))) return true;
    return false;
}

static void print_common(const pare_command *command) {
    printf("\nOptions that most people need\n");
    for (size_t i = 0; pare_option_at(i); i++)
        if (is_common(command, pare_option_at(i))) pare_help_option_briefly(pare_option_at(i));
}

static void print_rest(const pare_command *command) {
    const pare_topic *topic;
    printf("\nThe rest: pare help %s, and one of\n", command->syntax.name);
    for (size_t i = 0; (topic = pare_help_topic_at(command, i)); i++)
        pare_help_entry(topic->name, topic->about);
    if (pare_help_chooses(command, pare_recipe_name))
        pare_help_entry("--method NAME", "a method and its values ('pare help methods')");
    if (pare_help_chooses(command, pare_recover_preset_name) && command->lists_presets)
        pare_help_entry("--preset NAME", "a preset and its values");
    pare_help_entry("--OPTION, --all", "one option, or every one");
}

static void print_kind(const char *kind, const char *heading) {
    putchar('\n');
    pare_help_wrap(heading, 0);
    for (size_t i = 0; pare_recipe_name(i); i++)
        if (strcmp(pare_recipe_kind(i), kind) == 0) pare_help_entry(pare_recipe_name(i), pare_recipe_summary(i));
}

void pare_help_print_methods(void) {
    print_kind("units", "Methods for units: KV groups with their query heads, and FFN channels (--ratio, --params, "
                        "--bytes)");
    print_kind("layers", "Methods for whole layers (--ratio, --params, --bytes)");
    print_kind("experts", "Methods for whole experts (--mode expert with --ratio, --params, --bytes)");
    print_kind("training", "Methods that prune while they train (--ratio, and --calib with what to train on)");
    print_kind("weights", "Methods for single weights (--sparsity, --pattern)");
}

void pare_help_print_presets(void) {
    printf("\nPresets\n");
    for (size_t i = 0; pare_recover_preset_name(i); i++)
        pare_help_entry(pare_recover_preset_name(i), pare_recover_preset_summary(i));
}

static void print_examples(const pare_command *command, size_t most) {
    char line[400];
    printf("\nExamples\n");
    for (size_t i = 0; command->examples[i] && i < most; i++) {
        snprintf(line, sizeof line, "%s %s", command->syntax.name, command->examples[i]);
        pare_help_command_line("  ", line);
    }
}

static void print_synopsis(const pare_command *command) {
    char line[400];
    for (size_t i = 0; command->synopsis[i]; i++) {
        snprintf(line, sizeof line, "%s %s", command->syntax.name, command->synopsis[i]);
        pare_help_command_line(i ? "       " : "Usage: ", line);
    }
}

void pare_help_print_command(const pare_command *command, bool all) {
    print_synopsis(command);
    putchar('\n');
    pare_help_wrap(command->description, 0);
    if (!all && is_shortened(command)) {
        print_common(command);
        print_examples(command, 3);
        print_rest(command);
        return;
    }
    print_options(command);
    if (command->lists_methods) pare_help_print_methods();
    if (command->lists_presets) pare_help_print_presets();
    print_examples(command, SIZE_MAX);
}

bool pare_help_print_topic(const pare_command *command, const char *name) {
    const pare_topic *topic;
    char closing[160];
    for (size_t i = 0; (topic = pare_help_topic_at(command, i)); i++)
        if (strcmp(topic->name, name) == 0) break;
    if (!topic) return false;
    printf("pare %s\n", command->syntax.name);
    print_topic(command, topic);
    putchar('\n');
    snprintf(closing, sizeof closing, "'pare help %s' lists the other topics, 'pare help %s --all' every option.",
             command->syntax.name, command->syntax.name);
    pare_help_wrap(closing, 0);
    return true;
}

const char pare_help_about[] =
    "prunes trained transformers: it removes the attention heads and feed-forward channels that a model needs least, "
    "and writes a smaller checkpoint that stock engines load.";
const char pare_help_model[] =
    "MODEL is a Hugging Face folder of a family that pare help models lists: config.json, safetensors (or "
    "pytorch_model.bin), a tokenizer (or preprocessor_config.json, where it reads pictures); or ORG/NAME, if the model "
    "is in the Hugging Face cache; or a GGUF file. Options may stand before or after it, as --name value or "
    "--name=value.";

void pare_help_print(void) {
    static const char *const examples[] = {"inspect my-model", "prune my-model -o smaller --ratio 0.2 --text wiki.txt",
                                           "recover smaller -o healed --data alpaca.json --text wiki.txt",
                                           "eval smaller --text wiki.txt --against my-model"};
    char opening[256];
    snprintf(opening, sizeof opening, "pare %s %s", pare_version(), pare_help_about);
    pare_help_wrap(opening, 0);
    printf("\nUsage: pare COMMAND MODEL [OPTION...]\n\nCommands\n");
    for (size_t i = 0; pare_command_at(i); i++)
        pare_help_entry(pare_command_at(i)->syntax.name, pare_command_at(i)->summary);
    pare_help_entry("help COMMAND", "what most people need of it, and where the rest is; --all for all of it");
    pare_help_entry("help --OPTION", "what it does, and which commands have it");
    pare_help_entry("help methods", "the methods that pare prune knows, by what they remove");
    pare_help_entry("help models", "the families of models that pare knows, and what of each can go");
    pare_help_entry("--version", "the version");
    putchar('\n');
    pare_help_wrap(pare_help_model, 0);
    putchar('\n');
    pare_help_wrap("Exit code: 0 done, 1 the work failed, 2 the command line is wrong. Results go to standard output, "
                   "everything else to standard error.",
                   0);
    printf("\nExamples\n");
    for (size_t i = 0; i < sizeof examples / sizeof *examples; i++)
        pare_help_command_line("  ", examples[i]);
}
