#include "page.h"

#include "json_text.h"
#include "outcome.h"
#include "terminal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

pare_page_options pare_page_options_of(const pare_arguments *a) {
    return (pare_page_options){.size = sizeof(pare_page_options),
                               .file = a->report,
                               .figures = a->figures,
                               .command = a->command,
                               .none = a->no_report};
}

pare_card_options pare_card_options_of(const pare_arguments *a) {
    return (pare_card_options){.size = sizeof(pare_card_options), .command = a->command, .none = a->no_card};
}

const char *pare_page_refusal(const pare_arguments *a) {
    if (!a->no_report || (!a->report && !a->figures)) return NULL;
    return "--no-report leaves out the page that --report and --figures are about; give the one or the others";
}

/* "ratios.csv" -> "ratios.html"; NULL without memory. */
static char *beside_file(const char *beside) {
    const char *dot = strrchr(beside, '.'), *slash = strrchr(beside, '/');
    bool ending = dot && dot > beside && (!slash || dot > slash + 1) && strcmp(dot, ".html") != 0;
    char *file = NULL;
    int length = ending ? (int)(dot - beside) : (int)strlen(beside);
    return asprintf(&file, "%.*s.html", length, beside) < 0 ? NULL : file;
}

static bool is_folder(const char *path) {
    struct stat there;
    return stat(path, &there) == 0 && S_ISDIR(there.st_mode);
}

/* A terminal, a pipe or a device has no place beside it. */
static bool is_file(const char *path) {
    struct stat there;
    return stat(path, &there) != 0 || S_ISREG(there.st_mode);
}

/* All that the command reads or writes, by the names of its options. A folder in the place of a file is refused
 * elsewhere. */
static size_t list_others(const pare_arguments *a, pare_named_file *list) {
    const pare_named_file single[] = {
        {.name = "--calib", .path = a->calibration}, {.name = "--recipe", .path = a->recipe},
        {.name = "--against", .path = a->against},   {.name = "--adapter", .path = a->adapter_folder},
        {.name = "--images", .path = a->images},     {.name = "--data", .path = a->data}};
    const pare_named_file written[] = {{.name = "--save-items", .path = a->items, .written = true},
                                       {.name = "--lm-eval-json", .path = a->lm_eval_json, .written = true},
                                       {.name = "--csv", .path = a->csv, .written = true},
                                       {.name = "--json-file", .path = a->json_file, .written = true},
                                       {.name = "--plot", .path = a->plot, .written = true}};
    size_t count = 0;
    for (size_t i = 0; i < sizeof single / sizeof *single; i++)
        if (single[i].path && strcmp(single[i].path, "self") != 0) list[count++] = single[i];
    for (size_t i = 0; i < sizeof written / sizeof *written; i++)
        if (written[i].path && !is_folder(written[i].path)) list[count++] = written[i];
    for (size_t i = 0; i < a->models.count; i++)
        list[count++] = (pare_named_file){.name = "MODEL", .path = a->models.words[i]};
    for (size_t i = 0; i < a->texts.count; i++)
        if (strcmp(a->texts.words[i], "self") != 0)
            list[count++] = (pare_named_file){.name = "--text", .path = a->texts.words[i]};
    return count;
}

int pare_page_prepare(const pare_arguments *a, const char *beside, pare_page_place *out) {
    enum { SINGLE = 11 };
    *out = (pare_page_place){.options = pare_page_options_of(a)};
    if (pare_page_refusal(a)) {
        pare_terminal_fail("%s", pare_page_refusal(a));
        return PARE_EXIT_USAGE;
    }
    if (beside && !is_file(beside)) beside = NULL;
    if (a->no_report || (!a->report && !a->figures && !beside)) return PARE_EXIT_DONE;
    if (!a->report && beside) out->options.file = out->file = beside_file(beside);
    pare_named_file *others = calloc(a->models.count + a->texts.count + SINGLE, sizeof *others);
    bool whole = others && (a->report || !beside || out->file);
    if (!whole) pare_terminal_fail("there is not enough memory for the names of files");
    pare_status status = whole ? pare_report_check(&out->options, others, list_others(a, others)) : PARE_OK;
    free(others);
    return whole ? pare_outcome_exit(status) : PARE_EXIT_FAILED;
}

void pare_page_end(pare_page_place *place) {
    free(place->file);
    *place = (pare_page_place){0};
}

int pare_page_write(const pare_page_place *place, const char *report) {
    const pare_report_document document = {.json = report};
    if (place->options.none || (!place->options.file && !place->options.figures)) return PARE_EXIT_DONE;
    pare_status status = pare_report_write(&document, 1, &place->options);
    if (status == PARE_OK) return PARE_EXIT_DONE;
    pare_terminal_fail("all that was measured is complete, but its page is not written: %s", pare_message());
    return status == PARE_BAD_ARGUMENT ? PARE_EXIT_USAGE : PARE_EXIT_FAILED;
}

static const char unwritten[] = "the page (all that was measured is complete, but its page is not written)";

int pare_page_write_json(const pare_page_place *place, const json_t *report) {
    if (place->options.none || (!place->options.file && !place->options.figures)) return PARE_EXIT_DONE;
    char *text = pare_json_text_make(report, unwritten, JSON_COMPACT);
    int code = text ? pare_page_write(place, text) : PARE_EXIT_FAILED;
    free(text);
    return code;
}
