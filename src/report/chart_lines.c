/* Lines: of long ones, the lowest and the highest value of every column of points, so that no spike is lost. */
#include "report/chart_frame.h"

#include <math.h>

/* Points that a line is thinned to (two for each column), of which every one has its marker, and places on a line of
 * more that answer to a pointer. */
enum { COLUMNS = 400, MARKERS = 60, HOVERS = 60 };

static bool shown(const pare_chart *c, const pare_chart_series *s, size_t i) {
    return pare_chart_shows(&c->x, s->x[i]) && pare_chart_shows(&c->y, s->y[i]);
}

static void measure(pare_chart_frame *f) {
    const pare_chart *c = f->chart;
    pare_chart_range x = pare_chart_range_new(), y = pare_chart_range_new();
    for (size_t j = 0; j < c->series_count; j++)
        for (size_t i = 0; i < c->series[j].count; i++) {
            const pare_chart_series *s = &c->series[j];
            f->absent += !shown(c, s, i);
            if (!shown(c, s, i)) continue;
            pare_chart_range_add(&x, &c->x, s->x[i]);
            pare_chart_range_add(&y, &c->y, s->y[i]);
            if (!s->error || !isfinite(s->error[i])) continue;
            pare_chart_range_add(&y, &c->y, s->y[i] - s->error[i]);
            pare_chart_range_add(&y, &c->y, s->y[i] + s->error[i]);
        }
    f->empty = x.count == 0;
    pare_chart_range_add_rules(&y, &c->y, c->levels, c->level_count);
    f->has_x = f->has_y = !f->empty;
    f->x = pare_chart_axis_over(&x, &c->x);
    f->y = pare_chart_axis_over(&y, &c->y);
    f->left = pare_chart_room(&f->y);
}

static void draw_path(const pare_chart_frame *f, const pare_chart_series *s, size_t index) {
    size_t n = s->count, columns = n < COLUMNS ? n : COLUMNS;
    bool faint = s->look == PARE_LOOK_FAINT;
    fprintf(f->out, "<polyline class=\"n s%u", pare_chart_colour(s, index) % PARE_INK_COLOURS);
    if (!faint) fprintf(f->out, " d%u", pare_ink_shape(pare_chart_colour(s, index)));
    fputs("\" ", f->out);
    if (faint) fputs("stroke-opacity=\"0.35\" ", f->out);
    fprintf(f->out, "stroke-width=\"%s\" stroke-linejoin=\"round\" points=\"", faint ? "1" : "2");
    for (size_t column = 0; column < columns; column++) {
        size_t begin = column * n / columns, end = (column + 1) * n / columns, low = n, high = n;
        for (size_t i = begin; i < end; i++) {
            if (!shown(f->chart, s, i)) continue;
            if (low == n || s->y[i] < s->y[low]) low = i;
            if (high == n || s->y[i] > s->y[high]) high = i;
        }
        size_t first = low < high ? low : high, last = low < high ? high : low;
        for (size_t i = first; i < n; i = i < last ? last : n)
            fprintf(f->out, "%.1f,%.1f ", pare_chart_x(f, s->x[i]), pare_chart_y(f, s->y[i]));
    }
    fputs("\"/>\n", f->out);
}

static void draw_error(const pare_chart_frame *f, const pare_chart_series *s, size_t i, unsigned colour) {
    if (!s->error || !isfinite(s->error[i]) || !(s->error[i] > 0.0)) return;
    double x = pare_chart_x(f, s->x[i]), low = s->y[i] - s->error[i];
    double from = pare_chart_shows(&f->chart->y, low) ? pare_chart_y(f, low) : f->bottom;
    fprintf(f->out,
            "<path class=\"n s%u\" stroke-width=\"1.3\" d=\"M%.1f %.1fH%.1fM%.1f %.1fV%.1fM%.1f %.1fH%.1f\"/>\n",
            colour % PARE_INK_COLOURS, x - 4.0, from, x + 4.0, x, from, pare_chart_y(f, s->y[i] + s->error[i]), x - 4.0,
            pare_chart_y(f, s->y[i] + s->error[i]), x + 4.0);
}

static void write_hover(const pare_chart_frame *f, const pare_chart_series *s, size_t i) {
    char x[PARE_INK_NUMBER], y[PARE_INK_NUMBER], error[PARE_INK_NUMBER];
    pare_ink_number(x, s->x[i]);
    pare_ink_number(y, s->y[i]);
    fputs("<title>", f->out);
    pare_ink_text(f->out, s->name);
    fprintf(f->out, "%s%s: %s", s->name && *s->name ? ", at " : "at ", x, y);
    if (s->error && isfinite(s->error[i])) {
        pare_ink_number(error, s->error[i]);
        fprintf(f->out, " ± %s", error);
    }
    fputs("</title>", f->out);
}

static void draw_point(const pare_chart_frame *f, const pare_chart_series *s, size_t index, size_t i) {
    double x = pare_chart_x(f, s->x[i]), y = pare_chart_y(f, s->y[i]);
    unsigned colour = pare_chart_colour(s, index);
    bool many = s->count > MARKERS || s->look == PARE_LOOK_FAINT;
    if (s->look == PARE_LOOK_RING || (many && s->look != PARE_LOOK_DOTS)) {
        fprintf(f->out, "<circle class=\"%s", s->look == PARE_LOOK_RING ? "n" : "h");
        if (s->look == PARE_LOOK_RING) fprintf(f->out, " s%u\" stroke-width=\"1.5", colour % PARE_INK_COLOURS);
        fprintf(f->out, "\" cx=\"%.1f\" cy=\"%.1f\" r=\"5.5\">", x, y);
        write_hover(f, s, i);
        fputs("</circle>\n", f->out);
        return;
    }
    draw_error(f, s, i, colour);
    pare_ink_marker(f->out, colour, x, y, s->count > MARKERS / 2 ? 2.4 : 3.2);
    write_hover(f, s, i);
    pare_ink_marker_end(f->out, colour);
}

static void draw(const pare_chart_frame *f) {
    const pare_chart *c = f->chart;
    for (size_t j = 0; j < c->series_count; j++)
        if (c->series[j].look == PARE_LOOK_FAINT) draw_path(f, &c->series[j], j);
    for (size_t j = 0; j < c->series_count; j++)
        if (c->series[j].look == PARE_LOOK_LINE) draw_path(f, &c->series[j], j);
    for (size_t j = 0; j < c->series_count; j++) {
        const pare_chart_series *s = &c->series[j];
        size_t step = s->count > HOVERS ? (s->count + HOVERS - 1) / HOVERS : 1;
        for (size_t i = 0; i < s->count; i += step)
            if (shown(c, s, i)) draw_point(f, s, j, i);
    }
}

static pare_chart_entry entry(const pare_chart *c, size_t index) {
    const pare_chart_series *s = &c->series[index];
    unsigned colour = pare_chart_colour(s, index);
    return (pare_chart_entry){s->look == PARE_LOOK_RING ? NULL : s->name,
                              s->look == PARE_LOOK_DOTS ? PARE_SAMPLE_DOT : PARE_SAMPLE_LINE, colour};
}

/* Series have their own points: a row for each of them. */
static void table(FILE *out, const pare_chart *c) {
    bool errors = false;
    for (size_t j = 0; j < c->series_count; j++)
        errors |= c->series[j].error != NULL;
    fputs("<tr>", out);
    pare_chart_head(out, "");
    pare_chart_head(out, c->x.label);
    pare_chart_head(out, c->y.label);
    if (errors) pare_chart_head(out, "±");
    fputs("</tr>\n", out);
    for (size_t j = 0; j < c->series_count; j++) {
        const pare_chart_series *s = &c->series[j];
        size_t step = pare_chart_table_step(s->count);
        for (size_t i = 0; i < s->count; i = i + step < s->count || i + 1 == s->count ? i + step : s->count - 1) {
            fputs("<tr>", out);
            pare_chart_cell_text(out, s->name);
            pare_chart_cell(out, s->x[i]);
            pare_chart_cell(out, s->y[i]);
            if (errors) pare_chart_cell(out, s->error ? s->error[i] : NAN);
            fputs("</tr>\n", out);
        }
    }
}

const pare_chart_drawer pare_chart_lines = {measure, pare_chart_series_entries, entry, draw, table};
