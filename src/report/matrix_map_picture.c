#include "report/matrix_map_picture.h"
#include "report/matrix_map_panel.h"
#include "support/file.h"
#include "support/path.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PANELS = 2 * PARE_MAP_KINDS, MARGIN = 20, HEADING = 62, FOOTING = 40 };

typedef struct sheet {
    pare_map_panel panels[PANELS];
    int count, columns, width, height;
    bool tiled; /* some panel has bands */
} sheet;

/* What is all zeros or all ones says nothing. */
static bool says_something(const pare_matrix_map *map, pare_matrix_map_kind kind) {
    const pare_density_map *of = &map->of[kind];
    if (!map->has[kind]) return false;
    if (kind == PARE_MAP_KEPT) return of->zeros > 0;
    return kind != PARE_MAP_CHANGE || of->largest > 0.0;
}

static sheet lay_out(const pare_matrix_map *map) {
    static const pare_matrix_map_kind order[] = {PARE_MAP_DENSE, PARE_MAP_KEPT, PARE_MAP_MAGNITUDE, PARE_MAP_CHANGE};
    sheet s = {0};
    for (size_t i = 0; i < sizeof order / sizeof *order; i++) {
        const pare_density_map *of = &map->of[order[i]];
        if (!says_something(map, order[i])) continue;
        s.panels[s.count++] = (pare_map_panel){.map = of, .kind = order[i]};
        bool tiled = of->rows > of->bin_rows || of->columns > of->bin_columns;
        if (of->every && tiled) s.panels[s.count++] = (pare_map_panel){.map = of, .kind = order[i], .every = true};
    }
    s.columns = s.count > 1 ? 2 : 1;
    s.width = 2 * MARGIN + s.columns * PARE_MAP_PANEL_WIDTH;
    s.height = HEADING + (s.count + s.columns - 1) / s.columns * PARE_MAP_PANEL_HEIGHT + FOOTING;
    for (int i = 0; i < s.count; i++) {
        s.panels[i].x = MARGIN + i % s.columns * PARE_MAP_PANEL_WIDTH;
        s.panels[i].y = HEADING + i / s.columns * PARE_MAP_PANEL_HEIGHT;
    }
    return s;
}

/* As many letters as fit. */
static void write_line(pare_canvas *canvas, int width, double y, pare_canvas_ink ink, const char *text) {
    char line[512];
    int most = (width - 2 * MARGIN) / PARE_CANVAS_LETTER;
    bool whole = (int)strlen(text) <= most;
    snprintf(line, sizeof line, "%.*s%s", whole ? most : most - 3, text, whole ? "" : "...");
    pare_canvas_text(canvas, MARGIN, y, PARE_CANVAS_START, false, ink, line);
}

static void write_heading(pare_canvas *canvas, const pare_matrix_map *map, const sheet *s) {
    char line[1024];
    snprintf(line, sizeof line, "%s [%lld, %lld]", map->matrix.tensor->name, (long long)map->matrix.rows,
             (long long)map->matrix.columns);
    write_line(canvas, s->width, MARGIN + 12, PARE_CANVAS_TEXT, line);
    snprintf(line, sizeof line, "of %s%s%s%s", pare_path_name(map->model), map->against ? ", pruned from " : "",
             map->against ? pare_path_name(map->against) : "",
             map->of[PARE_MAP_KEPT].zeros ? "" : "; no weight is zero");
    write_line(canvas, s->width, MARGIN + 34, PARE_CANVAS_FAINT, line);
    write_line(canvas, s->width, s->height - 16, PARE_CANVAS_FAINT,
               s->width > 1000
                   ? "Bands: two standard deviations of lines' means by chance alone (of what is kept: binomial)."
                   : "Bands: 2 standard deviations by chance alone.");
}

pare_status pare_matrix_map_draw(const pare_matrix_map *map, pare_canvas_format format, void **bytes, size_t *size) {
    sheet s = lay_out(map);
    pare_canvas *canvas;
    char *title = pare_format("Map of %s of %s", map->matrix.tensor->name, pare_path_name(map->model));
    pare_status status = title ? pare_canvas_new(format, s.width, s.height, title, &canvas) : pare_whole();
    free(title);
    if (status != PARE_OK) return status;
    write_heading(canvas, map, &s);
    for (int i = 0; i < s.count && status == PARE_OK; i++)
        status = pare_map_panel_draw(canvas, &s.panels[i]);
    if (status == PARE_OK) return pare_canvas_finish(canvas, bytes, size);
    pare_canvas_finish(canvas, NULL, NULL);
    return status;
}
