/* What a format of pictures has to do. */
#ifndef PARE_REPORT_CANVAS_KIND_H
#define PARE_REPORT_CANVAS_KIND_H

#include "report/canvas.h"

typedef struct pare_canvas_text_run {
    double x, y;
    pare_canvas_anchor anchor;
    bool turned;
    pare_canvas_ink ink;
    const char *text;
} pare_canvas_text_run;

/* page: of begin, freed by end in any case. Coordinates as in canvas.h; pixels come scaled: [height, width, 3]. */
typedef struct pare_canvas_kind {
    const char *ending;
    pare_status (*begin)(int width, int height, const char *title, void **page);
    void (*rectangle)(void *page, double x, double y, double width, double height, pare_canvas_ink ink);
    void (*line)(void *page, const double *points, size_t count, pare_canvas_ink ink);
    void (*text)(void *page, const pare_canvas_text_run *run);
    void (*pixels)(void *page, int x, int y, int width, int height, const uint8_t *rgb);
    pare_status (*end)(void *page, void **bytes, size_t *size);
} pare_canvas_kind;

extern const pare_canvas_kind pare_canvas_png, pare_canvas_svg;

/* A PNG of pixels [height, width, 3]; freed with free(). */
pare_status pare_png_encode(const uint8_t *rgb, int width, int height, void **bytes, size_t *size);

/* Rows of a printable ASCII letter (others: '?'), 5 columns and 7 rows: bit c of glyph[row] is column c. Those that
 * reach below the line have it in row 7. */
enum { PARE_GLYPH_COLUMNS = 5, PARE_GLYPH_ROWS = 8 };
bool pare_glyph_dot(unsigned char letter, int column, int row);

#endif
