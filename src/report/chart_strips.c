/* Strips: a line for each layer; above it how many units stay at a value, below it how many go, and where the cut is.
 */
#include "report/chart_frame.h"

#include <math.h>

/* Cells across, and rows from which they are lower. */
enum { CELLS = 150, MANY = 16, VERY_MANY = 40 };

static double row_height(const pare_chart *c) {
    return c->strip_count > VERY_MANY ? 13.0 : c->strip_count > MANY ? 18.0 : 26.0;
}

static void measure(pare_chart_frame *f) {
    const pare_chart *c = f->chart;
    pare_chart_range range = pare_chart_range_new();
    size_t longest = 0;
    for (size_t j = 0; j < c->strip_count; j++) {
        const pare_chart_strip *s = &c->strips[j];
        for (size_t i = 0; i < s->count; i++)
            pare_chart_range_add(&range, &c->x, s->values[i]);
        if (isfinite(s->cut) && pare_chart_shows(&c->x, s->cut)) pare_chart_range_add(&range, &c->x, s->cut);
        if (pare_ink_length(s->name) > longest) longest = pare_ink_length(s->name);
    }
    f->absent = range.absent;
    f->empty = range.count == 0;
    f->has_x = !f->empty;
    f->x = pare_chart_axis_over(&range, &c->x);
    f->left = pare_chart_room_for(longest);
    f->height = fmax(row_height(c) * (double)c->strip_count, 40.0);
}

typedef struct cells {
    double kept[CELLS], removed[CELLS], low[CELLS], high[CELLS]; /* units, and the values that they have */
    double most;
} cells;

static void add_value(cells *all, const pare_chart_frame *f, const pare_chart_strip *s, size_t i) {
    double share = (pare_chart_x(f, s->values[i]) - f->left) / (f->right - f->left) * CELLS;
    int at = share < 0.0 ? 0 : share >= CELLS ? CELLS - 1 : (int)share;
    bool first = !(all->kept[at] + all->removed[at] > 0.0);
    if (!(s->kept[i] + s->removed[i] > 0.0)) return;
    all->low[at] = first ? s->values[i] : fmin(all->low[at], s->values[i]);
    all->high[at] = first ? s->values[i] : fmax(all->high[at], s->values[i]);
    all->kept[at] += s->kept[i];
    all->removed[at] += s->removed[i];
    all->most = fmax(all->most, fmax(all->kept[at], all->removed[at]));
}

static void write_hover(FILE *out, const pare_chart_strip *s, const cells *all, int at, double units, bool kept) {
    char low[PARE_INK_NUMBER], high[PARE_INK_NUMBER];
    pare_ink_number(low, all->low[at]);
    pare_ink_number(high, all->high[at]);
    fputs("<title>", out);
    pare_ink_text(out, s->name);
    fprintf(out, ": %.0f %s at %s", units, kept ? "kept" : "removed", low);
    if (all->high[at] > all->low[at]) fprintf(out, " to %s", high);
    fputs("</title>", out);
}

static void draw_cell(const pare_chart_frame *f, const pare_chart_strip *s, const cells *all, int at, double y,
                      bool kept) {
    double units = kept ? all->kept[at] : all->removed[at], half = row_height(f->chart) / 2.0 - 1.0;
    if (!(units > 0.0)) return;
    double width = (f->right - f->left) / CELLS, height = fmax(half * sqrt(units / all->most), 2.0);
    fprintf(f->out, "<rect class=\"f%d\" x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\">", kept ? 0 : 1,
            f->left + width * at, kept ? y - height : y, width, height);
    write_hover(f->out, s, all, at, units, kept);
    fputs("</rect>\n", f->out);
}

static void draw_strip(const pare_chart_frame *f, const pare_chart_strip *s, size_t row) {
    double high = row_height(f->chart), y = f->top + high * ((double)row + 0.5);
    cells all = {.most = 1.0};
    for (size_t i = 0; i < s->count; i++)
        if (pare_chart_shows(&f->chart->x, s->values[i])) add_value(&all, f, s, i);
    fprintf(f->out, "<path class=\"g\" d=\"M%.1f %.1fH%.1f\"/>\n", f->left, y, f->right);
    pare_chart_draw_name(f, s->name, y);
    for (int at = 0; at < CELLS; at++) {
        draw_cell(f, s, &all, at, y, true);
        draw_cell(f, s, &all, at, y, false);
    }
    if (!isfinite(s->cut) || !pare_chart_shows(&f->chart->x, s->cut)) return;
    char cut[PARE_INK_NUMBER];
    pare_ink_number(cut, s->cut);
    fprintf(f->out, "<path class=\"s6 n\" stroke-width=\"1.6\" d=\"M%.1f %.1fV%.1f\"><title>", pare_chart_x(f, s->cut),
            y - high / 2.0 + 1.0, y + high / 2.0 - 1.0);
    pare_ink_text(f->out, s->name);
    fprintf(f->out, ": cut at %s</title></path>\n", cut);
}

static void draw(const pare_chart_frame *f) {
    for (size_t i = 0; i < f->chart->strip_count; i++)
        draw_strip(f, &f->chart->strips[i], i);
}

static bool has_cut(const pare_chart *c) {
    for (size_t i = 0; i < c->strip_count; i++)
        if (isfinite(c->strips[i].cut)) return true;
    return false;
}

static size_t entries(const pare_chart *c) {
    return c->strip_count == 0 ? 0 : has_cut(c) ? 3 : 2;
}

static pare_chart_entry entry(const pare_chart *c, size_t index) {
    static const pare_chart_entry all[] = {{"kept (above the line)", PARE_SAMPLE_BAR, 0},
                                           {"removed (below)", PARE_SAMPLE_BAR, 1},
                                           {"the cut", PARE_SAMPLE_RULE, 6}};
    (void)c;
    return all[index];
}

typedef struct extent {
    double units, low, high;
} extent;

static void extend(extent *e, double units, double value) {
    if (!(units > 0.0) || !isfinite(value)) return;
    e->low = e->units > 0.0 ? fmin(e->low, value) : value;
    e->high = e->units > 0.0 ? fmax(e->high, value) : value;
    e->units += units;
}

static void write_extent(FILE *out, const extent *e) {
    pare_chart_cell(out, e->units);
    pare_chart_cell(out, e->units > 0.0 ? e->low : NAN);
    pare_chart_cell(out, e->units > 0.0 ? e->high : NAN);
}

static void table(FILE *out, const pare_chart *c) {
    static const char *const heads[] = {"kept", "lowest", "highest", "removed", "lowest", "highest", "cut"};
    fputs("<tr>", out);
    pare_chart_head(out, c->y.label);
    for (size_t i = 0; i < sizeof heads / sizeof *heads; i++)
        pare_chart_head(out, heads[i]);
    fputs("</tr>\n", out);
    for (size_t j = 0; j < c->strip_count; j++) {
        const pare_chart_strip *s = &c->strips[j];
        extent kept = {0}, removed = {0};
        for (size_t i = 0; i < s->count; i++) {
            extend(&kept, s->kept[i], s->values[i]);
            extend(&removed, s->removed[i], s->values[i]);
        }
        fputs("<tr>", out);
        pare_chart_cell_text(out, s->name);
        write_extent(out, &kept);
        write_extent(out, &removed);
        pare_chart_cell(out, s->cut);
        fputs("</tr>\n", out);
    }
}

const pare_chart_drawer pare_chart_strips = {measure, entries, entry, draw, table};
