#include "cmd_prune.h"
#include "command.h"
#include "document.h"
#include "json_text.h"
#include "measured_on.h"
#include "message.h"
#include "outcome.h"
#include "page.h"
#include "sweep_identity.h"
#include "sweep_rows.h"
#include "sweep_share.h"
#include "sweep_table.h"
#include "table.h"
#include "terminal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct sweeping {
    const pare_arguments *arguments;
    pare_sweep_axes axes;
    pare_sweep_rows rows;
    pare_model *model;
    pare_cache *cache;
    pare_page_place page;
} sweeping;

static void set_text_names(json_t *names, const char *prefix, pare_measured_on on) {
    for (size_t i = 0; i < on.count; i++) {
        json_t *file = pare_json_name(on.list[i]);
        const char *shown = json_string_value(file);
        pare_json_append(names, shown ? pare_json_format("%s %s", prefix, shown) : NULL);
        json_decref(file);
    }
}

static json_t *names_json(const sweeping *s) {
    static const char *const results[] = {"parameters", "kept_share", "calibration_loss", "seconds", "kept_sha256"};
    json_t *names = json_array();
    for (size_t i = 0; i < s->axes.count; i++)
        pare_json_append(names, pare_json_string(s->axes.list[i].option->name));
    bool pictures = s->arguments->images;
    const pare_measured_on on = pare_measured_on_of(s->arguments);
    set_text_names(names, pictures ? "accuracy before" : "perplexity before", on);
    set_text_names(names, pictures ? "accuracy after" : "perplexity after", on);
    for (size_t i = 0; i < sizeof results / sizeof *results; i++)
        pare_json_append(names, pare_json_string(results[i]));
    return names;
}

/* The name of the column with a text's perplexity, or the accuracy on pictures. */
static const char *text_column(const sweeping *s, size_t text, bool after) {
    size_t column = s->axes.count + (after ? pare_measured_on_of(s->arguments).count : 0) + text;
    return json_string_value(json_array_get(s->rows.names, column));
}

static json_t *point_json(const sweeping *s, size_t point) {
    json_t *json = json_object();
    for (size_t i = 0; i < s->axes.count; i++)
        pare_json_put(json, s->axes.list[i].option->name, pare_sweep_json(pare_sweep_value(&s->axes, i, point)));
    return json;
}

/* What the report has at a path, if anything. */
static void take(json_t *row, const char *name, const json_t *report, const char *path) {
    const json_t *value = pare_document_at(report, path);
    if (value) pare_json_put(row, name, pare_json_same(value));
}

/* Adds what the report of a run says to the row of its point. */
static void set_results(const sweeping *s, json_t *row, const json_t *report, double seconds) {
    const json_t *texts = pare_document_at(report, "texts"), *images = pare_document_at(report, "images");
    double before = pare_document_number(report, "parameters.before", 0);
    double kept = pare_document_number(report, "parameters.after", 0) -
                  pare_document_number(report, "sparsity.removed", 0); /* of single weights, zeros are not kept */
    for (size_t i = 0; i < json_array_size(texts); i++) {
        take(row, text_column(s, i, false), json_array_get(texts, i), "before.perplexity");
        take(row, text_column(s, i, true), json_array_get(texts, i), "after.perplexity");
    }
    if (images) {
        take(row, text_column(s, 0, false), images, "before.top1");
        take(row, text_column(s, 0, true), images, "after.top1");
    }
    take(row, "parameters", report, "parameters.after");
    if (before > 0) pare_json_put(row, "kept_share", pare_json_real(kept / before));
    take(row, "calibration_loss", report, "calibration_loss");
    pare_json_put(row, "seconds", pare_json_real(seconds));
    take(row, "kept_sha256", report, "kept_sha256");
}

static int fail_at(const sweeping *s, size_t point, pare_status status) {
    char *where = pare_sweep_describe(&s->axes, point);
    const char *kept = s->arguments->csv ? s->arguments->csv : s->arguments->json_file;
    if (status == PARE_INTERRUPTED && kept)
        pare_terminal_fail("pare sweep, at %s: interrupted: the rows before it are kept in %s: run the same command "
                           "again to go on",
                           where ? where : "a point", kept);
    else
        pare_terminal_fail("pare sweep, at %s: %s", where ? where : "a point", pare_message());
    free(where);
    return status == PARE_BAD_ARGUMENT ? PARE_EXIT_USAGE : PARE_EXIT_FAILED;
}

/* Refuses before any work what some point would refuse. */
static int check_point(const sweeping *s, size_t point) {
    pare_arguments a;
    int code = pare_sweep_arguments(s->arguments, &s->axes, point, &a);
    const char *wrong = code == PARE_EXIT_DONE ? pare_prune_arguments_check(&a) : NULL;
    if (wrong) code = pare_outcome_usage("sweep", wrong);
    if (code == PARE_EXIT_DONE && s->model) {
        pare_prune_options options = pare_prune_options_of(&a);
        const pare_named_file files[] = {{.name = "--csv", .path = a.csv},
                                         {.name = "--json-file", .path = a.json_file},
                                         {.name = "--plot", .path = a.plot}};
        options.besides = files;
        options.beside_count = sizeof files / sizeof *files;
        pare_status status = pare_prune_check(s->model, &options);
        if (status != PARE_OK) code = fail_at(s, point, status);
    }
    pare_arguments_free(&a);
    return code;
}

static int check_points(sweeping *s) {
    int code = PARE_EXIT_DONE;
    for (size_t i = 0; i < s->axes.points && code == PARE_EXIT_DONE; i++)
        code = check_point(s, i);
    return code;
}

static void say_point(const sweeping *s, size_t point, const json_t *row, bool known) {
    char *where = pare_sweep_describe(&s->axes, point), text[64] = "";
    const json_t *perplexity = s->arguments->texts.count ? json_object_get(row, text_column(s, 0, true)) : NULL;
    if (json_is_number(perplexity)) snprintf(text, sizeof text, ", perplexity %.3f", json_number_value(perplexity));
    const json_t *accuracy = s->arguments->images ? json_object_get(row, text_column(s, 0, true)) : NULL;
    if (json_is_number(accuracy)) snprintf(text, sizeof text, ", accuracy %.2f %%", 100 * json_number_value(accuracy));
    if (json_is_null(perplexity)) snprintf(text, sizeof text, ", perplexity too large for a number");
    pare_terminal_say("point %zu of %zu: %s%s%s", point + 1, s->axes.points, where ? where : "", text,
                      known ? " (known)" : "");
    free(where);
}

static int run_point(sweeping *s, size_t point, json_t *row) {
    pare_arguments a;
    int code = pare_sweep_arguments(s->arguments, &s->axes, point, &a);
    if (code == PARE_EXIT_DONE) {
        char *report = NULL;
        double start = pare_terminal_clock();
        pare_prune_options options = pare_prune_options_of(&a);
        pare_runtime runtime = pare_outcome_runtime(&a);
        options.cache = s->cache;
        pare_machines_apart(true);
        pare_status status = pare_prune(s->model, &options, &runtime, &report);
        pare_machines_apart(false);
        json_t *document = report ? json_loads(report, 0, NULL) : NULL;
        pare_text_free(report);
        if (status != PARE_OK) code = fail_at(s, point, status);
        if (document) set_results(s, row, document, pare_terminal_clock() - start);
        json_decref(document);
    }
    pare_arguments_free(&a);
    return code;
}

/* A row that was there before, or one that `owner` has run: there it is `own`. */
static int take_point(sweeping *s, size_t point, int owner, json_t *own) {
    json_t *row = owner < 0 ? point_json(s, point) : own;
    json_t *known = owner < 0 ? pare_sweep_rows_find(&s->rows, row) : NULL;
    int code = owner < 0 ? PARE_EXIT_DONE : pare_sweep_share_row(owner, &row);
    if (code == PARE_EXIT_DONE && (known || owner >= 0)) code = pare_sweep_rows_add(&s->rows, known ? known : row);
    if (code == PARE_EXIT_DONE) say_point(s, point, known ? known : row, known != NULL);
    if (row != own) json_decref(row);
    return code;
}

/* Points from `first` to before `last`, of which each rank runs one. */
static int take_round(sweeping *s, const bool *known, size_t first, size_t last) {
    json_t *own = NULL;
    int code = PARE_EXIT_DONE, owner = 0;
    for (size_t i = first; i < last && code == PARE_EXIT_DONE; i++)
        if (!known[i] && owner++ == pare_machines_rank()) code = run_point(s, i, own = point_json(s, i));
    owner = 0;
    for (size_t i = first; i < last && code == PARE_EXIT_DONE; i++)
        code = take_point(s, i, known[i] ? -1 : owner++, own);
    json_decref(own);
    return code;
}

static void print_cell(pare_table *table, const json_t *value) {
    if (json_is_integer(value))
        pare_table_cell(table, "%lld", (long long)json_integer_value(value));
    else if (json_is_real(value))
        pare_table_cell(table, "%.5g", json_real_value(value));
    else
        pare_table_cell(table, "%.12s", json_is_string(value) ? json_string_value(value) : "");
}

static void show(const sweeping *s) {
    size_t columns = json_array_size(s->rows.names);
    char *alignment = malloc(columns + 1);
    if (!alignment) return;
    memset(alignment, 'r', columns);
    alignment[columns] = 0;
    pare_table *table = pare_table_new(alignment);
    for (size_t i = 0; i < columns; i++)
        pare_table_cell(table, "%s", json_string_value(json_array_get(s->rows.names, i)));
    for (size_t point = 0; point < s->axes.points; point++) {
        json_t *at = point_json(s, point), *row = pare_sweep_rows_find(&s->rows, at);
        for (size_t i = 0; row && i < columns; i++)
            print_cell(table, json_object_get(row, json_string_value(json_array_get(s->rows.names, i))));
        json_decref(at);
    }
    pare_table_print(table, stdout);
    pare_table_free(table);
    free(alignment);
}

/* Draws, and prints the means over seeds where they are wanted. */
static int summarise(const sweeping *s, const json_t *document) {
    const pare_arguments *a = s->arguments;
    if (!a->plot && !a->markdown) return PARE_EXIT_DONE;
    char *text = pare_json_text_make(document, "the rows of the sweep", 0), *summary = NULL;
    int code = text ? pare_outcome_exit(pare_sweep_summary(text, a->plot, &summary)) : PARE_EXIT_FAILED;
    if (code == PARE_EXIT_DONE && a->markdown) pare_sweep_print_markdown(summary);
    pare_text_free(summary);
    free(text);
    return code;
}

static int deliver(sweeping *s) {
    const pare_arguments *a = s->arguments;
    pare_terminal_clear();
    json_t *document = pare_json_of({"sweep", pare_json_same(s->rows.identity)}, {"rows", pare_json_same(s->rows.rows)},
                                    {"command", pare_json_name(a->command)});
    int code = summarise(s, document);
    if (code == PARE_EXIT_DONE && a->json)
        code = pare_json_text_print(document, "the rows of the sweep", JSON_INDENT(2));
    if (code == PARE_EXIT_DONE && !a->json && !a->markdown) show(s);
    if (code == PARE_EXIT_DONE) code = pare_page_write_json(&s->page, document);
    json_decref(document);
    return code;
}

/* Those whose rows rank 0 has not; the ranks share the others. */
static int find_known(sweeping *s, bool *known) {
    for (size_t i = 0; i < s->axes.points; i++) {
        json_t *row = point_json(s, i);
        known[i] = pare_sweep_rows_find(&s->rows, row) != NULL;
        json_decref(row);
    }
    return pare_outcome_exit(pare_machines_tell(known, s->axes.points * sizeof *known, 0));
}

static int run_points(sweeping *s) {
    bool *known = calloc(s->axes.points + 1, sizeof *known);
    if (!known) {
        pare_terminal_fail("there is not enough memory for %zu points", s->axes.points);
        return PARE_EXIT_FAILED;
    }
    s->cache = pare_cache_new();
    int code = find_known(s, known);
    for (size_t first = 0, last; first < s->axes.points && code == PARE_EXIT_DONE; first = last) {
        last = pare_sweep_share_round(known, first, s->axes.points);
        code = take_round(s, known, first, last);
    }
    pare_cache_free(s->cache);
    free(known);
    return code;
}

static int parse_axes(sweeping *s) {
    return pare_sweep_axes_parse(s->arguments, &s->axes);
}

static int check_words(sweeping *s) {
    return check_point(s, 0);
}

static int open_model(sweeping *s) {
    return pare_measured_on_open(s->arguments, s->arguments->model, &s->model);
}

static int agree(sweeping *s) {
    return pare_measured_on_agree(s->arguments, s->model);
}

static int open_rows(sweeping *s) {
    const pare_arguments *a = s->arguments;
    return pare_sweep_rows_open(a->csv, a->json_file, pare_sweep_identity(a, &s->axes, s->model), names_json(s),
                                s->axes.count, &s->rows);
}

static int check_page(sweeping *s) {
    return pare_page_prepare(s->arguments, s->arguments->csv ? s->arguments->csv : s->arguments->json_file, &s->page);
}

/* In order; whatever can be refused is before the first point is run. */
static int (*const stages[])(sweeping *) = {
    parse_axes, check_words, check_page, open_model, check_points, agree, open_rows, run_points, deliver,
};

static const char *check_outputs(const pare_arguments *a) {
    size_t length = a->plot ? strlen(a->plot) : 0;
    if (a->json && a->markdown) return "--json and --markdown are two ways to print the result; take one";
    if (a->plot && (length < 5 || strcmp(a->plot + length - 4, ".svg") != 0))
        return "--plot draws an SVG: give it a name that ends in .svg";
    if ((a->plot || a->markdown) && !pare_measured_on_of(a).count)
        return "--plot and --markdown show perplexities or accuracies: give --text FILE or --images DIR, too";
    return NULL;
}

static int run(const pare_arguments *arguments) {
    sweeping s = {.arguments = arguments};
    if (!arguments->over.count)
        return pare_outcome_usage("sweep", "--over is missing: what to go over, such as --over ratio=0.1:0.5:0.1");
    const char *wrong = check_outputs(arguments);
    if (wrong) return pare_outcome_usage("sweep", wrong);
    int code = PARE_EXIT_DONE;
    for (size_t i = 0; i < sizeof stages / sizeof *stages && code == PARE_EXIT_DONE; i++)
        code = stages[i](&s);
    pare_page_end(&s.page);
    pare_sweep_rows_close(&s.rows);
    pare_sweep_axes_free(&s.axes);
    pare_model_close(s.model);
    return code;
}

static const char *const synopsis[] = {"MODEL --over NAME=VALUES [--over ...] [OPTION...]", NULL};

static const char *const examples[] = {
    "my-model --over ratio=0.1:0.5:0.1 --text wiki.txt --csv ratios.csv",
    "my-model --over method=taylor,best --over ratio=0.1:0.5:0.1 --text wiki.txt --plot ratios.svg",
    "my-model --ratio 0.2 --method moreau-gs --over eta=0,1e-6,5e-6",
    "my-model --ratio 0.2 --over layers=0:32:1 --csv one-layer.csv",
    "my-model --ratio 0.2 --over samples=10,1000 --over seed=0:2:1 --csv sizes.csv",
    NULL,
};

const pare_command pare_command_sweep = {
    .syntax = {"sweep", PARE_IN_SWEEP},
    .summary = "prunes a model many times, without writing it, over ranges of any option",
    .synopsis = synopsis,
    .description =
        "Every point is a run of pare prune --dry-run. Runs share what they can: one calibration serves all ratios, "
        "and the dense model is measured once. Rows appear in the files as they come, so that a sweep that was "
        "stopped goes on when the same command is given again.",
    .examples = examples,
    .lists_methods = true,
    .spread = true,
    .run = run,
};
