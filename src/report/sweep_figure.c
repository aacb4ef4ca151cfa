/* The picture of a sweep. */
#include "report/chart.h"
#include "report/sweep.h"
#include "support/file.h"
#include "support/memory.h"
#include "support/path.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* How points are drawn: x along one axis, a line for each combination of the others. */
typedef struct drawing {
    const pare_sweep *sweep;
    size_t x;               /* axis; axis_count: none has numbers, and groups of bars stand for the first */
    bool logarithmic;       /* x; points at 0 become levels */
    char **names, **groups; /* [lines], [group_count] */
    size_t lines, group_count;
    size_t *line, *group; /* [points] */
} drawing;

/* One panel's numbers. */
typedef struct panel {
    pare_chart_series *series; /* [lines] */
    pare_chart_rule *levels;
    size_t level_count;
    double *numbers; /* behind the series */
    char **texts;    /* names of levels; [level_count] */
    char *title;
} panel;

static const json_t *value_of(const drawing *d, size_t point, size_t axis) {
    return json_object_get(d->sweep->points[point].row, d->sweep->axes[axis]);
}

/* All values are numbers, and they are not all the same. */
static bool has_numbers(const drawing *d, size_t axis) {
    double first = pare_sweep_number(value_of(d, 0, axis));
    bool differ = false;
    for (size_t p = 0; p < d->sweep->count; p++) {
        double value = pare_sweep_number(value_of(d, p, axis));
        if (!isfinite(value)) return false;
        differ |= value < first || value > first;
    }
    return differ;
}

/* Spans of more than a factor of 20 above zero. */
static bool spans_decades(const drawing *d) {
    double low = INFINITY, high = 0.0;
    for (size_t p = 0; p < d->sweep->count; p++) {
        double value = pare_sweep_number(value_of(d, p, d->x));
        if (value < 0.0) return false;
        if (value > 0.0) low = fmin(low, value);
        high = fmax(high, value);
    }
    return high > 20.0 * low;
}

/* The name's place in the list, added if it is new; takes the name. */
static size_t place_of(char **list, size_t *count, char *name) {
    for (size_t i = 0; name && i < *count; i++)
        if (strcmp(list[i], name) == 0) {
            free(name);
            return i;
        }
    if (!name) return 0;
    list[*count] = name;
    return (*count)++;
}

/* Of the axes that are not along x: "taylor", "ratio 0.2, taylor". */
static char *line_name(const drawing *d, size_t point) {
    char *text = pare_format("%s", "");
    size_t skipped = d->x < d->sweep->axis_count ? d->x : 0;
    for (size_t i = 0; i < d->sweep->axis_count && text; i++) {
        if (i == skipped) continue;
        const char *axis = d->sweep->axes[i];
        bool plain = strcmp(axis, "method") == 0;
        char *word = pare_sweep_word(value_of(d, point, i));
        char *longer =
            word ? pare_format("%s%s%s%s%s", text, *text ? ", " : "", plain ? "" : axis, plain ? "" : " ", word) : NULL;
        free(word);
        free(text);
        text = longer;
    }
    return text;
}

static pare_status sort_points(drawing *d) {
    size_t count = d->sweep->count;
    PARE_TRY(pare_alloc(&d->names, count, sizeof *d->names, "a figure"));
    PARE_TRY(pare_alloc(&d->groups, count, sizeof *d->groups, "a figure"));
    PARE_TRY(pare_alloc(&d->line, count, sizeof *d->line, "a figure"));
    PARE_TRY(pare_alloc(&d->group, count, sizeof *d->group, "a figure"));
    while (d->x < d->sweep->axis_count && !has_numbers(d, d->x))
        d->x++;
    bool bars = d->x == d->sweep->axis_count;
    d->logarithmic = !bars && spans_decades(d);
    for (size_t p = 0; p < count; p++) {
        d->line[p] = place_of(d->names, &d->lines, line_name(d, p));
        if (bars) d->group[p] = place_of(d->groups, &d->group_count, pare_sweep_word(value_of(d, p, 0)));
    }
    return pare_whole();
}

static void drawing_free(drawing *d) {
    for (size_t i = 0; d->names && i < d->lines; i++)
        free(d->names[i]);
    for (size_t i = 0; d->groups && i < d->group_count; i++)
        free(d->groups[i]);
    pare_free(d->names);
    pare_free(d->groups);
    pare_free(d->line);
    pare_free(d->group);
}

static void panel_free(panel *p) {
    for (size_t i = 0; p->texts && i < p->level_count; i++)
        free(p->texts[i]);
    free(p->title);
    pare_free(p->texts);
    pare_free(p->levels);
    pare_free(p->series);
    pare_free(p->numbers);
}

static void add_level(panel *p, double at, char *name) {
    if (!name || !isfinite(at)) {
        free(name);
        return;
    }
    p->texts[p->level_count] = name;
    p->levels[p->level_count++] = (pare_chart_rule){at, name};
}

/* A point of line `line` goes to its place among those of larger x. */
static void insert(pare_chart_series *s, double x, double y, double error) {
    double *xs = (double *)(uintptr_t)s->x, *ys = (double *)(uintptr_t)s->y, *errors = (double *)(uintptr_t)s->error;
    size_t at = s->count++;
    for (; at > 0 && xs[at - 1] > x; at--) {
        xs[at] = xs[at - 1];
        ys[at] = ys[at - 1];
        errors[at] = errors[at - 1];
    }
    xs[at] = x;
    ys[at] = y;
    errors[at] = error;
}

static void add_point(const drawing *d, panel *p, size_t point, const pare_spread *y) {
    pare_chart_series *s = &p->series[d->line[point]];
    if (d->group_count) {
        ((double *)(uintptr_t)s->y)[d->group[point]] = y->mean;
        ((double *)(uintptr_t)s->error)[d->group[point]] = y->sd;
        return;
    }
    double x = pare_sweep_number(value_of(d, point, d->x));
    if (x > 0.0 || !d->logarithmic) {
        insert(s, x, y->mean, y->sd);
        return;
    }
    const char *line = d->names[d->line[point]];
    add_level(p, y->mean, pare_format("%s = 0%s%s", d->sweep->axes[d->x], *line ? ", " : "", line));
}

/* Room for every point in every line's own arrays. */
static pare_status panel_new(const drawing *d, panel *p) {
    size_t count = d->sweep->count, each = 0;
    size_t *room;
    PARE_TRY(pare_alloc(&p->series, d->lines, sizeof *p->series, "a figure"));
    PARE_TRY(pare_alloc(&p->levels, count + 1, sizeof *p->levels, "a figure"));
    PARE_TRY(pare_alloc(&p->texts, count + 1, sizeof *p->texts, "a figure"));
    PARE_TRY(pare_alloc(&room, d->lines, sizeof *room, "a figure"));
    for (size_t i = 0; i < count; i++)
        room[d->line[i]]++;
    for (size_t i = 0; i < d->lines; i++)
        each += d->group_count ? d->group_count : room[i];
    pare_status status = pare_alloc(&p->numbers, 3 * each, sizeof *p->numbers, "a figure");
    double *at = p->numbers;
    for (size_t i = 0; i < 3 * each && status == PARE_OK; i++)
        at[i] = NAN;
    for (size_t i = 0; i < d->lines && status == PARE_OK; i++) {
        size_t own = d->group_count ? d->group_count : room[i];
        p->series[i] = (pare_chart_series){.name = d->names[i],
                                           .count = d->group_count,
                                           .x = d->group_count ? NULL : at,
                                           .y = at + own,
                                           .error = at + 2 * own};
        at += 3 * own;
    }
    pare_free(room);
    return status;
}

static pare_status draw_panel(const drawing *d, size_t text, panel *p, pare_chart *chart) {
    const pare_sweep *s = d->sweep;
    bool accuracy = strcmp(s->measure, "accuracy") == 0;
    bool layers = d->x < s->axis_count && strcmp(s->axes[d->x], "layers") == 0;
    PARE_TRY(panel_new(d, p));
    add_level(p, s->before[text], pare_format("dense"));
    for (size_t i = 0; i < s->count; i++)
        add_point(d, p, i, &s->points[i].after[text]);
    p->title = pare_format("%s on %s", accuracy ? "Accuracy" : "Perplexity", pare_path_name(s->texts[text]));
    *chart = (pare_chart){.kind = d->group_count ? PARE_CHART_BARS : PARE_CHART_LINES,
                          .title = p->title,
                          .caption = s->seeds ? "Error bars: one standard deviation over seeds." : NULL,
                          .x = {.label = layers           ? "layer that alone is pruned"
                                         : d->group_count ? s->axes[0]
                                                          : s->axes[d->x],
                                .logarithmic = d->logarithmic,
                                .whole = layers},
                          .y = {.label = accuracy ? "share of pictures named rightly" : s->measure,
                                .logarithmic = !d->group_count && !accuracy},
                          .series = p->series,
                          .series_count = d->lines,
                          .groups = (const char *const *)d->groups,
                          .group_count = d->group_count,
                          .levels = p->levels,
                          .level_count = p->level_count};
    return pare_whole();
}

static char *draw_panels(const drawing *d) {
    const pare_sweep *s = d->sweep;
    panel *panels = NULL;
    pare_chart *charts = NULL;
    pare_status status = pare_alloc(&panels, s->text_count, sizeof *panels, "a figure");
    if (status == PARE_OK) status = pare_alloc(&charts, s->text_count, sizeof *charts, "a figure");
    for (size_t t = 0; t < s->text_count && status == PARE_OK; t++)
        status = draw_panel(d, t, &panels[t], &charts[t]);
    const char *model =
        json_string_value(json_object_get(json_object_get(json_object_get(s->document, "sweep"), "model"), "folder"));
    char *svg = NULL, *title = pare_format("Pruned %s", model ? pare_path_name(model) : "model");
    if (status == PARE_OK && title)
        svg = s->text_count == 1 ? pare_chart_svg(charts) : pare_chart_panels_svg(title, charts, s->text_count, 2);
    free(title);
    for (size_t t = 0; panels && t < s->text_count; t++)
        panel_free(&panels[t]);
    pare_free(panels);
    pare_free(charts);
    return svg;
}

char *pare_sweep_svg(const pare_sweep *sweep) {
    drawing d = {.sweep = sweep};
    char *svg = sort_points(&d) == PARE_OK ? draw_panels(&d) : NULL;
    drawing_free(&d);
    return svg;
}
