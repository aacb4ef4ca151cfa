/* Pictures as pixels. */
#include "report/canvas_kind.h"
#include "support/memory.h"

#include <math.h>
#include <png.h>
#include <stdlib.h>
#include <string.h>

static const uint8_t inks[PARE_CANVAS_INKS][3] = {
    [PARE_CANVAS_PAPER] = {255, 255, 255}, [PARE_CANVAS_TEXT] = {36, 41, 47},    [PARE_CANVAS_FAINT] = {89, 99, 110},
    [PARE_CANVAS_GRID] = {208, 215, 222},  [PARE_CANVAS_BAND] = {225, 229, 234}, [PARE_CANVAS_LINE] = {0, 92, 145},
};

typedef struct page {
    int width, height;
    uint8_t *rgb;
} page;

pare_status pare_png_encode(const uint8_t *rgb, int width, int height, void **bytes, size_t *size) {
    png_image image = {.version = PNG_IMAGE_VERSION,
                       .width = (png_uint_32)width,
                       .height = (png_uint_32)height,
                       .format = PNG_FORMAT_RGB};
    png_alloc_size_t room = PNG_IMAGE_PNG_SIZE_MAX(image);
    *bytes = malloc(room);
    if (*bytes && png_image_write_to_memory(&image, *bytes, &room, 0, rgb, 0, NULL)) {
        *size = room;
        return PARE_OK;
    }
    png_image_free(&image);
    free(*bytes);
    *bytes = NULL;
    return pare_fail(PARE_OUT_OF_MEMORY, "not enough memory for a picture of %d x %d pixels; end other programs", width,
                     height);
}

static void put(page *p, int x, int y, pare_canvas_ink ink) {
    if (x < 0 || y < 0 || x >= p->width || y >= p->height) return;
    memcpy(p->rgb + 3 * ((size_t)y * (size_t)p->width + (size_t)x), inks[ink], 3);
}

static void rectangle(void *context, double x, double y, double width, double height, pare_canvas_ink ink) {
    int left = (int)lrint(x), top = (int)lrint(y), right = (int)lrint(x + width), bottom = (int)lrint(y + height);
    for (int row = top; row < bottom; row++)
        for (int column = left; column < right; column++)
            put(context, column, row, ink);
}

static pare_status begin(int width, int height, const char *title, void **out) {
    page *p;
    (void)title;
    PARE_TRY(pare_alloc(&p, 1, sizeof *p, "the picture"));
    *p = (page){.width = width, .height = height};
    pare_status status = pare_alloc(&p->rgb, (size_t)width * (size_t)height, 3, "the picture");
    if (status != PARE_OK) {
        pare_free(p);
        return status;
    }
    rectangle(p, 0, 0, width, height, PARE_CANVAS_PAPER);
    *out = p;
    return PARE_OK;
}

static void line(void *context, const double *points, size_t count, pare_canvas_ink ink) {
    for (size_t i = 1; i < count; i++) {
        double x = points[2 * i - 2], y = points[2 * i - 1], dx = points[2 * i] - x, dy = points[2 * i + 1] - y;
        int steps = (int)ceil(fmax(fabs(dx), fabs(dy)));
        for (int step = 0; step <= steps; step++) {
            double share = steps ? (double)step / steps : 0.0;
            put(context, (int)floor(x + share * dx), (int)floor(y + share * dy), ink);
        }
    }
}

/* Every dot is two pixels wide and high; where two dots touch at their corners, the pixels between them are filled, so
 * that slants are smooth (the rule known as Scale2x). */
static bool is_inked(unsigned char letter, int x, int y) {
    int column = x / 2, row = y / 2, right = x % 2 ? 1 : -1, down = y % 2 ? 1 : -1;
    if (pare_glyph_dot(letter, column, row)) return true;
    return pare_glyph_dot(letter, column + right, row) && pare_glyph_dot(letter, column, row + down) &&
           !pare_glyph_dot(letter, column - right, row) && !pare_glyph_dot(letter, column, row - down);
}

static void draw_letter(page *p, unsigned char letter, const pare_canvas_text_run *run, int offset) {
    for (int y = 0; y < 2 * PARE_GLYPH_ROWS; y++)
        for (int x = 0; x < 2 * PARE_GLYPH_COLUMNS; x++) {
            int along = offset + x, over = PARE_CANVAS_CAPITAL - y, left = (int)lrint(run->x),
                base = (int)lrint(run->y);
            if (!is_inked(letter, x, y)) continue;
            if (run->turned)
                put(p, left - over, base - along, run->ink);
            else
                put(p, left + along, base - over, run->ink);
        }
}

/* Bytes behind the first of a character take no place. */
static void text(void *context, const pare_canvas_text_run *run) {
    int letters = 0, at = 0;
    for (const char *c = run->text; *c; c++)
        letters += ((unsigned char)*c & 0xc0) != 0x80;
    int width = letters * PARE_CANVAS_LETTER - 2;
    int begins = run->anchor == PARE_CANVAS_START ? 0 : run->anchor == PARE_CANVAS_END ? -width : -width / 2;
    for (const char *c = run->text; *c; c++)
        if (((unsigned char)*c & 0xc0) != 0x80)
            draw_letter(context, (unsigned char)*c, run, begins + PARE_CANVAS_LETTER * at++);
}

static void pixels(void *context, int x, int y, int width, int height, const uint8_t *rgb) {
    page *p = context;
    for (int row = 0; row < height; row++)
        memcpy(p->rgb + 3 * ((size_t)(y + row) * (size_t)p->width + (size_t)x), rgb + 3 * (size_t)row * (size_t)width,
               3 * (size_t)width);
}

static pare_status end(void *context, void **bytes, size_t *size) {
    page *p = context;
    pare_status status = pare_png_encode(p->rgb, p->width, p->height, bytes, size);
    pare_free(p->rgb);
    pare_free(p);
    return status;
}

const pare_canvas_kind pare_canvas_png = {".png", begin, rectangle, line, text, pixels, end};
