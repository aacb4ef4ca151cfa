/* Colours, dashes, hatchings and markers. Every colour is written twice, as it is and as a variable, since some
 * programs that show SVG know no variables. */
#include "report/chart_ink.h"

/* Okabe and Ito's colours, on white and on near black; the last two are ink and grey. */
static const char *const light[] = {"#0072b2", "#d55e00", "#009e73", "#cc79a7",
                                    "#e69f00", "#56b4e9", "#24292f", "#6e7781"};
static const char *const dark[] = {"#56b4e9", "#e69f00", "#1fbf92", "#cc79a7",
                                   "#f0e442", "#d55e00", "#e6edf3", "#8d96a0"};
static const char *const dashes[] = {NULL, "7 3", "2 3", "9 3 2 3", "5 2", "1 2", "12 4", "3 5"};

static void write_variables(FILE *out, const char *const *colours, const char *others) {
    fprintf(out, ".pare-chart{%s", others);
    for (int i = 0; i < PARE_INK_COLOURS; i++)
        fprintf(out, ";--c%d:%s", i, colours[i]);
    fputs("}", out);
}

#define LIGHT "--paper:#ffffff;--ink:#24292f;--faint:#59636e;--grid:#e4e8ec"
#define DARK "--paper:#0d1117;--ink:#e6edf3;--faint:#9198a1;--grid:#2a313c"

void pare_ink_style(FILE *out) {
    write_variables(out, light, LIGHT);
    fputs("\n@media (prefers-color-scheme:dark){", out);
    write_variables(out, dark, DARK);
    fputs("}\n@media print{", out);
    write_variables(out, light, LIGHT);
    fputs("}\n.pare-chart text{font-family:system-ui,-apple-system,'Segoe UI',Helvetica,Arial,sans-serif;"
          "font-size:13px;fill:#24292f;fill:var(--ink)}\n"
          ".pare-chart .q{fill:#59636e;fill:var(--faint)}\n.pare-chart .t{font-size:17px;font-weight:600}\n"
          ".pare-chart .g{stroke:#e4e8ec;stroke:var(--grid);fill:none}\n"
          ".pare-chart .a{stroke:#59636e;stroke:var(--faint);fill:none}\n"
          ".pare-chart .p{fill:#ffffff;fill:var(--paper)}\n.pare-chart .h{fill:#000;fill-opacity:0}\n"
          ".pare-chart .n{fill:none}\n"
          ".pare-chart .k{paint-order:stroke;stroke:#ffffff;stroke:var(--paper);stroke-width:4px;"
          "stroke-linejoin:round}\n",
          out);
    for (int i = 0; i < PARE_INK_COLOURS; i++) {
        fprintf(out, ".pare-chart .f%d{fill:%s;fill:var(--c%d)}.pare-chart .s%d{stroke:%s;stroke:var(--c%d)}", i,
                light[i], i, i, light[i], i);
        if (dashes[i]) fprintf(out, ".pare-chart .d%d{stroke-dasharray:%s}", i, dashes[i]);
        fputc('\n', out);
    }
}

void pare_ink_patterns(FILE *out) {
    static const int angles[] = {0, 45, -45, 90, 0, 45, -45, 90};
    fputs("<defs>\n", out);
    for (int i = 1; i < PARE_INK_COLOURS; i++)
        fprintf(out,
                "<pattern id=\"pare-hatch-%d\" width=\"%d\" height=\"6\" patternUnits=\"userSpaceOnUse\" "
                "patternTransform=\"rotate(%d)\"><rect width=\"9\" height=\"6\" class=\"f%d\" "
                "fill-opacity=\"0.35\"/><path d=\"M0 0V6\" class=\"s%d\" stroke-width=\"4\"/></pattern>\n",
                i, i < 4 ? 6 : 9, angles[i], i, i);
    fputs("</defs>\n", out);
}

void pare_ink_hatch(FILE *out, unsigned colour) {
    colour %= PARE_INK_COLOURS;
    if (colour == 0)
        fputs("class=\"f0 s0\"", out);
    else
        fprintf(out, "class=\"s%u\" fill=\"url(#pare-hatch-%u)\"", colour, colour);
}

/* Around (0, 0) with radius 1. */
static const char *const shapes[] = {
    NULL, /* a circle */
    "M-.9-.9H.9V.9H-.9z",
    "M0-1.2L1.1.8H-1.1z",
    "M0-1.3L1.1 0L0 1.3L-1.1 0z",
    "M-.4-1.1H.4V-.4H1.1V.4H.4V1.1H-.4V.4H-1.1V-.4H-.4z",
    "M0 1.2L1.1-.8H-1.1z",
    "M-1.1-.6L-.6-1.1L0-.5L.6-1.1L1.1-.6L.5 0L1.1.6L.6 1.1L0 .5L-.6 1.1L-1.1.6L-.5 0z",
    "M-1.2-.4H1.2V.4H-1.2z",
};

unsigned pare_ink_shape(unsigned colour) {
    enum { STEP = 3 }; /* from one round of colours to the next */
    return (colour + STEP * (colour / PARE_INK_COLOURS)) % PARE_INK_COLOURS;
}

void pare_ink_marker(FILE *out, unsigned colour, double x, double y, double radius) {
    const char *shape = shapes[pare_ink_shape(colour)];
    if (shape)
        fprintf(out, "<path class=\"f%u\" d=\"%s\" transform=\"translate(%.1f %.1f)scale(%.1f)\">",
                colour % PARE_INK_COLOURS, shape, x, y, radius);
    else
        fprintf(out, "<circle class=\"f%u\" cx=\"%.1f\" cy=\"%.1f\" r=\"%.1f\">", colour % PARE_INK_COLOURS, x, y,
                radius);
}

void pare_ink_marker_end(FILE *out, unsigned colour) {
    fputs(shapes[pare_ink_shape(colour)] ? "</path>\n" : "</circle>\n", out);
}
