/* A chart's outline: title, legend, plot, caption; the kinds draw what is in it. */
#include "report/chart.h"
#include "report/chart_frame.h"

#include <math.h>

static const pare_chart_drawer *const drawers[PARE_CHART_KINDS] = {
    [PARE_CHART_LINES] = &pare_chart_lines,   [PARE_CHART_BARS] = &pare_chart_bars,
    [PARE_CHART_STRIPS] = &pare_chart_strips, [PARE_CHART_SCATTER] = &pare_chart_scatter,
    [PARE_CHART_HEAT] = &pare_chart_heat,
};

enum { TITLE_LETTERS = 52, CAPTION_LETTERS = 72, LEGEND_LETTERS = 62 };
static const double TITLE_LEADING = 21.0, LEADING = 17.0, SAMPLE = 30.0, LEGEND_GAP = 16.0, AXIS_ROOM = 42.0;

/* Where the parts of a picture are. */
typedef struct outline {
    size_t title, caption; /* lines of text in it */
    double legend, height; /* where the legend begins; the whole */
} outline;

/* Places of the legend's entries, in rows; returns where the next row would begin. */
typedef struct legend_place {
    double x, y;
} legend_place;

static double entry_width(const pare_chart_entry *entry) {
    size_t letters = pare_ink_length(entry->name);
    return SAMPLE + LEGEND_GAP + PARE_CHART_LETTER * (double)(letters < LEGEND_LETTERS ? letters : LEGEND_LETTERS);
}

static void draw_sample(FILE *out, const pare_chart_entry *e, double x, double y) {
    switch (e->sample) {
    case PARE_SAMPLE_LINE:
        fprintf(out, "<path class=\"s%u d%u n\" stroke-width=\"2.5\" d=\"M%.1f %.1fh24\"/>",
                e->colour % PARE_INK_COLOURS, pare_ink_shape(e->colour), x, y);
        pare_ink_marker(out, e->colour, x + 12.0, y, 3.5);
        pare_ink_marker_end(out, e->colour);
        return;
    case PARE_SAMPLE_DOT:
        pare_ink_marker(out, e->colour, x + 14.0, y, 4.0);
        pare_ink_marker_end(out, e->colour);
        return;
    case PARE_SAMPLE_BAR:
        fprintf(out, "<rect x=\"%.1f\" y=\"%.1f\" width=\"18\" height=\"11\" ", x + 5.0, y - 6.0);
        pare_ink_hatch(out, e->colour);
        fputs("/>\n", out);
        return;
    case PARE_SAMPLE_RULE:
        fprintf(out, "<path class=\"s%u n\" stroke-width=\"2\" d=\"M%.1f %.1fv12\"/>\n", e->colour % PARE_INK_COLOURS,
                x + 14.0, y - 6.0);
    }
}

/* Draws the legend from y on, or with out NULL measures it; returns its height. */
static double legend(FILE *out, const pare_chart *chart, double y) {
    const pare_chart_drawer *d = drawers[chart->kind];
    size_t count = d->entries(chart), shown = 0;
    legend_place at = {PARE_CHART_MARGIN, y};
    for (size_t i = 0; i < count; i++) {
        pare_chart_entry entry = d->entry(chart, i);
        if (!entry.name || !*entry.name) continue;
        double width = entry_width(&entry);
        if (shown++ && at.x + width > PARE_CHART_WIDTH) at = (legend_place){PARE_CHART_MARGIN, at.y + LEADING};
        if (out) {
            draw_sample(out, &entry, at.x, at.y + 8.0);
            fprintf(out, "<text x=\"%.1f\" y=\"%.1f\">", at.x + SAMPLE, at.y + 12.5);
            pare_ink_text_cut(out, entry.name, LEGEND_LETTERS);
            fputs("</text>\n", out);
        }
        at.x += width;
    }
    return shown ? at.y + LEADING - y : 0.0;
}

static outline outline_of(pare_chart_frame *frame, bool titled, bool captioned) {
    const pare_chart *chart = frame->chart;
    outline o = {0};
    if (titled) o.title = pare_ink_lines(NULL, chart->title, TITLE_LETTERS, 0.0, 0.0);
    if (captioned) o.caption = pare_ink_lines(NULL, chart->caption, CAPTION_LETTERS, 0.0, 0.0);
    o.legend = (o.title ? 12.0 : 4.0) + TITLE_LEADING * (double)o.title;
    frame->top = o.legend + legend(NULL, chart, 0.0) + (chart->y.label ? 30.0 : 8.0);
    frame->bottom = frame->top + frame->height;
    o.height = ceil(frame->bottom + (chart->x.label ? AXIS_ROOM : 26.0) + (frame->absent ? LEADING : 0.0) +
                    (o.caption ? 6.0 + LEADING * (double)o.caption : 0.0));
    frame->x.from = frame->left;
    frame->x.to = frame->right;
    frame->y.from = frame->bottom;
    frame->y.to = frame->top;
    return o;
}

static pare_chart_frame frame_of(FILE *out, const pare_chart *chart) {
    pare_chart_frame frame = {.out = out, .chart = chart, .height = PARE_CHART_PLOT};
    frame.left = 60.0;
    frame.right = PARE_CHART_WIDTH - 2.0 * PARE_CHART_MARGIN;
    drawers[chart->kind]->measure(&frame);
    return frame;
}

static void write_block(FILE *out, const char *class, const char *text, size_t letters, double y, double leading) {
    fprintf(out, "<text class=\"%s\" x=\"%d\" y=\"%.1f\">", class, PARE_CHART_MARGIN, y);
    pare_ink_lines(out, text, letters, PARE_CHART_MARGIN, leading);
    fputs("</text>\n", out);
}

static void draw_inside(const pare_chart_frame *f, const outline *o) {
    const pare_chart *chart = f->chart;
    double below = f->bottom + (chart->x.label ? AXIS_ROOM : 26.0) + 10.0;
    if (o->title) write_block(f->out, "t", chart->title, TITLE_LETTERS, 24.0, TITLE_LEADING);
    legend(f->out, chart, o->legend);
    if (f->empty) {
        fprintf(f->out, "<text class=\"q\" x=\"%.1f\" y=\"%.1f\" text-anchor=\"middle\">Nothing was measured.</text>\n",
                (f->left + f->right) / 2.0, (f->top + f->bottom) / 2.0);
    } else {
        pare_chart_draw_axes(f);
        drawers[chart->kind]->draw(f);
        pare_chart_draw_rules(f);
    }
    if (f->absent) {
        fprintf(f->out, "<text class=\"q\" x=\"%d\" y=\"%.1f\">%zu value%s cannot be drawn (not a number, infinite%s)",
                PARE_CHART_MARGIN, below, f->absent, f->absent == 1 ? "" : "s",
                chart->x.logarithmic || chart->y.logarithmic ? ", or not above zero" : "");
        fputs("</text>\n", f->out);
        below += LEADING;
    }
    if (o->caption) write_block(f->out, "q", chart->caption, CAPTION_LETTERS, below + 2.0, LEADING);
}

static void write_style(FILE *out) {
    fputs("<style>\n", out);
    pare_ink_style(out);
    fputs("</style>\n", out);
    pare_ink_patterns(out);
    fputs("<rect class=\"p\" width=\"100%\" height=\"100%\"/>\n", out);
}

/* scale: units of what it stands in for each of its own, at (x, y); 0: it fills what it stands in. */
static void open_svg(FILE *out, double width, double height, double x, double y, double scale, const char *label) {
    fprintf(out, "<svg xmlns=\"http://www.w3.org/2000/svg\" class=\"pare-chart\" viewBox=\"0 0 %.0f %.0f\"", width,
            height);
    if (x > 0.0 || y > 0.0) fprintf(out, " x=\"%.1f\" y=\"%.1f\"", x, y);
    if (scale > 0.0) fprintf(out, " width=\"%.0f\" height=\"%.0f\"", scale * width, scale * height);
    fputs(" role=\"img\" aria-label=\"", out);
    pare_ink_text(out, label);
    fputs("\">\n", out);
}

static const double ALONE_SCALE = 1.5;

char *pare_chart_svg(const pare_chart *chart) {
    pare_ink_sheet sheet;
    if (!pare_ink_begin(&sheet)) return NULL;
    pare_chart_frame frame = frame_of(sheet.out, chart);
    outline o = outline_of(&frame, true, true);
    open_svg(sheet.out, PARE_CHART_WIDTH, o.height, 0.0, 0.0, ALONE_SCALE, chart->title);
    write_style(sheet.out);
    draw_inside(&frame, &o);
    fputs("</svg>\n", sheet.out);
    return pare_ink_end(&sheet);
}

void pare_chart_write(FILE *out, const pare_chart *chart) {
    pare_chart_frame frame = frame_of(out, chart);
    outline o = outline_of(&frame, false, false);
    open_svg(out, PARE_CHART_WIDTH, o.height, 0.0, 0.0, 0.0, chart->title);
    draw_inside(&frame, &o);
    fputs("</svg>\n", out);
}

/* Panels of a row stand on one line, under the tallest of the row before. out NULL: measures; returns the height. */
static double write_panels(FILE *out, const pare_chart *charts, size_t count, size_t columns, double top) {
    double y = top, tallest = 0.0;
    for (size_t i = 0; i < count; i++) {
        pare_chart_frame frame = frame_of(out, &charts[i]);
        outline o = outline_of(&frame, true, false);
        if (i && i % columns == 0) {
            y += tallest;
            tallest = 0.0;
        }
        tallest = fmax(tallest, o.height);
        if (!out) continue;
        open_svg(out, PARE_CHART_WIDTH, o.height, (double)(i % columns) * PARE_CHART_WIDTH, y, 1.0, charts[i].title);
        draw_inside(&frame, &o);
        fputs("</svg>\n", out);
    }
    return y + tallest;
}

char *pare_chart_panels_svg(const char *title, const pare_chart *charts, size_t count, size_t columns) {
    pare_ink_sheet sheet;
    if (!pare_ink_begin(&sheet)) return NULL;
    columns = columns && columns < count ? columns : count ? count : 1;
    size_t letters = TITLE_LETTERS * columns;
    double top = 12.0 + TITLE_LEADING * (double)pare_ink_lines(NULL, title, letters, 0.0, 0.0);
    double height = write_panels(NULL, charts, count, columns, top);
    open_svg(sheet.out, PARE_CHART_WIDTH * (double)columns, height, 0.0, 0.0, 1.0, title);
    write_style(sheet.out);
    write_block(sheet.out, "t", title, letters, 24.0, TITLE_LEADING);
    write_panels(sheet.out, charts, count, columns, top);
    fputs("</svg>\n", sheet.out);
    return pare_ink_end(&sheet);
}

void pare_chart_write_table(FILE *out, const pare_chart *chart) {
    fputs("<details><summary>The numbers</summary><div class=\"wide\"><table>\n", out);
    drawers[chart->kind]->table(out, chart);
    fputs("</table></div></details>\n", out);
}

void pare_chart_write_style(FILE *out) {
    pare_ink_style(out);
}

void pare_chart_write_patterns(FILE *out) {
    fputs("<svg class=\"pare-chart\" width=\"0\" height=\"0\" style=\"position:absolute\" aria-hidden=\"true\">\n",
          out);
    pare_ink_patterns(out);
    fputs("</svg>\n", out);
}
