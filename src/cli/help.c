#include "help.h"

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

static void print_options(const pare_command *command) {
    const char *group = NULL;
    for (size_t i = 0; pare_option_at(i); i++) {
        const pare_option *option = pare_option_at(i);
        if (!(option->commands & command->syntax.bit)) continue;
        if (!group || strcmp(group, option->group) != 0) printf("\n%s\n", option->group);
        group = option->group;
        print_option(option);
    }
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

void pare_help_print_command(const pare_command *command) {
    for (size_t i = 0; command->synopsis[i]; i++)
        printf("%s pare %s %s\n", i ? "      " : "Usage:", command->syntax.name, command->synopsis[i]);
    putchar('\n');
    print_wrapped(command->description, 0);
    print_options(command);
    if (command->lists_methods) print_methods();
    if (command->lists_presets) print_presets();
    printf("\nExamples\n");
    for (size_t i = 0; command->examples[i]; i++)
        printf("  pare %s %s\n", command->syntax.name, command->examples[i]);
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
    print_entry("help [COMMAND]", "this text, or everything about one command");
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
