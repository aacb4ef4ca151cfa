/* A heat map: cells from dark blue (low) to yellow (high), with the colours and their numbers above it. */
#include "report/chart_frame.h"

#include <math.h>
#include <string.h>

enum { NUMBER_WIDTH = 38, MANY_ROWS = 24 };

static double cell_at(const pare_chart_cells *h, size_t row, size_t column) {
    return h->values[row * h->columns + column];
}

static pare_chart_range range_of(const pare_chart_cells *h) {
    static const pare_chart_axis plain = {0};
    pare_chart_range range = pare_chart_range_new();
    for (size_t i = 0; i < h->rows * h->columns; i++)
        pare_chart_range_add(&range, &plain, h->values[i]);
    return range;
}

static size_t longest_name(const pare_chart_cells *h) {
    size_t longest = 4;
    for (size_t i = 0; h->row_names && i < h->rows; i++)
        if (pare_ink_length(h->row_names[i]) > longest) longest = pare_ink_length(h->row_names[i]);
    return longest;
}

static void measure(pare_chart_frame *f) {
    const pare_chart_cells *h = &f->chart->cells;
    pare_chart_range range = range_of(h);
    f->absent = h->gaps ? 0 : range.absent;
    f->empty = range.count == 0;
    f->left = pare_chart_room_for(longest_name(h));
    double cell = (f->right - f->left) / (double)(h->columns ? h->columns : 1);
    f->height = fmin(fmax(cell, 3.0), h->rows > MANY_ROWS ? 15.0 : 32.0) * (double)(h->rows ? h->rows : 1) + 34.0;
}

/* The plot without the scale of colours on it. */
static double cells_top(const pare_chart_frame *f) {
    return f->top + 34.0;
}

static double share_of(const pare_chart_range *range, double value) {
    return range->high > range->low ? (value - range->low) / (range->high - range->low) : 0.5;
}

static void draw_scale(const pare_chart_frame *f, const pare_chart_range *range) {
    enum { STEPS = 32 };
    char text[PARE_INK_NUMBER], colour[8];
    double width = (f->right - f->left) / STEPS;
    for (int i = 0; i < STEPS; i++) {
        pare_ink_heat(colour, (i + 0.5) / STEPS);
        fprintf(f->out, "<rect x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"8\" fill=\"%s\"/>\n", f->left + width * i,
                f->top, width + 0.3, colour);
    }
    pare_ink_tick(text, range->low);
    fprintf(f->out, "<text class=\"q\" x=\"%.1f\" y=\"%.1f\">%s</text>", f->left, f->top + 22.0, text);
    pare_ink_tick(text, range->high);
    fprintf(f->out, "<text class=\"q\" x=\"%.1f\" y=\"%.1f\" text-anchor=\"end\">%s</text>", f->right, f->top + 22.0,
            text);
    fprintf(f->out, "<text class=\"q\" x=\"%.1f\" y=\"%.1f\" text-anchor=\"middle\">", (f->left + f->right) / 2.0,
            f->top + 22.0);
    pare_ink_text_cut(f->out, f->chart->cells.label, 48);
    fputs("</text>\n", f->out);
}

static void write_name(FILE *out, const char *const *names, size_t index) {
    if (names)
        pare_ink_text(out, names[index]);
    else
        fprintf(out, "%zu", index);
}

static void draw_cell(const pare_chart_frame *f, const pare_chart_range *range, size_t row, size_t column) {
    const pare_chart_cells *h = &f->chart->cells;
    double value = cell_at(h, row, column), width = (f->right - f->left) / (double)h->columns;
    double top = cells_top(f), height = (f->bottom - top) / (double)h->rows, share = share_of(range, value);
    double x = f->left + width * (double)column, y = top + height * (double)row;
    char colour[8], text[PARE_INK_NUMBER];
    if (!isfinite(value)) return;
    pare_ink_heat(colour, share);
    pare_ink_number(text, value);
    fprintf(f->out, "<rect x=\"%.2f\" y=\"%.2f\" width=\"%.2f\" height=\"%.2f\" fill=\"%s\"><title>", x, y, width + 0.2,
            height + 0.2, colour);
    write_name(f->out, h->row_names, row);
    fputs(", ", f->out);
    write_name(f->out, h->column_names, column);
    fprintf(f->out, ": %s</title></rect>\n", text);
    pare_ink_short(text, value);
    if (width < NUMBER_WIDTH || height < 15.0 || (strlen(text) + 1) * PARE_CHART_LETTER > (size_t)width) return;
    fprintf(f->out,
            "<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"middle\" style=\"fill:%s\" pointer-events=\"none\">%s</text>\n",
            x + width / 2.0, y + height / 2.0 + 4.5, share > 0.55 ? "#111111" : "#ffffff", text);
}

static void draw_names(const pare_chart_frame *f) {
    const pare_chart_cells *h = &f->chart->cells;
    double width = (f->right - f->left) / (double)h->columns, top = cells_top(f);
    double height = (f->bottom - top) / (double)h->rows, free_from = -1.0, below = -1.0;
    char number[PARE_INK_NUMBER];
    for (size_t i = 0; i < h->rows; i++) {
        double y = top + height * ((double)i + 0.5);
        if (y < below) continue;
        snprintf(number, sizeof number, "%zu", i);
        pare_chart_draw_name(f, h->row_names ? h->row_names[i] : number, y);
        below = y + 13.0;
    }
    for (size_t i = 0; i < h->columns; i++) {
        snprintf(number, sizeof number, "%zu", i);
        const char *name = h->column_names ? h->column_names[i] : number;
        double x = f->left + width * ((double)i + 0.5), half = 0.5 * PARE_CHART_LETTER * (double)pare_ink_length(name);
        if (x - half < free_from || x + half > PARE_CHART_WIDTH) continue;
        fprintf(f->out, "<text class=\"q\" x=\"%.1f\" y=\"%.1f\" text-anchor=\"middle\">", x, f->bottom + 18.0);
        pare_ink_text(f->out, name);
        fputs("</text>\n", f->out);
        free_from = x + half + PARE_CHART_LETTER;
    }
}

static void draw(const pare_chart_frame *f) {
    const pare_chart_cells *h = &f->chart->cells;
    pare_chart_range range = range_of(h);
    draw_scale(f, &range);
    for (size_t row = 0; row < h->rows; row++)
        for (size_t column = 0; column < h->columns; column++)
            draw_cell(f, &range, row, column);
    draw_names(f);
}

static size_t entries(const pare_chart *c) {
    (void)c;
    return 0;
}

static pare_chart_entry entry(const pare_chart *c, size_t index) {
    (void)c;
    (void)index;
    return (pare_chart_entry){0};
}

static void table(FILE *out, const pare_chart *c) {
    const pare_chart_cells *h = &c->cells;
    fputs("<tr>", out);
    pare_chart_head(out, c->y.label);
    for (size_t i = 0; i < h->columns; i++) {
        fputs("<th scope=\"col\">", out);
        write_name(out, h->column_names, i);
        fputs("</th>", out);
    }
    fputs("</tr>\n", out);
    for (size_t row = 0; row < h->rows; row++) {
        fputs("<tr><th scope=\"row\">", out);
        write_name(out, h->row_names, row);
        fputs("</th>", out);
        for (size_t column = 0; column < h->columns; column++)
            pare_chart_cell(out, cell_at(h, row, column));
        fputs("</tr>\n", out);
    }
}

const pare_chart_drawer pare_chart_heat = {measure, entries, entry, draw, table};
