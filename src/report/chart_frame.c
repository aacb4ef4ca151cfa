#include "report/chart_frame.h"

#include <math.h>
#include <string.h>

bool pare_chart_shows(const pare_chart_axis *axis, double value) {
    return isfinite(value) && (!axis->logarithmic || value > 0.0);
}

pare_chart_range pare_chart_range_new(void) {
    return (pare_chart_range){.low = INFINITY, .high = -INFINITY};
}

void pare_chart_range_add(pare_chart_range *range, const pare_chart_axis *axis, double value) {
    if (!pare_chart_shows(axis, value)) {
        range->absent++;
        return;
    }
    range->low = fmin(range->low, value);
    range->high = fmax(range->high, value);
    range->count++;
}

void pare_chart_range_add_rules(pare_chart_range *range, const pare_chart_axis *axis, const pare_chart_rule *rules,
                                size_t count) {
    for (size_t i = 0; i < count; i++)
        if (pare_chart_shows(axis, rules[i].at)) pare_chart_range_add(range, axis, rules[i].at);
}

/* An axis is logarithmic where its values differ by more than this. */
static const double LOGARITHMIC_FROM = 3.0;
/* Doubles whose differences overflow, or vanish, are drawn as these. */
static const double FARTHEST = 1e300;

pare_curve_axis pare_chart_axis_over(const pare_chart_range *range, const pare_chart_axis *axis) {
    double low = range->count ? fmax(range->low, -FARTHEST) : 0.0, high = range->count ? range->high : 1.0;
    high = fmin(fmax(high, low), FARTHEST);
    if (low > high) low = high;
    bool zero = axis->from_zero && !axis->logarithmic && low >= 0.0;
    if (zero) low = 0.0;
    pare_curve_axis out = pare_curve_axis_of(low, high, axis->logarithmic ? LOGARITHMIC_FROM : 0.0, axis->whole);
    if (zero) out.low = 0.0;
    if (zero && !(out.high > 0.0)) out.high = 1.0;
    return out;
}

double pare_chart_x(const pare_chart_frame *frame, double value) {
    return pare_curve_axis_place(&frame->x, value);
}

double pare_chart_y(const pare_chart_frame *frame, double value) {
    return pare_curve_axis_place(&frame->y, value);
}

double pare_chart_room_for(size_t letters) {
    double room = (double)letters * (PARE_CHART_LETTER + 0.4) + 16.0, most = 0.4 * PARE_CHART_WIDTH;
    return fmin(fmax(room, 30.0), most);
}

double pare_chart_room(const pare_curve_axis *axis) {
    size_t longest = 0;
    for (int i = 0; i < axis->tick_count; i++) {
        char text[PARE_INK_NUMBER];
        pare_ink_tick(text, axis->ticks[i]);
        if (strlen(text) > longest) longest = strlen(text);
    }
    return pare_chart_room_for(longest);
}

static void draw_y_axis(const pare_chart_frame *f) {
    for (int i = 0; i < f->y.tick_count; i++) {
        double y = pare_chart_y(f, f->y.ticks[i]);
        char text[PARE_INK_NUMBER];
        if (y < f->top - 0.5 || y > f->bottom + 0.5) continue;
        pare_ink_tick(text, f->y.ticks[i]);
        fprintf(f->out, "<path class=\"g\" d=\"M%.1f %.1fH%.1f\"/>", f->left, y, f->right);
        fprintf(f->out, "<text class=\"q\" x=\"%.1f\" y=\"%.1f\" text-anchor=\"end\">%s</text>\n", f->left - 7.0,
                y + 4.5, text);
    }
}

/* Numbers that would touch the one before them are left out, their ticks are not. */
static void draw_x_axis(const pare_chart_frame *f) {
    double free_from = -1.0;
    for (int i = 0; i < f->x.tick_count; i++) {
        double x = pare_chart_x(f, f->x.ticks[i]);
        char text[PARE_INK_NUMBER];
        if (x < f->left - 0.5 || x > f->right + 0.5) continue;
        pare_ink_tick(text, f->x.ticks[i]);
        double half = 0.5 * PARE_CHART_LETTER * (double)strlen(text);
        if (!f->has_y) fprintf(f->out, "<path class=\"g\" d=\"M%.1f %.1fV%.1f\"/>", x, f->top, f->bottom);
        fprintf(f->out, "<path class=\"a\" d=\"M%.1f %.1fv4\"/>", x, f->bottom);
        if (x - half < free_from) continue;
        fprintf(f->out, "<text class=\"q\" x=\"%.1f\" y=\"%.1f\" text-anchor=\"middle\">%s</text>\n", x,
                f->bottom + 18.0, text);
        free_from = x + half + PARE_CHART_LETTER;
    }
}

static void write_label(FILE *out, const pare_chart_axis *axis, const pare_curve_axis *drawn, bool numbers) {
    pare_ink_text(out, axis->label);
    if (numbers && drawn->logarithmic) fputs(", logarithmic", out);
}

void pare_chart_draw_axes(const pare_chart_frame *f) {
    const pare_chart *c = f->chart;
    if (f->has_y) draw_y_axis(f);
    if (f->has_x) draw_x_axis(f);
    fprintf(f->out, "<path class=\"a\" d=\"M%.1f %.1fH%.1f\"/>\n", f->left, f->bottom, f->right);
    if (c->y.label) {
        fprintf(f->out, "<text class=\"q\" x=\"%d\" y=\"%.1f\">", PARE_CHART_MARGIN, f->top - 13.0);
        write_label(f->out, &c->y, &f->y, f->has_y);
        fputs("</text>\n", f->out);
    }
    if (c->x.label) {
        fprintf(f->out, "<text class=\"q\" x=\"%.1f\" y=\"%.1f\" text-anchor=\"middle\">", (f->left + f->right) / 2.0,
                f->bottom + 36.0);
        write_label(f->out, &c->x, &f->x, f->has_x);
        fputs("</text>\n", f->out);
    }
}

static void name_rule(const pare_chart_frame *f, const pare_chart_rule *rule, double x, double y) {
    enum { MOST = 40 };
    if (!rule->name || !*rule->name) return;
    fprintf(f->out, "<text class=\"k\" x=\"%.1f\" y=\"%.1f\" text-anchor=\"end\">", x, y);
    pare_ink_text_cut(f->out, rule->name, MOST);
    fputs("</text>\n", f->out);
}

static void draw_rule(const pare_chart_frame *f, const pare_chart_rule *rule, const char *path) {
    char number[PARE_INK_NUMBER];
    pare_ink_number(number, rule->at);
    fprintf(f->out, "<path class=\"s6\" stroke-width=\"1.2\" stroke-dasharray=\"5 4\" fill=\"none\" d=\"%s\"><title>",
            path);
    pare_ink_text(f->out, rule->name);
    fprintf(f->out, "%s%s</title></path>\n", rule->name && *rule->name ? ": " : "", number);
}

void pare_chart_draw_rules(const pare_chart_frame *f) {
    char path[128];
    for (size_t i = 0; f->has_y && i < f->chart->level_count; i++) {
        const pare_chart_rule *rule = &f->chart->levels[i];
        if (!pare_chart_shows(&f->chart->y, rule->at)) continue;
        double y = pare_chart_y(f, rule->at);
        snprintf(path, sizeof path, "M%.1f %.1fH%.1f", f->left, y, f->right);
        draw_rule(f, rule, path);
        name_rule(f, rule, f->right - 2.0, y < f->top + 16.0 ? y + 14.0 : y - 4.0);
    }
}

void pare_chart_draw_name(const pare_chart_frame *f, const char *name, double y) {
    size_t most = (size_t)((f->left - 8.0) / (PARE_CHART_LETTER + 0.4));
    fprintf(f->out, "<text class=\"q\" x=\"%.1f\" y=\"%.1f\" text-anchor=\"end\">", f->left - 7.0, y + 4.5);
    pare_ink_text_cut(f->out, name, most);
    fputs("</text>\n", f->out);
}

unsigned pare_chart_colour(const pare_chart_series *series, size_t index) {
    return series->colour ? series->colour - 1 : (unsigned)(index % PARE_INK_KINDS);
}

size_t pare_chart_series_entries(const pare_chart *chart) {
    return chart->series_count;
}
