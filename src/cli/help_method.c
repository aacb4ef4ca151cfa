#include "help_method.h"

#include "cmd_prune.h"
#include "cmd_recover.h"
#include "document.h"
#include "help_print.h"
#include "terminal.h"

#include <stdio.h>
#include <string.h>

/* What the library makes of a command line, as pare_recipe_describe and pare_recover_describe have it. */
typedef struct page {
    const pare_command *command;
    json_t *document;
    const char *without; /* an option that others of the page replace, or NULL */
} page;

static const json_t *look_up(const page *p, const char *part, const char *name) {
    return json_object_get(pare_document_at(p->document, part), name);
}

static bool is_setting(const page *p, const pare_option *option) {
    return look_up(p, "settings", option->key ? option->key : option->name);
}

/* Of the command, and with a use here. */
static bool applies(const page *p, const pare_option *option) {
    if (!(option->commands & p->command->syntax.bit)) return false;
    if (p->without && strcmp(option->name, p->without) == 0) return false;
    if (option->key) return is_setting(p, option);
    return !json_is_false(look_up(p, "uses", option->name));
}

/* A setting that the others leave no other choice. */
static bool is_settled(const page *p, const char *key) {
    const json_t *list = pare_document_at(p->document, "settled");
    for (size_t i = 0; key && i < json_array_size(list); i++)
        if (strcmp(json_string_value(json_array_get(list, i)), key) == 0) return true;
    return false;
}

/* Where methods differ: either a setting, or of use to some of them. */
static bool is_particular(const page *p, const pare_option *option) {
    return is_setting(p, option) || look_up(p, "uses", option->name);
}

static void show(const json_t *value, char *out, size_t size) {
    if (json_is_number(value))
        snprintf(out, size, "%.7g", json_number_value(value));
    else
        snprintf(out, size, "%s", json_is_string(value) ? json_string_value(value) : "");
}

/* The value that stands on the left, or the usual one if it is a word that could. */
static void print_particular(const page *p, const pare_option *option) {
    char value[80] = "";
    const json_t *differs = look_up(p, "defaults", option->name);
    const char *usual = differs ? json_string_value(differs) : option->usual;
    if (is_setting(p, option))
        show(look_up(p, "settings", option->key ? option->key : option->name), value, sizeof value);
    else if (json_is_number(differs))
        show(differs, value, sizeof value);
    else if (usual && !strpbrk(usual, " ,"))
        snprintf(value, sizeof value, "%s", usual);
    pare_help_option_valued(option, *value ? value : NULL, *value || is_setting(p, option) ? NULL : usual);
}

/* "Single weights (with --sparsity ...)" without what is in parentheses */
static void print_heading(const pare_topic *topic) {
    const char *aside = strstr(topic->heading, " (");
    printf("\n%.*s\n", (int)(aside ? (size_t)(aside - topic->heading) : strlen(topic->heading)), topic->heading);
}

static void print_particulars(const page *p) {
    const pare_topic *topic = NULL;
    for (size_t i = 0; pare_option_at(i); i++) {
        const pare_option *option = pare_option_at(i);
        if (!applies(p, option) || !is_particular(p, option) || is_settled(p, option->key)) continue;
        if (option->group != topic) print_heading(option->group);
        topic = option->group;
        print_particular(p, option);
    }
}

static void append(char *text, size_t size, const char *word) {
    size_t used = strlen(text);
    snprintf(text + used, size - used, "%s%s", used ? ", " : "", word);
}

/* Those whose meaning is the same everywhere, by name. */
static void print_others(const page *p, const char *whom) {
    char names[1500] = "", text[1700];
    for (size_t i = 0; pare_option_at(i); i++) {
        const pare_option *option = pare_option_at(i);
        char word[80];
        if (!applies(p, option) || is_particular(p, option)) continue;
        snprintf(word, sizeof word, "--%s", option->name);
        append(names, sizeof names, word);
    }
    snprintf(text, sizeof text, "%s, too ('pare help %s --OPTION' explains one): %s", whom, p->command->syntax.name,
             names);
    putchar('\n');
    pare_help_wrap(text, 0);
}

/* Options that could only be given the value they have. */
static void print_settled(const page *p) {
    char text[800] = "", word[160], shown[60];
    for (size_t i = 0; pare_option_at(i); i++) {
        const pare_option *option = pare_option_at(i);
        if (!applies(p, option) || !is_settled(p, option->key)) continue;
        show(look_up(p, "settings", option->key), shown, sizeof shown);
        snprintf(word, sizeof word, "--%s %s", option->name, shown);
        append(text, sizeof text, word);
    }
    if (!*text) return;
    printf("\nNot to be changed alone\n  ");
    pare_help_wrap(text, 2);
}

static bool has_option(const page *p, const char *key) {
    for (size_t i = 0; pare_option_at(i); i++)
        if (pare_option_at(i)->key && strcmp(pare_option_at(i)->key, key) == 0 &&
            (pare_option_at(i)->commands & p->command->syntax.bit))
            return true;
    return false;
}

/* Settings without an option. */
static void print_file_settings(const page *p) {
    char text[800] = "";
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)pare_document_at(p->document, "settings"), key, value) {
        char shown[60], word[160];
        if (has_option(p, key)) continue;
        show(value, shown, sizeof shown);
        snprintf(word, sizeof word, "%s %s", key, shown);
        append(text, sizeof text, word);
    }
    printf("\nOnly in a recipe file (--recipe FILE)\n  ");
    pare_help_wrap(text, 2);
}

static void print_ignored(const page *p) {
    const json_t *list = pare_document_at(p->document, "ignored");
    char text[1500] = "";
    for (size_t i = 0; i < json_array_size(list); i++)
        append(text, sizeof text, json_string_value(json_array_get(list, i)));
    if (!*text) return;
    printf("\nWithout meaning here: ");
    pare_help_wrap(text, 22);
}

static const struct {
    const char *kind, *removes, *example;
} kinds[] = {
    {"units", "heads with their KV group, and FFN channels", "my-model -o smaller --ratio 0.2 --method %s%s"},
    {"weights", "single weights, which become zeros", "my-model -o sparse --sparsity 0.5 --method %s%s"},
    {"layers", "whole layers", "my-model -o shallower --ratio 0.2 --method %s%s"},
    {"experts", "whole experts", "my-moe -o fewer-experts --mode expert --ratio 0.25 --method %s%s"},
    {"training", "heads with their KV group, and FFN channels, while LoRA trains",
     "my-model -o healed --ratio 0.5 --method %s%s"},
};

static size_t kind_of(const page *p) {
    size_t found = 0;
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (strcmp(kinds[i].kind, pare_document_text(p->document, "kind")) == 0) found = i;
    return found;
}

/* A line of words with a name in front. */
static void print_line(const char *name, const char *text) {
    int column = printf("%s: ", name);
    pare_help_wrap(text, column);
}

static void print_method_head(const page *p, const pare_arguments *arguments) {
    const char *method = pare_document_text(p->document, "method");
    const char *mode = pare_document_text(p->document, "settings.mode");
    bool hidden = strcmp(mode, "channel") == 0;
    printf("pare %s --method %s%s%s\n\n", p->command->syntax.name, method, arguments->recipe ? " as changed by " : "",
           arguments->recipe ? arguments->recipe : "");
    pare_help_wrap(pare_document_text(p->document, "summary"), 0);
    print_line("Source", pare_document_text(p->document, "source"));
    print_line("Removes", hidden ? "channels of the hidden state" : kinds[kind_of(p)].removes);
}

static void print_method_tail(const page *p) {
    char line[300], words[200];
    const char *method = pare_document_text(p->document, "method"), *kind = pare_document_text(p->document, "kind");
    bool trains = strcmp(kind, "training") == 0, data = !json_is_false(look_up(p, "uses", "calib"));
    bool weights = strcmp(kind, "weights") == 0 || !json_is_true(look_up(p, "uses", "sparsity"));
    const char *calib = trains ? " --calib alpaca.json" : data ? " --calib books.jsonl" : "";
    if (!weights) {
        snprintf(line, sizeof line,
                 "With --sparsity or --pattern %s: 'pare help %s --method %s --sparsity 0.5' has what means something "
                 "then.",
                 strcmp(method, "best") == 0 ? "its twin best-sparse removes single weights"
                                             : "it ranks single weights instead",
                 p->command->syntax.name, method);
        putchar('\n');
        pare_help_wrap(line, 0);
    }
    snprintf(words, sizeof words, kinds[kind_of(p)].example, method, calib);
    snprintf(line, sizeof line, "%s %s", "prune", words);
    printf("\nExample\n");
    pare_help_command_line("  ", line);
}

static bool removes_weights(const char *method) {
    for (size_t i = 0; pare_recipe_name(i); i++)
        if (strcmp(pare_recipe_name(i), method) == 0) return strcmp(pare_recipe_kind(i), "weights") == 0;
    return false;
}

/* Half of the single weights, if nothing is said and it is these that the method removes. */
static pare_status describe(const pare_arguments *arguments, char **text) {
    pare_prune_options options = pare_prune_options_of(arguments);
    bool weights = options.method && removes_weights(options.method);
    if (weights && !options.sparsity.given) options.sparsity = (pare_sparsity){.given = true, .share = 0.5};
    pare_status status = pare_recipe_describe(&options, text);
    if (status == PARE_OK || options.sparsity.given || !options.recipe) return status;
    options.sparsity = (pare_sparsity){.given = true, .share = 0.5};
    return pare_recipe_describe(&options, text);
}

/* Takes the text; false after one sentence. */
static bool open_page(page *p, pare_status status, char *text) {
    p->document = status == PARE_OK ? json_loads(text, 0, NULL) : NULL;
    pare_text_free(text);
    if (!p->document) pare_terminal_fail("%s", pare_message());
    return p->document;
}

int pare_help_print_method(const pare_command *command, const pare_arguments *arguments) {
    page p = {.command = command, .without = arguments->recipe ? "method" : "recipe"};
    char *text = NULL;
    pare_status status = describe(arguments, &text);
    if (!open_page(&p, status, text)) return status == PARE_BAD_ARGUMENT ? PARE_EXIT_USAGE : PARE_EXIT_FAILED;
    print_method_head(&p, arguments);
    print_particulars(&p);
    print_settled(&p);
    print_file_settings(&p);
    print_others(&p, "Every method takes");
    print_ignored(&p);
    print_method_tail(&p);
    json_decref(p.document);
    return PARE_EXIT_DONE;
}

int pare_help_print_preset(const pare_command *command, const pare_arguments *arguments) {
    page p = {.command = command};
    char *text = NULL, line[200];
    pare_recover_options options = pare_recover_options_of(arguments);
    pare_status status = pare_recover_describe(&options, &text);
    if (!open_page(&p, status, text)) return PARE_EXIT_USAGE;
    const char *preset = pare_document_text(p.document, "preset");
    printf("pare %s --preset %s\n\n", command->syntax.name, preset);
    pare_help_wrap(pare_document_text(p.document, "summary"), 0);
    print_particulars(&p);
    print_others(&p, "Every preset takes");
    snprintf(line, sizeof line, "%s smaller -o healed --data alpaca.json --preset %s", command->syntax.name, preset);
    printf("\nExample\n");
    pare_help_command_line("  ", line);
    json_decref(p.document);
    return PARE_EXIT_DONE;
}
