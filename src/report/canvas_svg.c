/* Pictures as vectors, in the colours of charts; pixels lie in them as an embedded PNG. */
#include "report/canvas_kind.h"
#include "report/chart_ink.h"
#include "support/memory.h"

#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>

enum { LETTERS = 18 }; /* font size: no wider than the letters of a PNG */

static const struct {
    const char *fill, *stroke;
} inks[PARE_CANVAS_INKS] = {
    [PARE_CANVAS_PAPER] = {"class=\"p\"", "class=\"g\""},
    [PARE_CANVAS_TEXT] = {"class=\"f6\"", "class=\"n s6\""},
    [PARE_CANVAS_FAINT] = {"class=\"f7\"", "class=\"a\""},
    [PARE_CANVAS_GRID] = {"class=\"f7\" fill-opacity=\"0.4\"", "class=\"g\""},
    [PARE_CANVAS_BAND] = {"class=\"f7\" fill-opacity=\"0.25\"", "class=\"g\""},
    [PARE_CANVAS_LINE] = {"class=\"f0\"", "class=\"n s0\""},
};

typedef struct page {
    pare_ink_sheet sheet;
    pare_status status;
} page;

static pare_status fail_memory(void) {
    return pare_fail(PARE_OUT_OF_MEMORY, "not enough memory for the picture; end other programs");
}

static pare_status begin(int width, int height, const char *title, void **out) {
    page *p;
    PARE_TRY(pare_alloc(&p, 1, sizeof *p, "the picture"));
    if (!pare_ink_begin(&p->sheet)) {
        pare_free(p);
        return fail_memory();
    }
    FILE *file = p->sheet.out;
    fprintf(file,
            "<svg xmlns=\"http://www.w3.org/2000/svg\" class=\"pare-chart\" role=\"img\" viewBox=\"0 0 %d %d\" "
            "width=\"%d\" height=\"%d\">\n<title>",
            width, height, width, height);
    pare_ink_text(file, title);
    fputs("</title>\n<style>", file);
    pare_ink_style(file);
    fprintf(file, "</style>\n<rect class=\"p\" width=\"%d\" height=\"%d\"/>\n", width, height);
    *out = p;
    return PARE_OK;
}

static void rectangle(void *context, double x, double y, double width, double height, pare_canvas_ink ink) {
    page *p = context;
    fprintf(p->sheet.out, "<rect %s x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\"/>\n", inks[ink].fill, x, y,
            width, height);
}

static void line(void *context, const double *points, size_t count, pare_canvas_ink ink) {
    page *p = context;
    fprintf(p->sheet.out, "<path %s d=\"", inks[ink].stroke);
    for (size_t i = 0; i < count; i++)
        fprintf(p->sheet.out, "%s%.1f %.1f", i ? " " : "M", points[2 * i], points[2 * i + 1]);
    fputs("\"/>\n", p->sheet.out);
}

static void text(void *context, const pare_canvas_text_run *run) {
    static const char *const anchors[] = {
        [PARE_CANVAS_START] = "start", [PARE_CANVAS_MIDDLE] = "middle", [PARE_CANVAS_END] = "end"};
    page *p = context;
    fprintf(p->sheet.out, "<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"%s\" style=\"font-size:%dpx\"%s", run->x, run->y,
            anchors[run->anchor], LETTERS, run->ink == PARE_CANVAS_FAINT ? " class=\"q\"" : "");
    if (run->turned) fprintf(p->sheet.out, " transform=\"rotate(-90 %.1f %.1f)\"", run->x, run->y);
    fputs(">", p->sheet.out);
    pare_ink_text(p->sheet.out, run->text);
    fputs("</text>\n", p->sheet.out);
}

/* Base 64, in pieces whose bytes are threes. */
static void write_encoded(FILE *file, const unsigned char *bytes, size_t size) {
    enum { PIECE = 3 * 1024 };
    unsigned char encoded[PIECE / 3 * 4 + 1];
    for (size_t at = 0; at < size; at += PIECE) {
        int count = EVP_EncodeBlock(encoded, bytes + at, (int)(size - at < PIECE ? size - at : PIECE));
        fwrite(encoded, 1, (size_t)count, file);
    }
}

static void pixels(void *context, int x, int y, int width, int height, const uint8_t *rgb) {
    page *p = context;
    void *png;
    size_t size;
    pare_status status = pare_png_encode(rgb, width, height, &png, &size);
    if (status != PARE_OK) {
        p->status = status;
        return;
    }
    fprintf(p->sheet.out,
            "<image x=\"%d\" y=\"%d\" width=\"%d\" height=\"%d\" style=\"image-rendering:pixelated\" "
            "href=\"data:image/png;base64,",
            x, y, width, height);
    write_encoded(p->sheet.out, png, size);
    fputs("\"/>\n", p->sheet.out);
    free(png);
}

static pare_status end(void *context, void **bytes, size_t *size) {
    page *p = context;
    pare_status status = p->status;
    fputs("</svg>\n", p->sheet.out);
    char *made = pare_ink_end(&p->sheet);
    *size = p->sheet.bytes;
    *bytes = made;
    pare_free(p);
    return !made ? fail_memory() : status;
}

const pare_canvas_kind pare_canvas_svg = {".svg", begin, rectangle, line, text, pixels, end};
