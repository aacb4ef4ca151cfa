/* An axis of a drawing: its range, where its numbers stand, and round values to mark. */
#ifndef PARE_REPORT_CURVE_AXIS_H
#define PARE_REPORT_CURVE_AXIS_H

#include <stdbool.h>

enum { PARE_AXIS_TICKS = 24 };

typedef struct pare_curve_axis {
    double low, high; /* of the values shown; low < high */
    double from, to;  /* where they lie in the drawing */
    bool logarithmic;
    double ticks[PARE_AXIS_TICKS];
    int tick_count, decimals; /* decimals: that linear ticks need */
} pare_curve_axis;

/* Around finite values from low to high (which may be equal). Logarithmic where they are positive and more than a
 * factor of `factor` apart (0: never). whole: values are whole numbers. Some 4 to 10 ticks. */
pare_curve_axis pare_curve_axis_of(double low, double high, double factor, bool whole);

double pare_curve_axis_place(const pare_curve_axis *axis, double value);

#endif
