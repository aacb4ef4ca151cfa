/* One panel of the picture of a matrix. */
#ifndef PARE_REPORT_MATRIX_MAP_PANEL_H
#define PARE_REPORT_MATRIX_MAP_PANEL_H

#include "report/canvas.h"
#include "report/matrix_map.h"

enum { PARE_MAP_PANEL_WIDTH = 760, PARE_MAP_PANEL_HEIGHT = 728 };

typedef struct pare_map_panel {
    const pare_density_map *map;
    pare_matrix_map_kind kind;
    bool every; /* each weight, instead of tiles */
    int x, y;   /* top left */
} pare_map_panel;

pare_status pare_map_panel_draw(pare_canvas *canvas, const pare_map_panel *panel);

#endif
