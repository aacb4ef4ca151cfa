/* A picture that is drawn once and becomes a PNG (pixels, letters of a small built-in font) or an SVG (vectors, with
 * pixels embedded). Units are pixels from the top left; letters are at most 12 wide. */
#ifndef PARE_REPORT_CANVAS_H
#define PARE_REPORT_CANVAS_H

#include "support/status.h"

#include <stddef.h>
#include <stdint.h>

typedef enum pare_canvas_ink {
    PARE_CANVAS_PAPER,
    PARE_CANVAS_TEXT,
    PARE_CANVAS_FAINT,
    PARE_CANVAS_GRID,
    PARE_CANVAS_BAND, /* what was to be expected */
    PARE_CANVAS_LINE, /* what was found */
    PARE_CANVAS_INKS
} pare_canvas_ink;

typedef enum pare_canvas_anchor { PARE_CANVAS_START, PARE_CANVAS_MIDDLE, PARE_CANVAS_END } pare_canvas_anchor;

typedef enum pare_canvas_format { PARE_CANVAS_PNG, PARE_CANVAS_SVG, PARE_CANVAS_FORMATS } pare_canvas_format;

enum { PARE_CANVAS_LETTER = 12, PARE_CANVAS_CAPITAL = 14 }; /* width of a letter, height of a capital */

typedef struct pare_canvas pare_canvas;

/* The format of a file of this name, by its ending; PARE_CANVAS_FORMATS: none of them. */
pare_canvas_format pare_canvas_format_of(const char *path);

/* An empty page. title: for whoever cannot see it (SVG). Free with pare_canvas_finish. */
pare_status pare_canvas_new(pare_canvas_format format, int width, int height, const char *title, pare_canvas **out);

void pare_canvas_rectangle(pare_canvas *canvas, double x, double y, double width, double height, pare_canvas_ink ink);
/* points: x, y of each of `count`. */
void pare_canvas_line(pare_canvas *canvas, const double *points, size_t count, pare_canvas_ink ink);
/* y: of the line that letters stand on. turned: a quarter to the left, then x is that line. */
void pare_canvas_text(pare_canvas *canvas, double x, double y, pare_canvas_anchor anchor, bool turned,
                      pare_canvas_ink ink, const char *text);
/* rgb: [rows, columns, 3], drawn over `width` x `height` pixels without smoothing. Fails without memory, as
 * pare_canvas_finish will then. */
void pare_canvas_pixels(pare_canvas *canvas, int x, int y, int width, int height, const uint8_t *rgb, int64_t columns,
                        int64_t rows);

/* The file's bytes, freed with free(); bytes NULL: nothing but freed. */
pare_status pare_canvas_finish(pare_canvas *canvas, void **bytes, size_t *size);

/* A colour of `share` from 0 to 1, outside of which it is the nearest end's: dark blue to yellow, even steps of
 * lightness, which all eyes can tell apart. */
void pare_canvas_colour(double share, uint8_t rgb[3]);

#endif
