#include "cmd_prune.h"
#include "command.h"
#include "document.h"
#include "measured_on.h"
#include "message.h"
#include "outcome.h"
#include "page.h"
#include "../support/suggest.h"
#include "table.h"
#include "terminal.h"

#include <math.h>
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

/* "12.345 +- 0.012", the spread only over several seeds; "-" for what there is not. */
static void add_spread(pare_table *table, const json_t *summary, const char *name, const char *format) {
    const json_t *value = pare_document_at(summary, name), *sd = pare_document_at(value, "sd");
    char mean[40] = "-", spread[48] = "", more[40] = "";
    if (value && json_is_object(value)) snprintf(mean, sizeof mean, format, pare_document_number(value, "mean", 0));
    if (json_is_number(sd)) snprintf(spread, sizeof spread, " +- %.2g", json_number_value(sd));
    uint64_t left_out = pare_document_count(value, "left_out"); /* too large for a number */
    if (left_out) snprintf(more, sizeof more, ", %llu too large", (unsigned long long)left_out);
    pare_table_cell(table, "%s%s%s", mean, spread, more);
}

/* The columns that say what a row is about. */
static void add_names(pare_table *table, const json_t *one) {
    pare_table_cell(table, "%s", pare_document_text(one, "method"));
    pare_table_cell(table, "%s", pare_document_text(one, "change"));
    pare_table_cell(table, "%g", pare_document_number(one, "ratio", 0));
}

static void show_units(const json_t *comparisons) {
    static const char *const titles[] = {"method", "change", "ratio", "same fate", "kept", "removed", "rank corr."};
    pare_table *table = pare_table_new("llrrrrr");
    for (size_t i = 0; i < sizeof titles / sizeof *titles; i++)
        pare_table_cell(table, "%s", titles[i]);
    for (size_t i = 0; i < json_array_size(comparisons); i++) {
        const json_t *one = json_array_get(comparisons, i), *summary = pare_document_at(one, "summary");
        add_names(table, one);
        add_spread(table, summary, "agreement", "%.4f");
        add_spread(table, summary, "kept", "%.4f");
        add_spread(table, summary, "removed_jaccard", "%.4f");
        add_spread(table, summary, "rank_correlation", "%.4f");
    }
    pare_table_print(table, stdout);
    pare_table_free(table);
    printf("\nsame fate: units that both runs keep or both remove; kept: common units of those kept;\n"
           "removed: common units of those that either removes; rank corr.: Spearman's, of unit scores\n");
}

/* Of pictures the loss, which is smaller. */
static void add_text_row(pare_table *table, const json_t *one, const json_t *text) {
    bool loss = pare_document_at(text, "loss") != NULL;
    const char *format = loss ? "%.4f" : "%.3f";
    add_names(table, one);
    add_spread(table, text, "unpruned", format);
    add_spread(table, text, loss ? "loss" : "perplexity", format);
    add_spread(table, text, "changed", format);
    add_spread(table, text, "difference", "%.4g");
}

static void show_text(const json_t *comparisons, size_t index) {
    static const char *const titles[] = {"method", "change", "ratio", "unpruned", "pruned", "changed", "difference"};
    const json_t *first = json_array_get(pare_document_at(json_array_get(comparisons, 0), "summary.texts"), index);
    pare_table *table = pare_table_new("llrrrrr");
    for (size_t i = 0; i < sizeof titles / sizeof *titles; i++)
        pare_table_cell(table, "%s", titles[i]);
    for (size_t i = 0; i < json_array_size(comparisons); i++) {
        const json_t *one = json_array_get(comparisons, i);
        add_text_row(table, one, json_array_get(pare_document_at(one, "summary.texts"), index));
    }
    printf("\n%s, %s\n", pare_document_at(first, "loss") ? "loss" : "perplexity", pare_document_text(first, "file"));
    pare_table_print(table, stdout);
    pare_table_free(table);
}

static void add_bound(pare_table *table, const json_t *method, size_t index) {
    const json_t *bound = json_array_get(pare_document_at(method, "bounds"), index);
    if (!bound)
        pare_table_cell(table, "-");
    else if (json_is_true(pare_document_at(bound, "applies")))
        pare_table_cell(table, "%.4g", pare_document_number(bound, "bound", 0));
    else
        pare_table_cell(table, "none: rho >= %.3g", pare_document_number(bound, "rho_below", 0));
}

static void show_lipschitz(const json_t *lipschitz) {
    static const char *const titles[] = {"method",   "|gradient|",   "largest ratio",
                                         "relative", "bound (norm)", "bound (ratio)"};
    const json_t *methods = pare_document_at(lipschitz, "methods");
    pare_table *table = pare_table_new("lrrrrr");
    for (size_t i = 0; i < sizeof titles / sizeof *titles; i++)
        pare_table_cell(table, "%s", titles[i]);
    for (size_t i = 0; i < json_array_size(methods); i++) {
        const json_t *method = json_array_get(methods, i);
        pare_table_cell(table, "%s", pare_document_text(method, "method"));
        pare_table_cell(table, "%.4g", pare_document_number(method, "gradient_norm", 0));
        pare_table_cell(table, "%.4g", pare_document_number(method, "largest", 0));
        pare_table_cell(table, "%.4g", pare_document_number(method, "relative", 0));
        add_bound(table, method, 0);
        add_bound(table, method, 1);
    }
    printf("\nchange of the gradient per change of the weights, relative changes of %g\n",
           pare_document_number(lipschitz, "relative_size", 0));
    pare_table_print(table, stdout);
    pare_table_free(table);
    printf(
        "\nrelative: the ratio of relative changes, which does not depend on a gradient's scale; bounds: Theorems 1\n"
        "and 2, for isotropic noise of equal size, with beta estimated from below by the plain gradient's norm or\n"
        "by its own ratio; none where rho is too large for them\n");
}

static void show(const pare_arguments *arguments, const json_t *report) {
    const json_t *comparisons = pare_document_at(report, "comparisons");
    const json_t *lipschitz = pare_document_at(report, "lipschitz");
    show_units(comparisons);
    for (size_t i = 0; i < pare_measured_on_of(arguments).count; i++)
        show_text(comparisons, i);
    if (lipschitz) show_lipschitz(lipschitz);
}

static int fail_memory(void) {
    pare_terminal_fail("there is not enough memory for the page of the report");
    return PARE_EXIT_FAILED;
}

static int compare(const pare_arguments *a, const request *r, const pare_page_place *page) {
    pare_model *model = NULL;
    int code = pare_outcome_open(a->model, &model);
    if (code == PARE_EXIT_DONE) code = pare_measured_on_check(a, model, a->model);
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
    };
    pare_runtime runtime = pare_outcome_runtime(a);
    char *report = NULL;
    pare_status status = pare_robust(model, &options, &runtime, &report);
    char *kept = status == PARE_OK ? strdup(report) : NULL;
    code = pare_outcome_deliver(status, report, a, show);
    if (code == PARE_EXIT_DONE) code = kept ? pare_page_write(page, kept) : fail_memory();
    free(kept);
    pare_model_close(model);
    return code;
}

static int run(const pare_arguments *arguments) {
    request r;
    pare_page_place page = {0};
    if (!arguments->model) return pare_outcome_usage("robust", "MODEL is missing: the folder of the model to prune");
    if (arguments->ranks && !arguments->json && !arguments->report && !arguments->figures)
        return pare_outcome_usage("robust", "--ranks are lists for a figure: give --json or --report");
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
    "my-model --perturb noise=1e-3 --methods taylor,moreau --ranks --lipschitz --json",
    NULL,
};

const pare_command pare_command_robust = {
    .syntax = {"robust", PARE_IN_ROBUST},
    .summary = "measures how far pruning follows small changes of a model or of the run",
    .synopsis = synopsis,
    .description =
        "Prunes the model and a slightly changed one with each method and compares which units go, how units are "
        "ranked, and the perplexities. All runs read the same calibration text, except where the seed is what "
        "changes. No model is written.",
    .examples = examples,
    .lists_methods = true,
    .run = run,
};
