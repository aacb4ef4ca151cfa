/* The drawing of a loss curve: the loss of every step as a pale line with its running mean over it, the validation loss
 * as dots, and its lowest value marked. */
#include "report/curve.h"
#include "report/curve_axis.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { WIDTH = 860, HEIGHT = 480, LEFT = 70, RIGHT = 36, TOP = 84, BOTTOM = 56 };
/* Columns that a line is thinned to, dots of validation with their own mark, steps below which there is no mean. */
enum { COLUMNS = 400, MARKS = 60, SMOOTHED_FROM = 40 };

#define INK "#24292f"
#define FAINT "#6e7781"
#define GRID "#e4e8ec"
#define TRAINING "#0969da"
#define VALIDATION "#d1570c"

/* One of the two losses, finite values only. */
typedef struct series {
    const pare_curve *curve;
    bool validation;
    size_t count; /* of finite values */
    double low, high, last, best;
    uint64_t best_step;
} series;

typedef struct drawing {
    FILE *out;
    series loss, validation;
    pare_curve_axis x, y;
} drawing;

static double value_at(const series *s, size_t i) {
    return s->validation ? s->curve->list[i].validation : s->curve->list[i].loss;
}

static series series_of(const pare_curve *curve, bool validation) {
    series s = {.curve = curve, .validation = validation, .low = INFINITY, .high = -INFINITY};
    for (size_t i = 0; i < curve->count; i++) {
        double value = value_at(&s, i);
        if (!isfinite(value)) continue;
        if (s.count == 0 || value < s.best) {
            s.best = value;
            s.best_step = curve->list[i].step;
        }
        s.low = fmin(s.low, value);
        s.high = fmax(s.high, value);
        s.last = value;
        s.count++;
    }
    return s;
}

static void write_escaped(FILE *out, const char *text) {
    for (const unsigned char *c = (const unsigned char *)text; *c; c++) {
        if (*c == '&' || *c == '<' || *c == '>' || *c == '"')
            fprintf(out, "&#%d;", *c);
        else
            fputc(*c >= 0x20 && *c < 0x7f ? *c : '?', out);
    }
}

static void write_tick(FILE *out, const pare_curve_axis *axis, double value) {
    if (axis->logarithmic)
        fprintf(out, "%g", value);
    else
        fprintf(out, "%.*f", axis->decimals, fabs(value) > 0.0 ? value : 0.0);
}

static void draw_axes(const drawing *d) {
    double bottom = HEIGHT - BOTTOM, right = WIDTH - RIGHT;
    for (int i = 0; i < d->y.tick_count; i++) {
        double y = pare_curve_axis_place(&d->y, d->y.ticks[i]);
        fprintf(d->out, "<path d=\"M%d %.1fH%.1f\" stroke=\"" GRID "\"/>\n", LEFT, y, right);
        fprintf(d->out, "<text x=\"%d\" y=\"%.1f\" text-anchor=\"end\" fill=\"" FAINT "\">", LEFT - 10, y + 4.0);
        write_tick(d->out, &d->y, d->y.ticks[i]);
        fputs("</text>\n", d->out);
    }
    fprintf(d->out, "<path d=\"M%d %.1fH%.1f\" stroke=\"" FAINT "\"/>\n", LEFT, bottom, right);
    for (int i = 0; i < d->x.tick_count; i++) {
        double x = pare_curve_axis_place(&d->x, d->x.ticks[i]);
        fprintf(d->out, "<path d=\"M%.1f %.1fv5\" stroke=\"" FAINT "\"/>\n", x, bottom);
        fprintf(d->out, "<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"middle\" fill=\"" FAINT "\">", x, bottom + 20.0);
        write_tick(d->out, &d->x, d->x.ticks[i]);
        fputs("</text>\n", d->out);
    }
    fprintf(d->out, "<text x=\"%.1f\" y=\"%d\" text-anchor=\"middle\" fill=\"" FAINT "\">step</text>\n",
            ((double)LEFT + right) / 2.0, HEIGHT - 14);
    fprintf(d->out, "<text x=\"%d\" y=\"%d\" fill=\"" FAINT "\">loss per token%s</text>\n", LEFT, TOP - 12,
            d->y.logarithmic ? ", logarithmic" : "");
}

/* The points of a line that is thinned: of every column of steps the lowest and the highest, in their order. */
static void draw_line(const drawing *d, const series *s, const char *colour, double width) {
    size_t n = s->curve->count, columns = n < COLUMNS ? n : COLUMNS;
    fprintf(d->out, "<polyline fill=\"none\" stroke=\"%s\" stroke-width=\"%.1f\" stroke-linejoin=\"round\" points=\"",
            colour, width);
    for (size_t column = 0; column < columns; column++) {
        size_t begin = column * n / columns, end = (column + 1) * n / columns, low = n, high = n;
        for (size_t i = begin; i < end; i++) {
            double value = value_at(s, i);
            if (!isfinite(value)) continue;
            if (low == n || value < value_at(s, low)) low = i;
            if (high == n || value > value_at(s, high)) high = i;
        }
        size_t first = low < high ? low : high, last = low < high ? high : low;
        for (size_t i = first; i < n; i = i < last ? last : n)
            fprintf(d->out, "%.1f,%.1f ", pare_curve_axis_place(&d->x, (double)s->curve->list[i].step),
                    pare_curve_axis_place(&d->y, value_at(s, i)));
    }
    fputs("\"/>\n", d->out);
}

/* Mean of the finite losses of points [begin, end); NaN without any. */
static double mean_of(const pare_curve *curve, size_t begin, size_t end) {
    double sum = 0.0, count = 0.0;
    for (size_t i = begin; i < end; i++)
        if (isfinite(curve->list[i].loss)) {
            sum += curve->list[i].loss;
            count++;
        }
    return sum / count;
}

/* Means over windows of a fiftieth of the run that overlap by half; narrower ones at both ends. */
static void draw_mean(const drawing *d) {
    const pare_curve *curve = d->loss.curve;
    size_t n = curve->count, half = n / 100 + 1;
    fputs("<polyline fill=\"none\" stroke=\"" TRAINING "\" stroke-width=\"2\" stroke-linejoin=\"round\" points=\"",
          d->out);
    for (size_t centre = 0; centre < n; centre = centre + half < n || centre == n - 1 ? centre + half : n - 1) {
        double mean = mean_of(curve, centre < half ? 0 : centre - half, n - centre < half ? n : centre + half);
        if (isfinite(mean))
            fprintf(d->out, "%.1f,%.1f ", pare_curve_axis_place(&d->x, (double)curve->list[centre].step),
                    pare_curve_axis_place(&d->y, mean));
    }
    fputs("\"/>\n", d->out);
}

static void draw_dot(const drawing *d, uint64_t step, double value, const char *colour, double radius, bool filled) {
    fprintf(d->out, "<circle cx=\"%.1f\" cy=\"%.1f\" r=\"%.1f\" fill=\"%s\" stroke=\"%s\" stroke-width=\"1.5\"/>\n",
            pare_curve_axis_place(&d->x, (double)step), pare_curve_axis_place(&d->y, value), radius,
            filled ? colour : "#ffffff", colour);
}

static void draw_series(const drawing *d) {
    const pare_curve *curve = d->loss.curve;
    bool smoothed = d->loss.count >= SMOOTHED_FROM;
    draw_line(d, &d->loss, smoothed ? "#a9cdf5" : TRAINING, smoothed ? 1.0 : 2.0);
    if (smoothed) draw_mean(d);
    draw_line(d, &d->validation, VALIDATION, 2.0);
    for (size_t i = 0; i < curve->count; i++) {
        const pare_curve_point *p = &curve->list[i];
        if (d->loss.count == 1 && isfinite(p->loss)) draw_dot(d, p->step, p->loss, TRAINING, 3.0, true);
        if (d->validation.count <= MARKS && isfinite(p->validation))
            draw_dot(d, p->step, p->validation, VALIDATION, 3.0, true);
    }
    if (d->validation.count) draw_dot(d, d->validation.best_step, d->validation.best, VALIDATION, 5.0, false);
}

/* A sample of the line at x and what it is; right of the title's line. */
static void draw_legend(const drawing *d, double x, const series *s, const char *name, const char *colour) {
    fprintf(d->out, "<path d=\"M%.1f 50h22\" stroke=\"%s\" stroke-width=\"3\" stroke-linecap=\"round\"/>\n", x, colour);
    fprintf(d->out, "<text x=\"%.1f\" y=\"54\" fill=\"" INK "\">%s %.4g", x + 30.0, name, s->last);
    if (s->validation && s->count > 1)
        fprintf(d->out, ", lowest %.4g at step %llu", s->best, (unsigned long long)s->best_step);
    fputs("</text>\n", d->out);
}

static void draw(const drawing *d, const char *title) {
    fprintf(d->out,
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %d %d\" width=\"%d\" height=\"%d\" "
            "font-family=\"system-ui, -apple-system, 'Segoe UI', Helvetica, Arial, sans-serif\" font-size=\"13\">\n"
            "<rect width=\"100%%\" height=\"100%%\" fill=\"#ffffff\"/>\n",
            WIDTH, HEIGHT, WIDTH, HEIGHT);
    fprintf(d->out, "<text x=\"%d\" y=\"30\" font-size=\"17\" font-weight=\"600\" fill=\"" INK "\">", LEFT);
    write_escaped(d->out, title && *title ? title : "Loss");
    fputs("</text>\n", d->out);
    if (d->loss.count + d->validation.count == 0) {
        fprintf(d->out, "<text x=\"%d\" y=\"%d\" fill=\"" FAINT "\">No losses were measured.</text>\n</svg>\n", LEFT,
                HEIGHT / 2);
        return;
    }
    draw_axes(d);
    draw_series(d);
    if (d->loss.count) draw_legend(d, LEFT, &d->loss, "training", TRAINING);
    if (d->validation.count)
        draw_legend(d, d->loss.count ? (double)LEFT + 190.0 : (double)LEFT, &d->validation, "validation", VALIDATION);
    fputs("</svg>\n", d->out);
}

/* Losses that fall by more than this factor are easier to read on a logarithmic axis. */
static const double LOGARITHMIC_FROM = 8.0;

static void set_axes(drawing *d) {
    const pare_curve *curve = d->loss.curve;
    if (d->loss.count + d->validation.count == 0) return;
    d->x = pare_curve_axis_of((double)curve->list[0].step, (double)curve->list[curve->count - 1].step, 0.0, true);
    d->y = pare_curve_axis_of(fmin(d->loss.low, d->validation.low), fmax(d->loss.high, d->validation.high),
                              LOGARITHMIC_FROM, false);
    d->x.from = LEFT;
    d->x.to = WIDTH - RIGHT;
    d->y.from = HEIGHT - BOTTOM;
    d->y.to = TOP;
}

char *pare_curve_svg(const pare_curve *curve, const char *title) {
    char *text = NULL;
    size_t bytes;
    drawing d = {
        .out = open_memstream(&text, &bytes), .loss = series_of(curve, false), .validation = series_of(curve, true)};
    if (!d.out) return NULL;
    set_axes(&d);
    draw(&d, title);
    bool failed = ferror(d.out) != 0;
    if (fclose(d.out) == 0 && !failed) return text;
    free(text);
    return NULL;
}
