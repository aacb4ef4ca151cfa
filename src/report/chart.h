/* Charts as SVG text, made from plain structs. The same picture is a file of its own, with title and caption in it, or
 * part of a page, where these are the page's text and a table of its numbers stands below. Light and dark follow the
 * reader's setting; series differ by colour (Okabe and Ito's, which colour-blind people can tell apart) and by dash,
 * marker or hatching. Values that are not finite, and on a logarithmic axis those that are not positive, are left out,
 * and a line under the picture says how many. Text is any bytes: what is not UTF-8 becomes U+FFFD. The same struct
 * gives the same bytes. */
#ifndef PARE_REPORT_CHART_H
#define PARE_REPORT_CHART_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

typedef enum pare_chart_kind {
    PARE_CHART_LINES,   /* series over x, with error bars and levels where there are any */
    PARE_CHART_BARS,    /* a group of bars, one of every series, for each name of `groups` */
    PARE_CHART_STRIPS,  /* a row of values for each layer: what stays above its line, what goes below, and the cut */
    PARE_CHART_SCATTER, /* many points; counted in squares where they are too many to be drawn */
    PARE_CHART_HEAT,    /* a small matrix of colours */
    PARE_CHART_KINDS
} pare_chart_kind;

typedef enum pare_chart_look {
    PARE_LOOK_LINE,  /* with its marker on every point where these are few */
    PARE_LOOK_FAINT, /* thin and pale, behind the others */
    PARE_LOOK_DOTS,  /* markers alone */
    PARE_LOOK_RING   /* rings alone, around points of others */
} pare_chart_look;

typedef struct pare_chart_axis {
    const char *label; /* with its unit; NULL: none */
    bool logarithmic;  /* where positive values differ by more than a factor of three */
    bool whole;        /* values are whole numbers */
    bool from_zero;    /* starts at zero; bars do in any case */
} pare_chart_axis;

typedef struct pare_chart_series {
    const char *name; /* in the legend; NULL or "": not there */
    size_t count;
    const double *x;     /* [count], ascending for lines; bars: NULL */
    const double *y;     /* [count]; bars: one for each group */
    const double *error; /* [count], half the height of error bars; or NULL */
    pare_chart_look look;
    unsigned colour; /* from 1; 0: its place in the list */
} pare_chart_series;

/* A level (horizontal) or a mark (vertical). */
typedef struct pare_chart_rule {
    double at;
    const char *name; /* or NULL */
} pare_chart_rule;

/* Values of one layer, `kept[i]` units that stay and `removed[i]` that go at values[i]. */
typedef struct pare_chart_strip {
    const char *name;
    size_t count;
    const double *values, *kept, *removed; /* [count] */
    double cut;                            /* NaN: none to be drawn */
} pare_chart_strip;

typedef struct pare_chart_cells {
    size_t rows, columns;
    const double *values;            /* [rows][columns]; what is not finite is left empty */
    const char *const *row_names;    /* [rows], or NULL: numbers from 0 */
    const char *const *column_names; /* [columns], likewise */
    const char *label;               /* what is counted, with its unit */
    bool gaps;                       /* that some are left empty is meant, and not told of */
} pare_chart_cells;

typedef struct pare_chart {
    pare_chart_kind kind;
    const char *name; /* of its file, without ending */
    const char *title, *caption;
    pare_chart_axis x, y;
    const pare_chart_series *series; /* lines, bars, scatter */
    size_t series_count;
    const char *const *groups; /* bars */
    size_t group_count;
    const pare_chart_rule *levels; /* lines, bars, scatter */
    size_t level_count;
    const pare_chart_strip *strips;
    size_t strip_count;
    pare_chart_cells cells; /* heat */
    bool lying;             /* bars grow to the right, each group a row; x is the axis of values, then */
    bool stacked;           /* bars of a group stand on each other */
    bool diagonal;          /* scatter: the line y = x */
} pare_chart;

/* A file of its own; freed with free(). NULL without memory. */
char *pare_chart_svg(const pare_chart *chart);
/* Several charts in one file, `columns` in a row, each under its own title. */
char *pare_chart_panels_svg(const char *title, const pare_chart *charts, size_t count, size_t columns);

/* Parts of a page: what all its charts share, once (a style sheet for its head, hatchings for its body); the picture
 * alone; its numbers as a table that can be opened. Failures are `out`'s to note. */
void pare_chart_write_style(FILE *out);
void pare_chart_write_patterns(FILE *out);
void pare_chart_write(FILE *out, const pare_chart *chart);
void pare_chart_write_table(FILE *out, const pare_chart *chart);

#endif
