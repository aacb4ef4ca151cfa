#include "report/canvas.h"
#include "report/canvas_kind.h"
#include "support/memory.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

struct pare_canvas {
    const pare_canvas_kind *kind;
    void *page;
    pare_status status; /* of what was drawn so far */
};

static const pare_canvas_kind *const kinds[PARE_CANVAS_FORMATS] = {
    [PARE_CANVAS_PNG] = &pare_canvas_png,
    [PARE_CANVAS_SVG] = &pare_canvas_svg,
};

pare_canvas_format pare_canvas_format_of(const char *path) {
    size_t length = strlen(path);
    for (int i = 0; i < PARE_CANVAS_FORMATS; i++) {
        size_t end = strlen(kinds[i]->ending);
        if (length > end && strcasecmp(path + length - end, kinds[i]->ending) == 0) return (pare_canvas_format)i;
    }
    return PARE_CANVAS_FORMATS;
}

pare_status pare_canvas_new(pare_canvas_format format, int width, int height, const char *title, pare_canvas **out) {
    PARE_TRY(pare_alloc(out, 1, sizeof **out, "the picture"));
    (*out)->kind = kinds[format];
    pare_status status = (*out)->kind->begin(width, height, title, &(*out)->page);
    if (status == PARE_OK) return PARE_OK;
    pare_free(*out);
    *out = NULL;
    return status;
}

void pare_canvas_rectangle(pare_canvas *canvas, double x, double y, double width, double height, pare_canvas_ink ink) {
    canvas->kind->rectangle(canvas->page, x, y, width, height, ink);
}

void pare_canvas_line(pare_canvas *canvas, const double *points, size_t count, pare_canvas_ink ink) {
    canvas->kind->line(canvas->page, points, count, ink);
}

void pare_canvas_text(pare_canvas *canvas, double x, double y, pare_canvas_anchor anchor, bool turned,
                      pare_canvas_ink ink, const char *text) {
    canvas->kind->text(canvas->page, &(pare_canvas_text_run){x, y, anchor, turned, ink, text});
}

void pare_canvas_pixels(pare_canvas *canvas, int x, int y, int width, int height, const uint8_t *rgb, int64_t columns,
                        int64_t rows) {
    uint8_t *scaled;
    pare_status status = pare_alloc(&scaled, (size_t)width * (size_t)height, 3, "the picture");
    if (status != PARE_OK) {
        canvas->status = status;
        return;
    }
    for (int row = 0; row < height; row++)
        for (int column = 0; column < width; column++) {
            int64_t from = row * rows / height * columns + column * columns / width;
            memcpy(scaled + 3 * ((size_t)row * (size_t)width + (size_t)column), rgb + 3 * from, 3);
        }
    canvas->kind->pixels(canvas->page, x, y, width, height, scaled);
    pare_free(scaled);
}

pare_status pare_canvas_finish(pare_canvas *canvas, void **bytes, size_t *size) {
    void *made = NULL;
    size_t length = 0;
    if (!canvas) return PARE_OK;
    pare_status status = canvas->kind->end(canvas->page, &made, &length);
    if (canvas->status != PARE_OK) status = canvas->status;
    pare_free(canvas);
    if (bytes) {
        *bytes = status == PARE_OK ? made : NULL;
        *size = length;
    }
    if (!bytes || status != PARE_OK) free(made);
    return status;
}

void pare_canvas_colour(double share, uint8_t rgb[3]) {
    /* CIE lightness from 10 to 94 and hue from 300 to 100 degrees in even steps, nearly as saturated as sRGB can show.
     */
    static const uint8_t points[][3] = {{8, 19, 82},    {12, 51, 88},   {19, 78, 106},   {26, 107, 125}, {35, 137, 140},
                                        {42, 169, 144}, {91, 200, 127}, {177, 222, 120}, {254, 240, 130}};
    enum { LAST = sizeof points / sizeof *points - 1 };
    double at = LAST * (share > 0.0 ? fmin(share, 1.0) : 0.0);
    int low = at < LAST ? (int)at : LAST - 1;
    for (int i = 0; i < 3; i++)
        rgb[i] = (uint8_t)lrint(points[low][i] + (at - low) * (points[low + 1][i] - points[low][i]));
}
