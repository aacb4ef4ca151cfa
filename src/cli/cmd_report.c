#include "command.h"
#include "outcome.h"
#include "page.h"
#include "terminal.h"

#include <stdlib.h>

static const char *refusal(const pare_arguments *a) {
    if (!a->models.count) return "there is no FILE.json: what a command printed with --json, or a pruning.json";
    if (!a->output && !a->figures) return "-o OUT.html is missing: the page to write";
    return NULL;
}

/* The page must not replace a report that it is made of. */
static pare_status check(const pare_arguments *a, const pare_page_options *options) {
    pare_named_file *reads = calloc(a->models.count, sizeof *reads);
    if (!reads) return PARE_OK; /* which the next allocation finds out */
    for (size_t i = 0; i < a->models.count; i++)
        reads[i] = (pare_named_file){.name = "the report", .path = a->models.words[i]};
    pare_status status = pare_report_check(options, reads, a->models.count);
    free(reads);
    return status;
}

static int run(const pare_arguments *arguments) {
    const char *wrong = refusal(arguments);
    if (wrong) return pare_outcome_usage("report", wrong);
    size_t count = arguments->models.count;
    pare_report_document *documents = calloc(count, sizeof *documents);
    if (!documents) {
        pare_terminal_fail("there is not enough memory for %zu reports", count);
        return PARE_EXIT_FAILED;
    }
    for (size_t i = 0; i < count; i++)
        documents[i].name = arguments->models.words[i];
    const pare_page_options options = {
        .size = sizeof options, .file = arguments->output, .figures = arguments->figures};
    pare_status status = check(arguments, &options);
    if (status == PARE_OK) status = pare_report_write(documents, count, &options);
    free(documents);
    return pare_outcome_exit(status);
}

static const char *const synopsis[] = {"FILE.json... -o OUT.html [--figures DIR]", NULL};
static const char *const examples[] = {
    "report.json -o report.html",
    "taylor.json best.json -o compared.html",
    "smaller/pruning.json -o again.html --figures pictures",
    NULL,
};

const pare_command pare_command_report = {
    .syntax = {"report", PARE_IN_REPORT},
    .summary = "makes a page to look at from the JSON of earlier runs, or one page from several",
    .synopsis = synopsis,
    .description =
        "Makes the page that prune, recover, robust, sweep and eval make of their reports, from the JSON that they "
        "printed with --json (or from a pruning.json or recovery.json, which know less). Of several files: one "
        "page that compares them, and shows each. The page is one HTML file that needs no network and no script.",
    .examples = examples,
    .run = run,
};
