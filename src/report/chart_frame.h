/* What kinds of charts share: where the drawing lies, its axes, and a row of the table of kinds. */
#ifndef PARE_REPORT_CHART_FRAME_H
#define PARE_REPORT_CHART_FRAME_H

#include "report/chart.h"
#include "report/chart_ink.h"
#include "report/curve_axis.h"

/* Units of the drawing: text of 13 of them is 9 pixels high on a phone and 15 on a desk. */
enum { PARE_CHART_WIDTH = 520, PARE_CHART_PLOT = 250, PARE_CHART_LETTER = 7, PARE_CHART_MARGIN = 12 };

typedef struct pare_chart_frame {
    FILE *out;
    const pare_chart *chart;
    pare_curve_axis x, y;
    bool has_x, has_y;               /* axes of numbers */
    double left, right, top, bottom; /* of the plot */
    double height;                   /* of the plot, as its kind wants it */
    size_t absent;                   /* values that are not drawn */
    bool empty;                      /* there is nothing to draw */
} pare_chart_frame;

/* A legend's sample. */
typedef enum pare_chart_sample {
    PARE_SAMPLE_LINE,
    PARE_SAMPLE_DOT,
    PARE_SAMPLE_BAR,
    PARE_SAMPLE_RULE
} pare_chart_sample;

typedef struct pare_chart_entry {
    const char *name; /* NULL: not in the legend */
    pare_chart_sample sample;
    unsigned colour;
} pare_chart_entry;

/* One of a kind: its plot's height, left edge and axes; entry `index` of its legend; its marks; its numbers. */
typedef struct pare_chart_drawer {
    void (*measure)(pare_chart_frame *frame);
    size_t (*entries)(const pare_chart *chart);
    pare_chart_entry (*entry)(const pare_chart *chart, size_t index);
    void (*draw)(const pare_chart_frame *frame);
    void (*table)(FILE *out, const pare_chart *chart);
} pare_chart_drawer;

extern const pare_chart_drawer pare_chart_lines, pare_chart_bars, pare_chart_strips, pare_chart_scatter,
    pare_chart_heat;

/* The range of values that an axis shows; those that it cannot show are counted. */
typedef struct pare_chart_range {
    double low, high;
    size_t count, absent;
} pare_chart_range;

bool pare_chart_shows(const pare_chart_axis *axis, double value);
pare_chart_range pare_chart_range_new(void);
void pare_chart_range_add(pare_chart_range *range, const pare_chart_axis *axis, double value);
void pare_chart_range_add_rules(pare_chart_range *range, const pare_chart_axis *axis, const pare_chart_rule *rules,
                                size_t count);
pare_curve_axis pare_chart_axis_over(const pare_chart_range *range, const pare_chart_axis *axis);

/* Where a value stands. */
double pare_chart_x(const pare_chart_frame *frame, double value);
double pare_chart_y(const pare_chart_frame *frame, double value);

/* Room on the left for the y axis' numbers, or for names of `most` letters. */
double pare_chart_room(const pare_curve_axis *axis);
double pare_chart_room_for(size_t letters);

/* Grid, axes and their numbers; levels with their names. */
void pare_chart_draw_axes(const pare_chart_frame *frame);
void pare_chart_draw_rules(const pare_chart_frame *frame);

/* A name at the left edge of a row. */
void pare_chart_draw_name(const pare_chart_frame *frame, const char *name, double y);

unsigned pare_chart_colour(const pare_chart_series *series, size_t index);
/* Series of lines, bars and scatter. */
size_t pare_chart_series_entries(const pare_chart *chart);

/* Parts of tables. The cell of a number; of a text; a header of a column. */
void pare_chart_cell(FILE *out, double value);
void pare_chart_cell_text(FILE *out, const char *text);
void pare_chart_head(FILE *out, const char *text);
/* Rows from which a table shows every step-th alone, and the last. */
size_t pare_chart_table_step(size_t rows);

#endif
