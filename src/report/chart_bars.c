/* Bars: a group for each name, in it one bar of every series, side by side or on each other; standing, or lying for
 * long names. */
#include "report/chart_frame.h"

#include <math.h>

static const double ROW = 21.0, GROUP_GAP = 0.22;

/* The axis of values, as the caller has it. */
static const pare_chart_axis *values_of(const pare_chart *c) {
    return c->lying ? &c->x : &c->y;
}

static double value_of(const pare_chart_series *s, size_t group) {
    return group < s->count ? s->y[group] : NAN;
}

/* Of the bars below this one in its group. */
static double base_of(const pare_chart *c, size_t series, size_t group) {
    double base = 0.0;
    for (size_t j = 0; c->stacked && j < series; j++) {
        double value = value_of(&c->series[j], group);
        if (isfinite(value)) base += value;
    }
    return base;
}

static size_t bars_of(const pare_chart *c) {
    return c->stacked || c->series_count == 0 ? 1 : c->series_count;
}

static void add_values(pare_chart_range *range, const pare_chart *c, const pare_chart_axis *axis) {
    for (size_t j = 0; j < c->series_count; j++)
        for (size_t i = 0; i < c->group_count; i++) {
            const pare_chart_series *s = &c->series[j];
            double value = value_of(s, i);
            if (isnan(value)) continue;
            pare_chart_range_add(range, axis, base_of(c, j, i) + value);
            if (s->error && isfinite(s->error[i])) pare_chart_range_add(range, axis, value + s->error[i]);
        }
}

static void measure(pare_chart_frame *f) {
    const pare_chart *c = f->chart;
    pare_chart_axis axis = *values_of(c);
    pare_chart_range range = pare_chart_range_new();
    axis.from_zero = true;
    add_values(&range, c, &axis);
    f->absent = range.absent;
    f->empty = range.count == 0 || c->group_count == 0;
    if (!c->lying) pare_chart_range_add_rules(&range, &axis, c->levels, c->level_count);
    if (range.count && !axis.logarithmic) {
        range.low = fmin(range.low, 0.0);
        range.high = fmax(range.high, 0.0);
    }
    pare_curve_axis drawn = pare_chart_axis_over(&range, &axis);
    *(c->lying ? &f->x : &f->y) = drawn;
    f->has_x = c->lying && !f->empty;
    f->has_y = !c->lying && !f->empty;
    f->left = pare_chart_room(&drawn);
    if (!c->lying) return;
    size_t longest = 0;
    for (size_t i = 0; i < c->group_count; i++)
        if (pare_ink_length(c->groups[i]) > longest) longest = pare_ink_length(c->groups[i]);
    f->left = pare_chart_room_for(longest);
    f->height = fmax(ROW * (double)(c->group_count * bars_of(c)), 2.0 * ROW);
    f->right -= 36.0; /* for the number behind the longest bar */
}

typedef struct bar {
    double from, to;       /* along the values */
    double begin, breadth; /* across */
} bar;

static double place(const pare_chart_frame *f, double value) {
    bool lying = f->chart->lying;
    const pare_curve_axis *axis = lying ? &f->x : &f->y;
    return pare_curve_axis_place(axis, fmin(fmax(value, axis->low), axis->high));
}

static bar bar_of(const pare_chart_frame *f, size_t series, size_t group) {
    const pare_chart *c = f->chart;
    double begin = c->lying ? f->top : f->left, room = (c->lying ? f->bottom : f->right) - begin;
    double step = room / (double)c->group_count, gap = step * GROUP_GAP, base = base_of(c, series, group);
    double breadth = (step - gap) / (double)bars_of(c);
    size_t across = c->stacked ? 0 : series;
    return (bar){place(f, base), place(f, base + value_of(&c->series[series], group)),
                 begin + step * (double)group + gap / 2.0 + breadth * (double)across, breadth * 0.94};
}

static void write_hover(const pare_chart_frame *f, const pare_chart_series *s, size_t group) {
    char value[PARE_INK_NUMBER], error[PARE_INK_NUMBER];
    pare_ink_number(value, s->y[group]);
    fputs("<title>", f->out);
    pare_ink_text(f->out, f->chart->groups[group]);
    if (s->name && *s->name) fputs(", ", f->out);
    pare_ink_text(f->out, s->name);
    fprintf(f->out, ": %s", value);
    if (s->error && isfinite(s->error[group])) {
        pare_ink_number(error, s->error[group]);
        fprintf(f->out, " ± %s", error);
    }
    fputs("</title>", f->out);
}

/* Returns where the bar ends with its error. */
static double draw_error(const pare_chart_frame *f, const pare_chart_series *s, size_t group, const bar *b) {
    double end = fmax(b->from, b->to);
    if (f->chart->stacked || !s->error || !(s->error[group] > 0.0) || !isfinite(s->error[group])) return end;
    double low = place(f, s->y[group] - s->error[group]), high = place(f, s->y[group] + s->error[group]);
    double middle = b->begin + b->breadth / 2.0;
    fputs("<path class=\"n s6\" stroke-width=\"1.3\" d=\"", f->out);
    if (f->chart->lying)
        fprintf(f->out, "M%.1f %.1fH%.1f\"/>\n", low, middle, high);
    else
        fprintf(f->out, "M%.1f %.1fV%.1f\"/>\n", middle, low, high);
    return fmax(end, high);
}

static void draw_bar(const pare_chart_frame *f, size_t series, size_t group) {
    const pare_chart *c = f->chart;
    const pare_chart_series *s = &c->series[series];
    if (!pare_chart_shows(values_of(c), value_of(s, group))) return;
    if (c->stacked && !(fabs(value_of(s, group)) > 0.0)) return;
    bar b = bar_of(f, series, group);
    double low = fmin(b.from, b.to), size = fmax(fabs(b.to - b.from), 0.8);
    double x = c->lying ? low : b.begin, y = c->lying ? b.begin : b.to < b.from ? b.from - size : low;
    fprintf(f->out, "<rect x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\" ", x, y, c->lying ? size : b.breadth,
            c->lying ? b.breadth : size);
    pare_ink_hatch(f->out, pare_chart_colour(s, series));
    fputs(">", f->out);
    write_hover(f, s, group);
    fputs("</rect>\n", f->out);
    double end = draw_error(f, s, group, &b);
    if (!c->lying || c->stacked) return;
    char value[PARE_INK_NUMBER];
    pare_ink_short(value, s->y[group]);
    fprintf(f->out, "<text x=\"%.1f\" y=\"%.1f\">%s</text>\n", end + 4.0, b.begin + b.breadth / 2.0 + 4.5, value);
}

/* Every how manieth name fits under its group. */
static size_t name_step(const pare_chart *c, double width) {
    size_t longest = 0;
    for (size_t i = 0; i < c->group_count; i++)
        if (pare_ink_length(c->groups[i]) > longest) longest = pare_ink_length(c->groups[i]);
    double step = ceil((double)(PARE_CHART_LETTER * (longest + 1)) / width);
    return step > 1.0 ? (size_t)step : 1;
}

static void draw_names(const pare_chart_frame *f) {
    const pare_chart *c = f->chart;
    double step = (c->lying ? f->bottom - f->top : f->right - f->left) / (double)c->group_count;
    for (size_t i = 0; c->lying && i < c->group_count; i++)
        pare_chart_draw_name(f, c->groups[i], f->top + step * ((double)i + 0.5));
    for (size_t i = 0; !c->lying && i < c->group_count; i += name_step(c, step)) {
        fprintf(f->out, "<text class=\"q\" x=\"%.1f\" y=\"%.1f\" text-anchor=\"middle\">",
                f->left + step * ((double)i + 0.5), f->bottom + 18.0);
        pare_ink_text_cut(f->out, c->groups[i], PARE_CHART_WIDTH / PARE_CHART_LETTER);
        fputs("</text>\n", f->out);
    }
}

static void draw(const pare_chart_frame *f) {
    for (size_t i = 0; i < f->chart->group_count; i++)
        for (size_t j = 0; j < f->chart->series_count; j++)
            draw_bar(f, j, i);
    draw_names(f);
}

static pare_chart_entry entry(const pare_chart *c, size_t index) {
    return (pare_chart_entry){c->series[index].name, PARE_SAMPLE_BAR, pare_chart_colour(&c->series[index], index)};
}

static void table(FILE *out, const pare_chart *c) {
    const pare_chart_axis *names = c->lying ? &c->y : &c->x;
    fputs("<tr>", out);
    pare_chart_head(out, names->label);
    for (size_t j = 0; j < c->series_count; j++) {
        bool named = c->series[j].name && *c->series[j].name;
        pare_chart_head(out, named ? c->series[j].name : values_of(c)->label);
        if (c->series[j].error) pare_chart_head(out, "±");
    }
    fputs("</tr>\n", out);
    for (size_t i = 0; i < c->group_count; i++) {
        fputs("<tr>", out);
        pare_chart_cell_text(out, c->groups[i]);
        for (size_t j = 0; j < c->series_count; j++) {
            pare_chart_cell(out, value_of(&c->series[j], i));
            if (c->series[j].error) pare_chart_cell(out, i < c->series[j].count ? c->series[j].error[i] : NAN);
        }
        fputs("</tr>\n", out);
    }
}

const pare_chart_drawer pare_chart_bars = {measure, pare_chart_series_entries, entry, draw, table};
