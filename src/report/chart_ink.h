/* The smallest parts of charts and pages: text, numbers, colours, markers, as XML. */
#ifndef PARE_REPORT_CHART_INK_H
#define PARE_REPORT_CHART_INK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

enum { PARE_INK_COLOURS = 8, PARE_INK_KINDS = 64, PARE_INK_NUMBER = 40 };

/* Text for elements and attributes: escaped; what is not UTF-8, or no character of XML, becomes U+FFFD. NULL: nothing.
 * The second stops after `most` characters, with an ellipsis. */
void pare_ink_text(FILE *out, const char *text);
void pare_ink_text_cut(FILE *out, const char *text, size_t most);
/* Characters of it as they are written. */
size_t pare_ink_length(const char *text);

/* A number as people read it in a table: five digits, or all of a whole number; "not finite" where it is that. */
void pare_ink_number(char text[PARE_INK_NUMBER], double value);
/* The same, short, for an axis: 1.5k, 20M, 1e-6. */
void pare_ink_tick(char text[PARE_INK_NUMBER], double value);

/* Three digits, beside a mark. */
void pare_ink_short(char text[PARE_INK_NUMBER], double value);

/* Text that is broken into lines of `most` characters, each a tspan at x, the first on the line of the text. Returns
 * their number; out NULL: counts alone. */
size_t pare_ink_lines(FILE *out, const char *text, size_t most, double x, double leading);

/* The dash and the marker that go with a colour. After all colours the same ones come again with other shapes, up to
 * PARE_INK_KINDS that differ in one or the other. */
unsigned pare_ink_shape(unsigned colour);

/* A marker in a colour, which has its shape, too; the caller writes a hover text before pare_ink_marker_end. */
void pare_ink_marker(FILE *out, unsigned colour, double x, double y, double radius);
void pare_ink_marker_end(FILE *out, unsigned colour);

/* Colours and dashes as a style sheet; hatchings as patterns, which a document has once. */
void pare_ink_style(FILE *out);
void pare_ink_patterns(FILE *out);

/* Attributes of a bar in a colour, which has its hatching. */
void pare_ink_hatch(FILE *out, unsigned colour);
/* A colour of share in [0, 1]: Cividis, from dark blue to yellow. */
void pare_ink_heat(char text[8], double share);

/* Numbers with a point, whatever the locale; the whole text, or NULL. */
typedef struct pare_ink_sheet {
    FILE *out;
    char *text;
    size_t bytes;
    void *locale, *before;
} pare_ink_sheet;
bool pare_ink_begin(pare_ink_sheet *sheet);
char *pare_ink_end(pare_ink_sheet *sheet);

#endif
