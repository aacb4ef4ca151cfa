#include "manual.h"

#include "help.h"
#include "help_print.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

/* Text as it is: no character of it is a request, and its dashes can be copied. */
static void text(const char *words) {
    if (*words == '.' || *words == '\'') printf("\\&");
    for (; *words; words++) {
        if (*words == '\\')
            printf("\\e");
        else if (*words == '-')
            printf("\\-");
        else if (*words == '\'')
            printf("\\(aq");
        else if (*words == '^')
            printf("\\(ha");
        else if (*words == '~')
            printf("\\(ti");
        else if (*words == '`')
            printf("\\(ga");
        else
            putchar(*words);
    }
}

static void line(const char *words) {
    text(words);
    putchar('\n');
}

static void section(const char *name) {
    printf(".SH %s\n", name);
}

static void strong(const char *words) {
    printf("\\fB");
    text(words);
    printf("\\fR");
}

static void title(const char *name, const char *summary) {
    printf(".\\\" Made by pare %s from its option table.\n.TH ", pare_version());
    for (const char *c = name; *c; c++)
        *c == '-' ? printf("\\-") : putchar(toupper((unsigned char)*c));
    printf(" 1 \"\" \"pare %s\" \"pare\"\n.SH NAME\n", pare_version());
    text(name);
    printf(" \\- ");
    line(summary);
}

/* An entry: what stands on the left in bold, and what it is. */
static void entry(const char *left, const char *words) {
    printf(".TP\n");
    strong(left);
    putchar('\n');
    line(words);
}

static void option_entry(const pare_option *option) {
    char words[PARE_HELP_LONGEST], letter[3] = {'-', option->letter, 0}, name[80];
    snprintf(name, sizeof name, "--%s", option->name);
    printf(".TP\n");
    if (option->letter) {
        strong(letter);
        printf(", ");
    }
    strong(name);
    if (option->value) {
        printf(" \\fI");
        text(option->value);
        printf("\\fR");
    }
    putchar('\n');
    pare_help_describe(option, option->usual, words, sizeof words);
    line(words);
}

static void options(const pare_command *command) {
    const pare_topic *topic;
    section("OPTIONS");
    for (size_t i = 0; (topic = pare_help_topic_at(command, i)); i++) {
        printf(".SS ");
        line(topic->heading);
        for (size_t j = 0; pare_option_at(j); j++)
            if ((pare_option_at(j)->commands & command->syntax.bit) && pare_option_at(j)->group == topic)
                option_entry(pare_option_at(j));
    }
}

static void names(const char *heading, const char *(*name)(size_t), const char *(*summary)(size_t)) {
    section(heading);
    for (size_t i = 0; name(i); i++)
        entry(name(i), summary(i));
}

static void command_line(const char *front, const char *words) {
    text(front);
    putchar(' ');
    line(words);
}

static void synopsis(const pare_command *command, const char *front) {
    section("SYNOPSIS");
    for (size_t i = 0; command->synopsis[i]; i++) {
        if (i) printf(".br\n");
        strong(front);
        putchar(' ');
        line(command->synopsis[i]);
    }
}

static void closing(void) {
    section("EXIT STATUS");
    entry("0", "The work was done.");
    entry("1", "It failed: a file, a disk or the data; nothing is left half-written.");
    entry("2", "The command line is wrong.");
}

static void see_also(const char *but) {
    section("SEE ALSO");
    printf("\\fBpare\\fR(1)");
    for (size_t i = 0; pare_command_at(i); i++)
        if (!but || strcmp(pare_command_at(i)->syntax.name, but) != 0)
            printf(",\n\\fBpare\\-%s\\fR(1)", pare_command_at(i)->syntax.name);
    putchar('\n');
}

static void command_page(const pare_command *command) {
    char name[80], front[80];
    snprintf(name, sizeof name, "pare-%s", command->syntax.name);
    snprintf(front, sizeof front, "pare %s", command->syntax.name);
    title(name, command->summary);
    synopsis(command, front);
    section("DESCRIPTION");
    line(command->description);
    options(command);
    if (command->lists_methods) names("METHODS", pare_recipe_name, pare_recipe_summary);
    if (command->lists_presets) names("PRESETS", pare_recover_preset_name, pare_recover_preset_summary);
    section("EXAMPLES");
    printf(".nf\n");
    for (size_t i = 0; command->examples[i]; i++)
        command_line(front, command->examples[i]);
    printf(".fi\n");
    closing();
    see_also(command->syntax.name);
}

static void program_page(void) {
    title("pare", "prunes trained transformers");
    section("SYNOPSIS");
    printf("\\fBpare\\fR \\fICOMMAND\\fR \\fIMODEL\\fR [\\fIOPTION\\fR...]\n");
    section("DESCRIPTION");
    printf("\\fBpare\\fR ");
    line(pare_help_about);
    printf(".PP\n");
    line(pare_help_model);
    section("COMMANDS");
    for (size_t i = 0; pare_command_at(i); i++) {
        char left[96];
        snprintf(left, sizeof left, "pare %s", pare_command_at(i)->syntax.name);
        entry(left, pare_command_at(i)->summary);
    }
    entry("pare help", "what each command does, by topic, option, method and preset");
    section("OPTIONS");
    entry("--help", "the commands, or what most people need of one");
    entry("--version", "the version");
    closing();
    see_also(NULL);
}

void pare_manual_print(const pare_command *command) {
    if (command)
        command_page(command);
    else
        program_page();
}
