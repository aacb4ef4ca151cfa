/* Points: each of them where they are few, else squares that are the darker the more points they hold. */
#include "report/chart_frame.h"

#include <math.h>

enum { DRAWN = 1500, SQUARES = 72, LISTED = 200 };

static bool shown(const pare_chart *c, const pare_chart_series *s, size_t i) {
    return pare_chart_shows(&c->x, s->x[i]) && pare_chart_shows(&c->y, s->y[i]);
}

static size_t points_of(const pare_chart *c) {
    size_t count = 0;
    for (size_t j = 0; j < c->series_count; j++)
        count += c->series[j].count;
    return count;
}

static void measure(pare_chart_frame *f) {
    const pare_chart *c = f->chart;
    pare_chart_range x = pare_chart_range_new(), y = pare_chart_range_new();
    for (size_t j = 0; j < c->series_count; j++)
        for (size_t i = 0; i < c->series[j].count; i++) {
            f->absent += !shown(c, &c->series[j], i);
            if (!shown(c, &c->series[j], i)) continue;
            pare_chart_range_add(&x, &c->x, c->series[j].x[i]);
            pare_chart_range_add(&y, &c->y, c->series[j].y[i]);
        }
    f->empty = x.count == 0;
    if (c->diagonal && !f->empty) {
        x.low = y.low = fmin(x.low, y.low);
        x.high = y.high = fmax(x.high, y.high);
    }
    f->has_x = f->has_y = !f->empty;
    f->x = pare_chart_axis_over(&x, &c->x);
    f->y = pare_chart_axis_over(&y, &c->y);
    f->left = pare_chart_room(&f->y);
    f->height = c->diagonal ? 400.0 : 300.0;
}

static void draw_point(const pare_chart_frame *f, const pare_chart_series *s, size_t index, size_t i) {
    char x[PARE_INK_NUMBER], y[PARE_INK_NUMBER];
    unsigned colour = pare_chart_colour(s, index);
    pare_ink_number(x, s->x[i]);
    pare_ink_number(y, s->y[i]);
    pare_ink_marker(f->out, colour, pare_chart_x(f, s->x[i]), pare_chart_y(f, s->y[i]), s->count > 300 ? 1.8 : 2.6);
    fputs("<title>", f->out);
    pare_ink_text(f->out, s->name);
    fprintf(f->out, "%s%s, %s</title>", s->name && *s->name ? ": " : "", x, y);
    pare_ink_marker_end(f->out, colour);
}

static size_t square_of(double at, double from, double to) {
    double share = (at - from) / (to - from) * SQUARES;
    return share < 0.0 ? 0 : share >= SQUARES ? SQUARES - 1 : (size_t)share;
}

static void draw_square(const pare_chart_frame *f, unsigned colour, size_t row, size_t column, unsigned count,
                        unsigned most) {
    double width = (f->right - f->left) / SQUARES, height = (f->bottom - f->top) / SQUARES;
    fprintf(f->out,
            "<rect class=\"f%u\" fill-opacity=\"%.2f\" x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\"><title>%u "
            "point%s</title></rect>\n",
            colour, 0.15 + 0.85 * sqrt((double)count / (double)most), f->left + width * (double)column,
            f->top + height * (double)row, width, height, count, count == 1 ? "" : "s");
}

static void draw_counts(const pare_chart_frame *f, const pare_chart_series *s, size_t index) {
    unsigned counts[SQUARES][SQUARES] = {{0}}, most = 1;
    for (size_t i = 0; i < s->count; i++) {
        if (!shown(f->chart, s, i)) continue;
        size_t column = square_of(pare_chart_x(f, s->x[i]), f->left, f->right);
        unsigned *count = &counts[square_of(pare_chart_y(f, s->y[i]), f->top, f->bottom)][column];
        if (++*count > most) most = *count;
    }
    for (size_t row = 0; row < SQUARES; row++)
        for (size_t column = 0; column < SQUARES; column++)
            if (counts[row][column])
                draw_square(f, pare_chart_colour(s, index) % PARE_INK_COLOURS, row, column, counts[row][column], most);
}

static void draw(const pare_chart_frame *f) {
    const pare_chart *c = f->chart;
    double low = fmax(f->x.low, f->y.low), high = fmin(f->x.high, f->y.high);
    if (c->diagonal && high > low)
        fprintf(f->out, "<path class=\"a\" stroke-dasharray=\"4 4\" d=\"M%.1f %.1fL%.1f %.1f\"/>\n",
                pare_chart_x(f, low), pare_chart_y(f, low), pare_chart_x(f, high), pare_chart_y(f, high));
    bool many = points_of(c) > DRAWN;
    for (size_t j = 0; j < c->series_count; j++) {
        if (many) draw_counts(f, &c->series[j], j);
        for (size_t i = 0; !many && i < c->series[j].count; i++)
            if (shown(c, &c->series[j], i)) draw_point(f, &c->series[j], j, i);
    }
}

static pare_chart_entry entry(const pare_chart *c, size_t index) {
    unsigned colour = pare_chart_colour(&c->series[index], index);
    return (pare_chart_entry){c->series[index].name, PARE_SAMPLE_DOT, colour};
}

static void table(FILE *out, const pare_chart *c) {
    fputs("<tr>", out);
    pare_chart_head(out, "");
    pare_chart_head(out, c->x.label);
    pare_chart_head(out, c->y.label);
    fputs("</tr>\n", out);
    for (size_t j = 0; j < c->series_count; j++) {
        const pare_chart_series *s = &c->series[j];
        size_t step = s->count > LISTED ? (s->count + LISTED - 1) / LISTED : 1;
        for (size_t i = 0; i < s->count; i += step) {
            fputs("<tr>", out);
            pare_chart_cell_text(out, s->name);
            pare_chart_cell(out, s->x[i]);
            pare_chart_cell(out, s->y[i]);
            fputs("</tr>\n", out);
        }
    }
}

const pare_chart_drawer pare_chart_scatter = {measure, pare_chart_series_entries, entry, draw, table};
