/* Single weights: how many of each matrix went, and what that did to its output. */
#include "report/page_parts.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { KINDS = 12, LAYERS = 1024 };

/* Matrices as a table of layers and kinds. */
typedef struct grid {
    char kinds[KINDS][40];
    size_t kind_count, layers;
} grid;

/* The layer's number in a tensor's name, and the name of the matrix in it ("q_proj"). */
static bool parse(const char *name, size_t *layer, char kind[40]) {
    bool numbered = false;
    const char *last = NULL;
    size_t last_length = 0;
    for (const char *part = name; part && *part;) {
        size_t length = strcspn(part, ".");
        bool number = length && length < 6 && strspn(part, "0123456789") == length;
        if (number && !numbered) {
            *layer = (size_t)strtoul(part, NULL, 10);
            numbered = true;
        } else if (!(length == 6 && strncmp(part, "weight", 6) == 0)) {
            last = part;
            last_length = length;
        }
        part += length + (part[length] == '.');
    }
    if (!numbered || *layer >= LAYERS || !last || last_length >= 40) return false;
    memcpy(kind, last, last_length);
    kind[last_length] = 0;
    return true;
}

/* Where a matrix stands; false: nowhere. */
static bool place(grid *g, const json_t *matrix, size_t *layer, size_t *kind) {
    char name[40];
    const char *full = pare_page_string(matrix, "name");
    if (!full || !parse(full, layer, name)) return false;
    for (*kind = 0; *kind < g->kind_count && strcmp(g->kinds[*kind], name) != 0; ++*kind)
        ;
    if (*kind == KINDS) return false;
    if (*kind == g->kind_count) memcpy(g->kinds[g->kind_count++], name, sizeof name);
    if (*layer >= g->layers) g->layers = *layer + 1;
    return true;
}

/* [layers][kinds] of a member, the mean where several matrices of a layer have one name, as those of experts have;
 * NULL: nowhere a number. */
static double *values_of(pare_page *page, grid *g, const json_t *matrices, const char *member, double factor) {
    size_t cells = g->layers * g->kind_count, layer, kind, found = 0;
    double *values = pare_page_numbers(page, cells), *counts = pare_page_numbers(page, cells);
    for (size_t i = 0; values && counts && i < cells; i++)
        values[i] = counts[i] = 0.0;
    for (size_t i = 0; values && counts && i < json_array_size(matrices); i++) {
        const json_t *matrix = json_array_get(matrices, i);
        double value = factor * pare_page_number(matrix, member);
        if (!place(g, matrix, &layer, &kind) || !isfinite(value)) continue;
        values[layer * g->kind_count + kind] += value;
        counts[layer * g->kind_count + kind] += 1.0;
        found++;
    }
    for (size_t i = 0; found && i < cells; i++)
        values[i] = counts[i] > 0.0 ? values[i] / counts[i] : NAN;
    return found ? values : NULL;
}

static const char **names_of(pare_page *page, const grid *g) {
    const char **names = pare_page_take(page, KINDS, sizeof *names);
    for (size_t i = 0; names && i < g->kind_count; i++)
        names[i] = pare_page_format(page, "%s", g->kinds[i]);
    return names;
}

static void draw_map(pare_page *page, grid *g, const json_t *matrices, const char *member, double factor,
                     pare_chart chart) {
    double *values = values_of(page, g, matrices, member, factor);
    const char **names = names_of(page, g);
    if (!values || !names) return;
    chart.kind = PARE_CHART_HEAT;
    chart.x.label = "matrix";
    chart.y.label = "layer";
    chart.cells.rows = g->layers;
    chart.cells.columns = g->kind_count;
    chart.cells.values = values;
    chart.cells.column_names = names;
    pare_page_chart(page, &chart);
}

/* Of a whole layer: errors over the outputs' own squares. */
static bool sum_layers(const json_t *matrices, grid *g, const char *member, double *out) {
    double energies[LAYERS] = {0.0};
    bool found = false;
    size_t layer, kind;
    for (size_t i = 0; i < json_array_size(matrices); i++) {
        const json_t *matrix = json_array_get(matrices, i);
        double error = pare_page_number(matrix, member), energy = pare_page_number(matrix, "error.dense_output");
        if (!isfinite(error) || !isfinite(energy) || !place(g, matrix, &layer, &kind)) continue;
        out[layer] += error;
        energies[layer] += energy;
        found = true;
    }
    for (size_t i = 0; i < g->layers; i++)
        out[i] = energies[i] > 0.0 ? 100.0 * out[i] / energies[i] : NAN;
    return found;
}

static void draw_layers(pare_page *page, grid *g, const json_t *matrices) {
    static const char *const members[] = {"error.mask", "error.refined", "error.written"}, *const names[] = {
                                                                                               "mask alone",
                                                                                               "mask refined",
                                                                                               "as written"};
    pare_chart_series series[3];
    size_t count = 0;
    double *x = pare_page_numbers(page, g->layers);
    for (size_t i = 0; x && i < g->layers; i++)
        x[i] = (double)i;
    for (size_t i = 0; x && i < 3; i++) {
        double *y = pare_page_numbers(page, g->layers);
        if (y && sum_layers(matrices, g, members[i], y))
            series[count++] = (pare_chart_series){.name = names[i], .count = g->layers, .x = x, .y = y};
    }
    if (!count) return;
    pare_page_chart(page, &(pare_chart){.kind = PARE_CHART_LINES,
                                        .name = "sparse-layer-errors",
                                        .title = "Error of each layer's outputs, before and after repair",
                                        .caption = "Squared error of the outputs of all matrices of a layer over "
                                                   "the calibration, in % of the outputs' squares.",
                                        .x = {.label = "layer", .whole = true},
                                        .y = {.label = "error, %", .logarithmic = true},
                                        .series = series,
                                        .series_count = count});
}

/* A picture of one colour says nothing. */
static bool say_alike(pare_page *page, grid *g, const json_t *matrices) {
    double low = INFINITY, high = -INFINITY;
    const double *values = values_of(page, g, matrices, "sparsity", 100.0);
    for (size_t i = 0; values && i < g->layers * g->kind_count; i++) {
        low = fmin(low, values[i]);
        high = fmax(high, values[i]);
    }
    if (!(high - low < 0.5)) return false;
    pare_page_put(page, "<p>");
    pare_page_say(page, "Every matrix has %.3g %% zeros.", 0.5 * (low + high));
    pare_page_put(page, "</p>\n");
    return true;
}

void pare_page_sparsity(pare_page *page, const json_t *json) {
    const json_t *matrices = pare_page_at(json, "sparsity.matrices");
    grid g = {.kind_count = 0};
    size_t layer, kind;
    for (size_t i = 0; i < json_array_size(matrices); i++)
        place(&g, json_array_get(matrices, i), &layer, &kind);
    if (!g.kind_count) return;
    pare_page_heading(page, "Where weights are zero");
    if (!say_alike(page, &g, matrices))
        draw_map(page, &g, matrices, "sparsity", 100.0,
                 (pare_chart){.name = "sparsity",
                              .title = "Share of zeros in each matrix",
                              .caption = "Each cell is a matrix.",
                              .cells = {.label = "% of weights that are zero"}});
    pare_page_release(page);
    draw_layers(page, &g, matrices);
    pare_page_release(page);
    draw_map(page, &g, matrices, "error.relative", 100.0,
             (pare_chart){.name = "sparse-matrix-errors",
                          .title = "Error of each matrix as written",
                          .caption = "Squared error of a matrix's output over the calibration, in % of the output's "
                                     "squares.",
                          .cells = {.label = "error, %"}});
    pare_page_release(page);
}
