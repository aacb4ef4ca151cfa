/* A sweep: its rows as a table, and every perplexity over the first option that is a number, a line for each choice of
 * the others; seeds are repetitions. */
#include "report/page_parts.h"
#include "report/sweep.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { LINES = 12, AXES = 16 };

static bool knows(const json_t *json) {
    return json_is_object(pare_page_at(json, "sweep")) && json_is_array(pare_page_at(json, "rows"));
}

static const json_t *rows_of(const json_t *json) {
    return pare_page_at(json, "rows");
}

static bool is_axis(const json_t *json, const char *name) {
    const json_t *over = pare_page_at(json, "sweep.over");
    for (size_t i = 0; i < json_array_size(over); i++) {
        const char *axis = json_string_value(json_array_get(over, i));
        if (axis && strcmp(axis, name) == 0) return true;
    }
    return false;
}

/* "perplexity after /long/path/wiki.txt" */
static const char *short_name(pare_page *page, const char *name) {
    const char *slash = strrchr(name, '/'), *path = strchr(name, '/');
    if (!slash || !path || !slash[1]) return name;
    return pare_page_format(page, "%.*s%s", (int)(path - name), name, slash + 1);
}

static bool is_perplexity(const char *column) {
    return strncmp(column, "perplexity after", 16) == 0;
}

/* What a column holds, as people say it. */
static const char *title_of(pare_page *page, const char *column) {
    const char *after = strstr(column, " after ");
    if (strcmp(column, "kept_share") == 0) return "Share of the parameters that stay";
    if (!after) return column;
    return pare_page_format(page, "%s on %s", is_perplexity(column) ? "Perplexity" : "Share of right labels",
                            pare_page_base(after + strlen(" after ")));
}

static void write_cell(pare_page *page, const json_t *value) {
    if (json_is_number(value))
        pare_page_cell_number(page, json_number_value(value));
    else
        pare_page_cell(page, "%.24s", json_is_string(value) ? json_string_value(value) : "");
}

static void write_table(pare_page *page, const json_t *json) {
    json_t *first = json_array_get(rows_of(json), 0), *value;
    const char *name;
    size_t count = 0;
    const char **heads = pare_page_take(page, json_object_size(first) + 1, sizeof *heads);
    if (!heads) return;
    json_object_foreach(first, name, value) {
        if (strcmp(name, "kept_sha256") != 0) heads[count++] = short_name(page, name);
    }
    pare_page_table(page, heads);
    for (size_t i = 0; i < json_array_size(rows_of(json)); i++) {
        pare_page_row(page);
        json_object_foreach(first, name, value) {
            if (strcmp(name, "kept_sha256") != 0)
                write_cell(page, json_object_get(json_array_get(rows_of(json), i), name));
        }
        pare_page_row_end(page);
    }
    pare_page_table_end(page);
    pare_page_release(page);
}

/* The axis to draw over: the first whose values are numbers, or ranges of layers, in all rows. */
static const char *numeric_axis(const json_t *json) {
    const json_t *over = pare_page_at(json, "sweep.over");
    for (size_t i = 0; i < json_array_size(over); i++) {
        const char *axis = json_string_value(json_array_get(over, i));
        size_t numbers = 0;
        for (size_t row = 0; axis && row < json_array_size(rows_of(json)); row++)
            numbers += isfinite(pare_sweep_number(json_object_get(json_array_get(rows_of(json), row), axis))) ? 1 : 0;
        if (axis && strcmp(axis, "seed") != 0 && numbers && numbers == json_array_size(rows_of(json))) return axis;
    }
    return NULL;
}

static void append_value(char *label, size_t room, const char *axis, const json_t *value) {
    size_t at = strlen(label);
    const char *text = json_string_value(value);
    const char *comma = at ? ", " : "";
    if (text)
        snprintf(label + at, room - at, "%s%s", comma, text);
    else if (json_is_number(value))
        snprintf(label + at, room - at, "%s%s %.4g", comma, axis, json_number_value(value));
}

/* The choice of the other axes, but for seeds. */
static const char *label_of(pare_page *page, const json_t *json, const json_t *row, const char *axis) {
    char label[160] = "";
    const json_t *over = pare_page_at(json, "sweep.over");
    for (size_t i = 0; i < json_array_size(over); i++) {
        const char *name = json_string_value(json_array_get(over, i));
        if (!name || (axis && strcmp(name, axis) == 0) || strcmp(name, "seed") == 0) continue;
        append_value(label, sizeof label, name, json_object_get(row, name));
    }
    return pare_page_format(page, "%s", label);
}

typedef struct point {
    double x, y;
} point;

static int by_x(const void *a, const void *b) {
    double x = ((const point *)a)->x, y = ((const point *)b)->x;
    return (x > y) - (x < y);
}

/* Points of the same x become their mean, with the deviation as its error. */
static bool gather(pare_page *page, point *points, size_t count, pare_chart_series *out) {
    double *x = pare_page_numbers(page, count), *y = pare_page_numbers(page, count),
           *error = pare_page_numbers(page, count), *same = pare_page_numbers(page, count);
    size_t lines = 0;
    if (!x || !y || !error || !same) return false;
    qsort(points, count, sizeof *points, by_x);
    for (size_t begin = 0, end; begin < count; begin = end, lines++) {
        for (end = begin; end < count && !(points[end].x > points[begin].x); end++)
            same[end - begin] = points[end].y;
        pare_spread spread = pare_spread_of(same, end - begin);
        x[lines] = points[begin].x;
        y[lines] = spread.mean;
        error[lines] = spread.sd;
    }
    *out = (pare_chart_series){.count = lines, .x = x, .y = y, .error = error};
    return lines > 0;
}

/* Points of the rows with this label. */
static size_t points_of(pare_page *page, const json_t *json, const char *axis, const char *column, const char *label,
                        point *points) {
    size_t count = 0;
    for (size_t i = 0; i < json_array_size(rows_of(json)); i++) {
        const json_t *row = json_array_get(rows_of(json), i), *x = json_object_get(row, axis),
                     *y = json_object_get(row, column);
        double at = pare_sweep_number(x);
        if (!isfinite(at) || !json_is_number(y) || strcmp(label_of(page, json, row, axis), label) != 0) continue;
        points[count++] = (point){at, json_number_value(y)};
    }
    return count;
}

static size_t lines_of(pare_page *page, const json_t *json, const char *axis, const char *column,
                       pare_chart_series series[LINES]) {
    size_t rows = json_array_size(rows_of(json)), count = 0;
    point *points = pare_page_take(page, rows, sizeof *points);
    for (size_t i = 0; points && i < rows && count < LINES; i++) {
        const char *label = label_of(page, json, json_array_get(rows_of(json), i), axis);
        bool known = false;
        for (size_t j = 0; j < count; j++)
            known |= strcmp(series[j].name, label) == 0;
        if (known) continue;
        size_t found = points_of(page, json, axis, column, label, points);
        if (gather(page, points, found, &series[count])) series[count++].name = label;
    }
    return count;
}

/* The dense model, from the column that stands beside. */
static double dense_of(const json_t *json, const char *column) {
    char name[512];
    const char *after = strstr(column, " after ");
    if (!after) return NAN;
    snprintf(name, sizeof name, "%.*s before %s", (int)(after - column), column, after + strlen(" after "));
    const json_t *value = json_object_get(json_array_get(rows_of(json), 0), name);
    return json_is_number(value) ? json_number_value(value) : NAN;
}

static void draw_lines(pare_page *page, const json_t *json, const char *axis, const char *column, size_t number) {
    pare_chart_series series[LINES];
    pare_chart_rule dense = {dense_of(json, column), "dense model"};
    size_t count = lines_of(page, json, axis, column, series);
    bool plain = isfinite(dense.at);
    if (!count) return;
    pare_page_chart(page, &(pare_chart){.kind = PARE_CHART_LINES,
                                        .name = pare_page_format(page, "sweep-%zu", number),
                                        .title = pare_page_format(page, "%s, over %s", title_of(page, column), axis),
                                        .caption = "Where there are several seeds: their mean and standard deviation.",
                                        .x = {.label = axis},
                                        .y = {.label = is_perplexity(column) ? "perplexity" : "share",
                                              .logarithmic = is_perplexity(column)},
                                        .series = series,
                                        .series_count = count,
                                        .levels = &dense,
                                        .level_count = plain ? 1 : 0});
}

/* Without a numeric axis: a bar for each row. */
static void draw_bars(pare_page *page, const json_t *json, const char *column, size_t number) {
    size_t rows = json_array_size(rows_of(json));
    const char **names = pare_page_take(page, rows, sizeof *names);
    double *values = pare_page_numbers(page, rows);
    if (!names || !values) return;
    for (size_t i = 0; i < rows; i++) {
        const json_t *row = json_array_get(rows_of(json), i), *value = json_object_get(row, column);
        names[i] = label_of(page, json, row, NULL);
        values[i] = json_is_number(value) ? json_number_value(value) : NAN;
    }
    pare_chart_series series = {.name = "", .count = rows, .y = values};
    pare_page_chart(page, &(pare_chart){.kind = PARE_CHART_BARS,
                                        .name = pare_page_format(page, "sweep-%zu", number),
                                        .title = title_of(page, column),
                                        .caption = "A bar for each point of the sweep.",
                                        .x = {.label = short_name(page, column)},
                                        .series = &series,
                                        .series_count = 1,
                                        .groups = names,
                                        .group_count = rows,
                                        .lying = true});
}

static bool is_drawn(const json_t *json, const char *name) {
    return !is_axis(json, name) &&
           (is_perplexity(name) || strncmp(name, "accuracy after", 14) == 0 || strcmp(name, "kept_share") == 0);
}

static void write(pare_page *page, const json_t *json) {
    json_t *first = json_array_get(rows_of(json), 0), *value;
    const char *axis = numeric_axis(json), *name, *model = pare_page_string(json, "sweep.model.folder");
    size_t number = 0;
    pare_page_put(page, "<p>");
    pare_page_say(page,
                  "%s was pruned %zu times; nothing but this was changed:", model ? pare_page_base(model) : "The model",
                  json_array_size(rows_of(json)));
    for (size_t i = 0; i < pare_page_size(json, "sweep.over"); i++) {
        const char *option = json_string_value(json_array_get(pare_page_at(json, "sweep.over"), i));
        if (option) pare_page_say(page, "%s %s", i ? "," : "", option);
    }
    pare_page_put(page, ".</p>\n");
    json_object_foreach(first, name, value) {
        if (!is_drawn(json, name)) continue;
        if (axis)
            draw_lines(page, json, axis, name, ++number);
        else
            draw_bars(page, json, name, ++number);
        pare_page_release(page);
    }
    write_table(page, json);
    pare_page_use(page, json);
}

const pare_page_kind pare_page_sweep = {.name = "Sweep", .knows = knows, .write = write};
