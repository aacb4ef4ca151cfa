/* The picture of a map of a matrix. */
#ifndef PARE_REPORT_MATRIX_MAP_PICTURE_H
#define PARE_REPORT_MATRIX_MAP_PICTURE_H

#include "report/canvas.h"
#include "report/matrix_map.h"

/* A panel for every kind of map that says something: at most 64 x 64 tiles, with the means of rows and columns beside
 * them and a band of what chance would give (two standard deviations), and for small matrices every weight. *bytes:
 * freed with free(). */
pare_status pare_matrix_map_draw(const pare_matrix_map *map, pare_canvas_format format, void **bytes, size_t *size);

#endif
