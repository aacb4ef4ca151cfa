#include "report/matrix_map_panel.h"
#include "report/chart_ink.h"
#include "report/curve_axis.h"
#include "support/memory.h"
#include "support/order.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    BOX = PARE_DENSITY_EVERY, /* pixels of the map, either way */
    LEFT = 96,
    TOP = 120,
    STRIP = 72, /* means of lines beside the map */
    GAP = 8,
    BAR = 16 /* of colours */
};

/* Values at the ends of the colours; `beyond`: some lie above. */
typedef struct scale {
    double low, high;
    bool beyond;
} scale;

/* A panel while it is drawn. */
typedef struct drawing {
    pare_canvas *canvas;
    const pare_map_panel *panel;
    const pare_density_map *map;
    int left, top, width, height; /* of the map's box */
    scale colours;
} drawing;

/* What all but the largest half per cent stay below, so that a few large weights do not make the others dark. */
static pare_status scale_of_every(const pare_density_map *map, scale *out) {
    size_t count = (size_t)(map->rows * map->columns);
    float *sorted;
    PARE_TRY(pare_alloc(&sorted, count, sizeof *sorted, "the map"));
    memcpy(sorted, map->every, count * sizeof *sorted);
    qsort(sorted, count, sizeof *sorted, pare_ascending_float);
    double high = sorted[count - 1 - count / 200];
    *out = (scale){.low = 0.0, .high = high > 0.0 ? high : map->largest};
    out->beyond = map->largest > out->high;
    pare_free(sorted);
    return PARE_OK;
}

/* From the least tile to the largest, but no narrower than what tiles vary by chance. */
static scale scale_of_tiles(const pare_density_map *map) {
    double low = INFINITY, high = -INFINITY;
    for (int64_t i = 0; i < map->bin_rows * map->bin_columns; i++) {
        low = fmin(low, (double)map->bins[i]);
        high = fmax(high, (double)map->bins[i]);
    }
    double weights = ((double)map->rows / (double)map->bin_rows) * ((double)map->columns / (double)map->bin_columns);
    double chance = 3.0 * map->sd / sqrt(weights);
    low = fmax(0.0, fmin(low, map->mean - chance));
    high = fmax(high, map->mean + chance);
    return high > low ? (scale){low, high, false} : (scale){0.0, high > 0.0 ? high : 1.0, false};
}

/* Two colours and no others. */
static bool is_mask(const drawing *d) {
    const pare_density_map *map = d->map;
    bool tiles_are_weights = map->bin_rows == map->rows && map->bin_columns == map->columns;
    return d->panel->kind == PARE_MAP_KEPT && (d->panel->every || tiles_are_weights);
}

static pare_status set_scale(drawing *d) {
    if (d->panel->kind == PARE_MAP_KEPT) {
        scale tiles = scale_of_tiles(d->map);
        d->colours = is_mask(d) ? (scale){0.0, 1.0, false} : (scale){tiles.low, fmin(tiles.high, 1.0), false};
        return PARE_OK;
    }
    if (d->panel->every) return scale_of_every(d->map, &d->colours);
    d->colours = scale_of_tiles(d->map);
    return PARE_OK;
}

static double share_of(const scale *s, double value) {
    return s->high > s->low ? (value - s->low) / (s->high - s->low) : 0.0;
}

static pare_status draw_map(const drawing *d) {
    bool every = d->panel->every;
    int64_t rows = every ? d->map->rows : d->map->bin_rows, columns = every ? d->map->columns : d->map->bin_columns;
    const float *values = every ? d->map->every : d->map->bins;
    uint8_t *rgb;
    PARE_TRY(pare_alloc(&rgb, (size_t)(rows * columns), 3, "the map"));
    for (int64_t i = 0; i < rows * columns; i++)
        pare_canvas_colour(share_of(&d->colours, (double)values[i]), rgb + 3 * i);
    pare_canvas_pixels(d->canvas, d->left, d->top, d->width, d->height, rgb, columns, rows);
    pare_free(rgb);
    return PARE_OK;
}

static void number(const drawing *d, double x, double y, pare_canvas_anchor anchor, double value) {
    char text[PARE_INK_NUMBER], shown[16];
    snprintf(shown, sizeof shown, "%.3g", value);
    pare_ink_tick(text, strtod(shown, NULL));
    pare_canvas_text(d->canvas, x, y, anchor, false, PARE_CANVAS_FAINT, text);
}

/* Ticks of the lines of the matrix: some six of them. */
static void draw_lines_axis(const drawing *d, int64_t lines, bool rows) {
    pare_curve_axis axis = pare_curve_axis_of(0.0, (double)lines, 0.0, true);
    int every = (axis.tick_count + 5) / 6;
    for (int i = 0; i < axis.tick_count; i += every) {
        double share = axis.ticks[i] / (double)lines,
               at = rows ? d->top + share * d->height : d->left + share * d->width;
        if (rows) {
            pare_canvas_rectangle(d->canvas, d->left - 6, at, 6, 1, PARE_CANVAS_FAINT);
            number(d, d->left - 12, at + 7, PARE_CANVAS_END, axis.ticks[i]);
        } else {
            pare_canvas_rectangle(d->canvas, at, d->top + d->height, 1, 6, PARE_CANVAS_FAINT);
            number(d, at, d->top + d->height + 26, PARE_CANVAS_MIDDLE, axis.ticks[i]);
        }
    }
}

static void draw_axes(const drawing *d) {
    draw_lines_axis(d, d->map->rows, true);
    draw_lines_axis(d, d->map->columns, false);
    pare_canvas_text(d->canvas, d->left + d->width / 2.0, d->top + d->height + 52, PARE_CANVAS_MIDDLE, false,
                     PARE_CANVAS_TEXT, "column (input)");
    pare_canvas_text(d->canvas, d->panel->x + 16, d->top + d->height / 2.0, PARE_CANVAS_MIDDLE, true, PARE_CANVAS_TEXT,
                     "row (output)");
}

/* Beside the strip of tiles, or beside every weight; no shorter than its numbers need. */
static void draw_colours(const drawing *d) {
    enum { SHORTEST = 168 };
    uint8_t rgb[BOX * 3];
    int left = d->left + (d->panel->every ? d->width + 2 * GAP : BOX + GAP + STRIP + 3 * GAP);
    int height = d->height > SHORTEST ? d->height : SHORTEST;
    for (int i = 0; i < BOX; i++)
        pare_canvas_colour(1.0 - (i + 0.5) / BOX, rgb + (size_t)i * 3);
    pare_canvas_pixels(d->canvas, left, d->top, BAR, height, rgb, 1, BOX);
    pare_curve_axis axis = pare_curve_axis_of(d->colours.low, d->colours.high, 0.0, false);
    int every = (axis.tick_count + 6) / 7;
    for (int i = 0; i < axis.tick_count; i += every) {
        double share = share_of(&d->colours, axis.ticks[i]), at = d->top + (1.0 - share) * height;
        if (share < -1e-9 || share > 1.0 + 1e-9) continue;
        pare_canvas_rectangle(d->canvas, left + BAR, at - 0.5, 6, 1, PARE_CANVAS_FAINT);
        number(d, left + BAR + 10, at + 7, PARE_CANVAS_START, axis.ticks[i]);
    }
    if (d->colours.beyond)
        pare_canvas_text(d->canvas, left, d->top - 10, PARE_CANVAS_START, false, PARE_CANVAS_FAINT, "and above");
}

/* Where a strip draws what: `along` the map's edge, `up` away from it. */
typedef struct strip {
    bool rows;
    double left, top; /* of the strip */
    double low, high; /* its values */
} strip;

static void place(const strip *s, double along, double value, double point[2]) {
    double up = s->high > s->low ? (value - s->low) / (s->high - s->low) : 0.5;
    point[0] = s->rows ? s->left + up * STRIP : s->left + along;
    point[1] = s->rows ? s->top + along : s->top + (1.0 - up) * STRIP;
}

static void draw_band(const drawing *d, const strip *s, const pare_density_lines *lines) {
    double mean = d->map->mean, low[2], high[2], middle[2], end[2];
    place(s, 0.0, fmax(mean - 2.0 * lines->expected_sd, s->low), low);
    place(s, 0.0, fmin(mean + 2.0 * lines->expected_sd, s->high), high);
    place(s, 0.0, mean, middle);
    place(s, BOX, mean, end);
    if (s->rows)
        pare_canvas_rectangle(d->canvas, low[0], s->top, high[0] - low[0], BOX, PARE_CANVAS_BAND);
    else
        pare_canvas_rectangle(d->canvas, s->left, high[1], BOX, low[1] - high[1], PARE_CANVAS_BAND);
    pare_canvas_line(d->canvas, (const double[]){middle[0], middle[1], end[0], end[1]}, 2, PARE_CANVAS_FAINT);
}

/* The least and the largest mean of the lines at each pixel. */
static void draw_means(const drawing *d, const strip *s, const pare_density_lines *lines) {
    double points[4 * BOX];
    for (int64_t i = 0; i < BOX; i++) {
        int64_t first = i * lines->count / BOX, last = ((i + 1) * lines->count - 1) / BOX;
        double low = lines->mean[first], high = low;
        for (int64_t line = first; line <= last; line++) {
            low = fmin(low, lines->mean[line]);
            high = fmax(high, lines->mean[line]);
        }
        place(s, (double)i + 0.5, i % 2 ? high : low, points + 4 * i);
        place(s, (double)i + 0.5, i % 2 ? low : high, points + 4 * i + 2);
    }
    pare_canvas_line(d->canvas, points, 2 * BOX, PARE_CANVAS_LINE);
}

static void draw_strip(const drawing *d, const pare_density_lines *lines, bool rows) {
    double chance = 3.0 * lines->expected_sd;
    strip s = {.rows = rows,
               .left = rows ? d->left + BOX + GAP : d->left,
               .top = rows ? d->top : d->top - GAP - STRIP,
               .low = fmax(fmin(lines->mean[lines->least], d->map->mean - chance), 0.0),
               .high = fmax(lines->mean[lines->most], d->map->mean + chance)};
    if (d->panel->kind == PARE_MAP_KEPT) s.high = fmin(s.high, 1.0);
    draw_band(d, &s, lines);
    draw_means(d, &s, lines);
    if (rows) {
        number(d, s.left, s.top + BOX + 26, PARE_CANVAS_START, s.low);
        number(d, s.left + STRIP, s.top + BOX + 48, PARE_CANVAS_END, s.high);
    } else {
        number(d, s.left + BOX + GAP, s.top + 14, PARE_CANVAS_START, s.high);
        number(d, s.left + BOX + GAP, s.top + STRIP, PARE_CANVAS_START, s.low);
    }
}

static void write_chance(const drawing *d, double y, const char *what, const pare_density_lines *lines) {
    char text[160];
    if (lines->degrees == 0 || !(lines->expected_sd > 0.0))
        snprintf(text, sizeof text, "%s: nothing varies", what);
    else
        snprintf(text, sizeof text, "%s vary %.2f x chance (z = %.1f)", what, lines->sd / lines->expected_sd, lines->z);
    pare_canvas_text(d->canvas, d->left, y, PARE_CANVAS_START, false, PARE_CANVAS_TEXT, text);
}

static void write_words(const drawing *d) {
    char text[160];
    const char *title = pare_matrix_map_title(d->panel->kind);
    const pare_density_map *map = d->map;
    bool each = d->panel->every || (map->bin_rows == map->rows && map->bin_columns == map->columns);
    if (each)
        snprintf(text, sizeof text, "%s: every weight%s", title, is_mask(d) ? " (dark: zero)" : "");
    else
        snprintf(text, sizeof text, "%s: %s of %lld x %lld tiles", title,
                 d->panel->kind == PARE_MAP_KEPT ? "share" : "mean", (long long)map->bin_rows,
                 (long long)map->bin_columns);
    pare_canvas_text(d->canvas, d->left, d->panel->y + 20, PARE_CANVAS_START, false, PARE_CANVAS_TEXT, text);
    double y = d->top + d->height + 80;
    if (d->panel->every) return;
    snprintf(text, sizeof text, "%s %.4g, empty rows %lld, empty columns %lld",
             d->panel->kind == PARE_MAP_KEPT ? "share" : "mean", map->mean, (long long)map->by_row.empty,
             (long long)map->by_column.empty);
    pare_canvas_text(d->canvas, d->left, y, PARE_CANVAS_START, false, PARE_CANVAS_TEXT, text);
    write_chance(d, y + 22, "rows", &map->by_row);
    write_chance(d, y + 44, "columns", &map->by_column);
}

/* Every weight is a square of whole pixels; tiles fill the box. */
static void set_box(drawing *d) {
    const pare_density_map *map = d->map;
    int64_t longer = map->rows > map->columns ? map->rows : map->columns;
    d->left = d->panel->x + LEFT;
    d->top = d->panel->y + TOP;
    d->width = d->panel->every ? (int)(BOX / longer * map->columns) : BOX;
    d->height = d->panel->every ? (int)(BOX / longer * map->rows) : BOX;
}

pare_status pare_map_panel_draw(pare_canvas *canvas, const pare_map_panel *panel) {
    drawing d = {.canvas = canvas, .panel = panel, .map = panel->map};
    set_box(&d);
    PARE_TRY(set_scale(&d));
    PARE_TRY(draw_map(&d));
    draw_axes(&d);
    if (!is_mask(&d)) draw_colours(&d);
    write_words(&d);
    if (panel->every) return PARE_OK;
    draw_strip(&d, &panel->map->by_row, true);
    draw_strip(&d, &panel->map->by_column, false);
    return PARE_OK;
}
