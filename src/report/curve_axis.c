#include "report/curve_axis.h"

#include <float.h>
#include <math.h>

/* 1, 2 or 5 times a power of ten, no smaller than `least`. */
static double round_step(double least) {
    double power = pow(10.0, floor(log10(least)));
    const double factors[] = {1.0, 2.0, 5.0};
    for (int i = 0; i < 3; i++)
        if (factors[i] * power >= least * (1.0 - 1e-9)) return factors[i] * power;
    return 10.0 * power;
}

static void add_tick(pare_curve_axis *axis, double value) {
    double slack = 1e-9 * (axis->high - axis->low);
    if (value >= axis->low - slack && value <= axis->high + slack && axis->tick_count < PARE_AXIS_TICKS)
        axis->ticks[axis->tick_count++] = value;
}

static void mark_linear(pare_curve_axis *axis, bool whole) {
    double step = round_step((axis->high - axis->low) / 10.0);
    if (whole && step < 1.0) step = 1.0;
    axis->decimals = step < 1.0 ? (int)ceil(-log10(step) - 1e-9) : 0;
    double first = ceil(axis->low / step - 1e-9);
    for (int i = 0; i < PARE_AXIS_TICKS; i++)
        add_tick(axis, (first + i) * step);
}

/* 1, 2 and 5 times every power of ten, or the powers alone where these are many. */
static void mark_logarithmic(pare_curve_axis *axis) {
    double decades = log10(axis->high) - log10(axis->low), every = ceil(decades / 8.0);
    for (double power = floor(log10(axis->low)); power <= log10(axis->high); power += every)
        for (int i = 0; i < (decades > 3.0 ? 1 : 3); i++)
            add_tick(axis, (i == 0 ? 1.0 : i == 1 ? 2.0 : 5.0) * pow(10.0, power));
}

pare_curve_axis pare_curve_axis_of(double low, double high, double factor, bool whole) {
    pare_curve_axis axis = {.logarithmic = factor > 0.0 && low > 0.0 && high > factor * low};
    double room = whole ? 0.0 : 0.05 * (high - low);
    if (axis.logarithmic) {
        double margin = 0.05 * (log10(high) - log10(low)); /* as logarithms, since ratios of doubles may overflow */
        axis.low = fmax(pow(10.0, log10(low) - margin), DBL_MIN);
        axis.high = fmin(pow(10.0, log10(high) + margin), DBL_MAX);
        mark_logarithmic(&axis);
        return axis;
    }
    if (!(high > low)) room = whole ? 1.0 : fmax(0.1 * fabs(high), 1e-6);
    axis.low = low - room;
    axis.high = high + room;
    mark_linear(&axis, whole);
    return axis;
}

double pare_curve_axis_place(const pare_curve_axis *axis, double value) {
    double share = axis->logarithmic ? (log(value) - log(axis->low)) / (log(axis->high) - log(axis->low))
                                     : (value - axis->low) / (axis->high - axis->low);
    return axis->from + share * (axis->to - axis->from);
}
