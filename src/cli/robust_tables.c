#include "robust_tables.h"
#include "document.h"
#include "message.h"
#include "table.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static void print_table(const pare_arguments *arguments, pare_table *table) {
    (arguments->markdown ? pare_table_print_markdown : pare_table_print)(table, stdout);
    pare_table_free(table);
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

static void show_units(const pare_arguments *arguments, const json_t *comparisons) {
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
    print_table(arguments, table);
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

static void show_text(const pare_arguments *arguments, const json_t *comparisons, size_t index) {
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
    print_table(arguments, table);
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

static void show_lipschitz(const pare_arguments *arguments, const json_t *lipschitz) {
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
    print_table(arguments, table);
    printf(
        "\nrelative: the ratio of relative changes, which does not depend on a gradient's scale; bounds: Theorems 1\n"
        "and 2, for isotropic noise of equal size, with beta estimated from below by the plain gradient's norm or\n"
        "by its own ratio; none where rho is too large for them\n");
}

/* Comparisons lie by change, method and ratio. */
typedef struct grid {
    const json_t *comparisons, *between;
    size_t ratios, methods, changes, text;
    const char *measure, *format;
} grid;

static bool same_text(const json_t *a, const json_t *b, const char *name) {
    return strcmp(pare_document_text(a, name), pare_document_text(b, name)) == 0;
}

static grid grid_of(const json_t *report, size_t text) {
    grid g = {.comparisons = pare_document_at(report, "comparisons"),
              .between = pare_document_at(report, "between"),
              .text = text};
    size_t all = json_array_size(g.comparisons), each = 0;
    const json_t *first = json_array_get(g.comparisons, 0);
    bool loss = pare_document_at(json_array_get(pare_document_at(first, "summary.texts"), text), "loss") != NULL;
    g.measure = loss ? "loss" : "perplexity";
    g.format = loss ? "%.4f" : "%.3f";
    for (; each < all && same_text(first, json_array_get(g.comparisons, each), "change"); each++)
        g.ratios += same_text(first, json_array_get(g.comparisons, each), "method");
    g.methods = g.ratios ? each / g.ratios : 0;
    g.changes = each ? all / each : 0;
    return g;
}

/* One row of the paper's table: a number of each ratio, from list element `first` on. */
static void add_numbers(pare_table *table, const grid *g, const json_t *list, size_t first, const char *texts,
                        const char *name, const char *format) {
    for (size_t i = 0; i < g->ratios; i++) {
        const json_t *one = json_array_get(list, first + i);
        add_spread(table, json_array_get(pare_document_at(one, texts), g->text), name, format);
    }
}

static void add_method(pare_table *table, const grid *g, size_t method) {
    size_t each = g->methods * g->ratios, at = method * g->ratios;
    const char *name = pare_document_text(json_array_get(g->comparisons, at), "method");
    pare_table_cell(table, "%s", name);
    pare_table_cell(table, "as stored");
    add_numbers(table, g, g->comparisons, at, "summary.texts", g->measure, g->format);
    for (size_t change = 0; change < g->changes; change++) {
        pare_table_cell(table, "%s", "");
        pare_table_cell(table, "%s", pare_document_text(json_array_get(g->comparisons, change * each + at), "change"));
        add_numbers(table, g, g->comparisons, change * each + at, "summary.texts", "changed", g->format);
    }
    for (size_t pair = 0; pair * each < json_array_size(g->between); pair++) {
        const json_t *changes = pare_document_at(json_array_get(g->between, pair * each + at), "changes");
        pare_table_cell(table, "%s", "");
        pare_table_cell(table, "Diff (%s, %s)", json_string_value(json_array_get(changes, 0)),
                        json_string_value(json_array_get(changes, 1)));
        add_numbers(table, g, g->between, pair * each + at, "texts", "difference", "%.4g");
    }
}

/* Tables 1 and 8 of the MoreauPruner paper. */
static void show_paper(const pare_arguments *arguments, const json_t *report, size_t text) {
    grid g = grid_of(report, text);
    char alignment[256] = "ll";
    size_t columns = g.ratios < sizeof alignment - 3 ? g.ratios : 0;
    if (!columns) return;
    memset(alignment + 2, 'r', columns);
    alignment[2 + columns] = 0;
    pare_table *table = pare_table_new(alignment);
    pare_table_cell(table, "method");
    pare_table_cell(table, "weights");
    for (size_t i = 0; i < columns; i++)
        pare_table_cell(table, "%g %%", 100 * pare_document_number(json_array_get(g.comparisons, i), "ratio", 0));
    for (size_t method = 0; method < g.methods; method++)
        add_method(table, &g, method);
    const json_t *first = json_array_get(pare_document_at(json_array_get(g.comparisons, 0), "summary.texts"), text);
    printf("\n%s of the pruned model by ratio, %s\n%s", g.measure, pare_document_text(first, "file"),
           arguments->markdown ? "\n" : "");
    print_table(arguments, table);
}

void pare_robust_show(const pare_arguments *arguments, const json_t *report) {
    const json_t *comparisons = pare_document_at(report, "comparisons");
    const json_t *lipschitz = pare_document_at(report, "lipschitz");
    show_units(arguments, comparisons);
    size_t texts = json_array_size(pare_document_at(json_array_get(comparisons, 0), "summary.texts"));
    for (size_t i = 0; i < texts; i++) {
        if (!arguments->markdown) show_text(arguments, comparisons, i);
        show_paper(arguments, report, i);
    }
    if (lipschitz) show_lipschitz(arguments, lipschitz);
}
