#include "../support/suggest.h"
#include "cmd_prune.h"
#include "command.h"
#include "measured_on.h"
#include "message.h"
#include "outcome.h"
#include "page.h"
#include "robust_tables.h"
#include "terminal.h"

#include <stdlib.h>
#include <string.h>

/* The parts of "a,b,c", in one block of memory. */
typedef struct word_parts {
    char *text;
    const char **list;
    size_t count;
} word_parts;

static int split(const char *text, word_parts *out) {
    *out = (word_parts){0};
    if (!text) return PARE_EXIT_DONE;
    size_t most = 1;
    for (const char *c = text; *c; c++)
        most += *c == ',';
    out->text = strdup(text);
    out->list = calloc(most, sizeof *out->list);
    if (!out->text || !out->list) {
        pare_terminal_fail("there is not enough memory to read the command line");
        return PARE_EXIT_FAILED;
    }
    char *rest = out->text, *word;
    while ((word = strsep(&rest, ",")))
        out->list[out->count++] = word;
    return PARE_EXIT_DONE;
}

static void parts_free(word_parts *parts) {
    free(parts->text);
    free(parts->list);
}

typedef struct request {
    word_parts changes, methods, shares;
    double *ratios;
} request;

static int check_methods(const request *r) {
    for (size_t i = 0; i < r->methods.count; i++) {
        const char *name = r->methods.list[i], *near = pare_suggestion_find(name, pare_recipe_name);
        if (pare_recipe_find(name)) continue;
        pare_terminal_fail("pare robust: there is no method %s%s%s%s", pare_quote(name).text,
                           near ? ", did you mean " : ", 'pare robust --help' lists them", near ? near : "",
                           near ? "?" : "");
        return PARE_EXIT_USAGE;
    }
    return PARE_EXIT_DONE;
}

static int read_ratios(request *r) {
    if (!r->shares.count) return PARE_EXIT_DONE;
    r->ratios = calloc(r->shares.count, sizeof *r->ratios);
    for (size_t i = 0; r->ratios && i < r->shares.count; i++) {
        char *end;
        r->ratios[i] = strtod(r->shares.list[i], &end);
        if (end != r->shares.list[i] && !*end && r->ratios[i] > 0 && r->ratios[i] < 1) continue;
        pare_terminal_fail("pare robust: --ratio must be a number between 0 and 1, both excluded, or several with "
                           "commas between them, not %s",
                           pare_quote(r->shares.list[i]).text);
        return PARE_EXIT_USAGE;
    }
    return r->ratios ? PARE_EXIT_DONE : PARE_EXIT_FAILED;
}

static int read_request(const pare_arguments *a, request *r) {
    *r = (request){0};
    int code = split(a->perturb, &r->changes);
    if (code == PARE_EXIT_DONE) code = split(a->methods, &r->methods);
    if (code == PARE_EXIT_DONE) code = split(a->ratio_list, &r->shares);
    if (code == PARE_EXIT_DONE) code = check_methods(r);
    return code == PARE_EXIT_DONE ? read_ratios(r) : code;
}

static void request_free(request *r) {
    parts_free(&r->changes);
    parts_free(&r->methods);
    parts_free(&r->shares);
    free(r->ratios);
}

static int fail_memory(void) {
    pare_terminal_fail("there is not enough memory for the page of the report");
    return PARE_EXIT_FAILED;
}

static int compare(const pare_arguments *a, const request *r, const pare_page_place *page) {
    pare_model *model = NULL;
    int code = pare_measured_on_open(a, a->model, &model);
    if (code == PARE_EXIT_DONE) code = pare_measured_on_agree(a, model);
    if (code != PARE_EXIT_DONE) {
        pare_model_close(model);
        return code;
    }
    pare_prune_options prune = pare_prune_options_of(a);
    pare_robust_options options = {
        .prune = &prune,
        .methods = r->methods.list,
        .method_count = r->methods.count,
        .ratios = r->ratios,
        .ratio_count = r->shares.count,
        .changes = r->changes.list,
        .change_count = r->changes.count,
        .seeds = a->seeds,
        .ranks = a->ranks,
        .lipschitz = a->lipschitz,
        .lipschitz_size = a->lipschitz_size,
        .lipschitz_draws = a->lipschitz_draws,
        .plot = a->plot,
        .csv = a->csv,
    };
    pare_runtime runtime = pare_outcome_runtime(a);
    char *report = NULL;
    pare_status status = pare_robust(model, &options, &runtime, &report);
    char *kept = status == PARE_OK ? strdup(report) : NULL;
    code = pare_outcome_deliver(status, report, a, pare_robust_show);
    if (code == PARE_EXIT_DONE) code = kept ? pare_page_write(page, kept) : fail_memory();
    free(kept);
    pare_model_close(model);
    return code;
}

static int run(const pare_arguments *arguments) {
    request r;
    pare_page_place page = {0};
    if (!arguments->model) return pare_outcome_usage("robust", "MODEL is missing: the folder of the model to prune");
    if (arguments->json && arguments->markdown)
        return pare_outcome_usage("robust", "--json and --markdown are two ways to print the result; take one");
    if (arguments->csv && !pare_measured_on_of(arguments).count)
        return pare_outcome_usage("robust",
                                  "--csv is a table of perplexities or losses: give --text FILE or --images DIR, too");
    bool tells = !pare_machines_rank(); /* others print and write nothing */
    if (tells && arguments->ranks && !arguments->json && !arguments->plot && !arguments->report && !arguments->figures)
        return pare_outcome_usage("robust",
                                  "--ranks are lists for a figure: give --json, or --plot PREFIX for the pictures");
    int code = read_request(arguments, &r);
    if (code == PARE_EXIT_DONE) code = pare_page_prepare(arguments, NULL, &page);
    if (code == PARE_EXIT_DONE) code = compare(arguments, &r, &page);
    pare_page_end(&page);
    request_free(&r);
    return code;
}

static const char *const synopsis[] = {
    "MODEL [--perturb CHANGES] [--methods NAMES] [--ratio R,...]",
    "MODEL --mode channel --methods NAMES [OPTION...]",
    NULL,
};

static const char *const examples[] = {
    "my-model --perturb bf16,fp16 --ratio 0.05,0.1,0.2 --text wiki.txt",
    "my-model --perturb noise=1e-3,seed --methods taylor,best --seeds 3",
    "my-model --mode channel --methods taylor,moreau --text wiki.txt",
    "my-model --perturb noise=1e-3 --methods taylor,moreau --plot ranks/",
    "my-model --perturb noise=1e-3 --methods taylor,moreau --ranks --lipschitz --json",
    NULL,
};

const pare_command pare_command_robust = {
    .syntax = {"robust", PARE_IN_ROBUST},
    .summary = "measures how far pruning follows small changes of a model or of the run",
    .synopsis = synopsis,
    .description =
        "Prunes the model and a slightly changed one with each method and compares which units go, how units are "
        "ranked, and the perplexities (losses of pictures). All runs read the same calibration data, except where the "
        "seed is what "
        "changes. No model is written.",
    .examples = examples,
    .lists_methods = true,
    .spread = true,
    .run = run,
};
