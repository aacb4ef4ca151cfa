/* What a small change of the weights does to the choice of units. */
#include "report/page_parts.h"

#include <math.h>
#include <string.h>

enum { METHODS = 16, PANELS = 4 };

static bool knows(const json_t *json) {
    return pare_page_size(json, "comparisons") > 0;
}

static const json_t *comparison_at(const json_t *json, size_t index) {
    return json_array_get(pare_page_at(json, "comparisons"), index);
}

static void write_spread(pare_page *page, const json_t *summary, const char *member) {
    const json_t *spread = pare_page_at(summary, member);
    double mean = pare_page_number(spread, "mean"), deviation = pare_page_number(spread, "sd");
    if (!isfinite(mean))
        pare_page_cell(page, "%s", "");
    else if (isfinite(deviation))
        pare_page_cell(page, "%.4g ± %.2g", mean, deviation);
    else
        pare_page_cell(page, "%.4g", mean);
}

/* What the first text or set of pictures has of all comparisons: "perplexity", or of pictures "loss". */
static const char *measure_of(const json_t *json) {
    const json_t *texts = pare_page_at(pare_page_at(comparison_at(json, 0), "summary"), "texts");
    return pare_page_at(json_array_get(texts, 0), "loss") ? "loss" : "perplexity";
}

static void write_table(pare_page *page, const json_t *json, const char *measure) {
    const char *const heads[] = {
        "change",     "method", "ratio", "same units kept", "rank correlation", measure, "of the changed one",
        "difference", NULL};
    pare_page_table(page, heads);
    for (size_t i = 0; i < pare_page_size(json, "comparisons"); i++) {
        const json_t *c = comparison_at(json, i), *summary = pare_page_at(c, "summary");
        const json_t *text = json_array_get(pare_page_at(summary, "texts"), 0);
        const char *change = pare_page_string(c, "change"), *method = pare_page_string(c, "method");
        pare_page_row(page);
        pare_page_cell(page, "%s", change ? change : "");
        pare_page_cell(page, "%s", method ? method : "");
        pare_page_cell_number(page, pare_page_number(c, "ratio"));
        write_spread(page, summary, "kept");
        write_spread(page, summary, "rank_correlation");
        write_spread(page, text, measure);
        write_spread(page, text, "changed");
        write_spread(page, text, "difference");
        pare_page_row_end(page);
    }
    pare_page_table_end(page);
}

/* Names of methods in their order, and of changes with ratios. */
typedef struct axes {
    const char *methods[METHODS];
    const char **groups;
    size_t method_count, group_count;
} axes;

static size_t find_or_add(const char **list, size_t *count, size_t room, const char *name) {
    for (size_t i = 0; i < *count; i++)
        if (strcmp(list[i], name) == 0) return i;
    if (*count == room) return room;
    list[*count] = name;
    return (*count)++;
}

static const char *group_of(pare_page *page, const json_t *c) {
    const char *change = pare_page_string(c, "change");
    return pare_page_format(page, "%s at %.3g", change ? change : "?", pare_page_number(c, "ratio"));
}

static bool read_axes(pare_page *page, const json_t *json, axes *a) {
    size_t count = pare_page_size(json, "comparisons");
    *a = (axes){.groups = pare_page_take(page, count, sizeof *a->groups)};
    for (size_t i = 0; a->groups && i < count; i++) {
        const char *method = pare_page_string(comparison_at(json, i), "method");
        find_or_add(a->groups, &a->group_count, count, group_of(page, comparison_at(json, i)));
        if (method) find_or_add(a->methods, &a->method_count, METHODS, method);
    }
    return a->groups && a->method_count;
}

/* A value of every comparison: `member` of its summary, or of that of its first text. */
static void draw(pare_page *page, const json_t *json, const char *member, bool of_text, pare_chart chart) {
    axes a;
    pare_chart_series series[METHODS];
    size_t found = 0;
    if (!read_axes(page, json, &a)) return;
    for (size_t j = 0; j < a.method_count; j++) {
        double *values = pare_page_numbers(page, a.group_count), *errors = pare_page_numbers(page, a.group_count);
        if (!values || !errors) return;
        for (size_t i = 0; i < a.group_count; i++)
            values[i] = errors[i] = NAN;
        series[j] = (pare_chart_series){.name = a.methods[j], .count = a.group_count, .y = values, .error = errors};
        for (size_t i = 0; i < pare_page_size(json, "comparisons"); i++) {
            const json_t *c = comparison_at(json, i), *summary = pare_page_at(c, "summary");
            const json_t *of = of_text ? json_array_get(pare_page_at(summary, "texts"), 0) : summary;
            const char *method = pare_page_string(c, "method");
            if (!method || strcmp(method, a.methods[j]) != 0) continue;
            size_t group = find_or_add(a.groups, &a.group_count, a.group_count, group_of(page, c));
            values[group] = pare_page_number(pare_page_at(of, member), "mean");
            errors[group] = pare_page_number(pare_page_at(of, member), "sd");
            found += isfinite(values[group]) ? 1 : 0;
        }
    }
    chart.kind = PARE_CHART_BARS;
    chart.series = series;
    chart.series_count = a.method_count;
    chart.groups = a.groups;
    chart.group_count = a.group_count;
    chart.lying = true;
    if (found) pare_page_chart(page, &chart);
}

/* Ranks of FFN channels, else of whatever units there are, as shares, of all layers together. */
static size_t add_ranks(const json_t *pair, double *x, double *y, size_t count, size_t room) {
    const json_t *before = json_object_get(pair, "before"), *after = json_object_get(pair, "after");
    size_t units = json_array_size(before);
    if (units < 2 || json_array_size(after) != units) return count;
    for (size_t i = 0; i < units && count < room; i++) {
        x[count] = pare_page_element(before, i) / (double)(units - 1);
        y[count++] = pare_page_element(after, i) / (double)(units - 1);
    }
    return count;
}

static void draw_ranks(pare_page *page, const json_t *ranks, size_t number) {
    enum { MOST = 200000 };
    const json_t *blocks = pare_page_at(ranks, "units.blocks"), *hidden = pare_page_at(ranks, "units.hidden"),
                 *layers = pare_page_at(ranks, "units.layers");
    const char *change = pare_page_string(ranks, "change"), *method = pare_page_string(ranks, "method");
    double *x = pare_page_numbers(page, MOST), *y = pare_page_numbers(page, MOST);
    size_t count = 0;
    if (!x || !y) return;
    for (size_t i = 0; i < json_array_size(blocks); i++)
        count = add_ranks(json_object_get(json_array_get(blocks, i), "ffn"), x, y, count, MOST);
    count = add_ranks(hidden ? hidden : layers, x, y, count, MOST);
    pare_chart_series series = {.name = "", .count = count, .x = x, .y = y};
    if (count)
        pare_page_chart(page,
                        &(pare_chart){.kind = PARE_CHART_SCATTER,
                                      .name = pare_page_format(page, "ranks-%zu", number),
                                      .title = pare_page_format(page, "Ranks of units: %s, %s", method ? method : "",
                                                                change ? change : ""),
                                      .caption = "Each unit's place in its layer's order before and after the change; "
                                                 "what does not move stands on the line.",
                                      .x = {.label = "rank before, share of the layer's units"},
                                      .y = {.label = "rank after"},
                                      .series = &series,
                                      .series_count = 1,
                                      .diagonal = true});
}

static void write(pare_page *page, const json_t *json) {
    const char *model = pare_page_string(json, "model.name");
    double seeds = pare_page_number(json, "seeds");
    const json_t *ranks = pare_page_at(json, "ranks");
    const char *measure = measure_of(json);
    pare_page_put(page, "<p>");
    pare_page_say(page,
                  "%s was pruned as it is, and after a small change, with %s; the closer the two choices are, the "
                  "sturdier is a method.",
                  model ? pare_page_base(model) : "A model",
                  seeds > 1.0 ? pare_page_format(page, "%.0f seeds each", seeds) : "one seed");
    pare_page_put(page, "</p>\n");
    write_table(page, json, measure);
    pare_page_release(page);
    draw(page, json, "kept", false,
         (pare_chart){.name = "kept",
                      .title = "Units that stay in both",
                      .caption = "Share of the units kept before that are kept after the change, too; lines are "
                                 "standard deviations over seeds.",
                      .x = {.label = "share"}});
    pare_page_release(page);
    draw(page, json, "difference", true,
         (pare_chart){.name = pare_page_format(page, "%s-difference", measure),
                      .title = pare_page_format(page, "How far %s moves", measure),
                      .caption = "Absolute difference between the two pruned models.",
                      .x = {.label = measure}});
    pare_page_release(page);
    for (size_t i = 0; i < json_array_size(ranks) && i < PANELS; i++) {
        draw_ranks(page, json_array_get(ranks, i), i + 1);
        pare_page_release(page);
    }
    pare_page_use(page, json);
}

const pare_page_kind pare_page_robustness = {.name = "Robustness", .knows = knows, .write = write};
