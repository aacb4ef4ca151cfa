/* The axes of a sweep: options of a run and the values that they take in turn. */
#ifndef PARE_CLI_SWEEP_AXES_H
#define PARE_CLI_SWEEP_AXES_H

#include "options.h"

#include <jansson.h>

typedef struct pare_sweep_axis {
    const pare_option *option;
    char **values; /* [count], as on the command line */
    size_t count;
} pare_sweep_axis;

typedef struct pare_sweep_axes {
    pare_sweep_axis *list;
    size_t count;
    size_t points; /* product of the counts; the last axis changes fastest */
} pare_sweep_axes;

/* From every --over. Returns the exit code, after one sentence where something is wrong: an option that there is not,
 * that is given besides, or values that it does not take. Free with pare_sweep_axes_free in any case. */
int pare_sweep_axes_parse(const pare_arguments *arguments, pare_sweep_axes *out);
void pare_sweep_axes_free(pare_sweep_axes *axes);

/* The value of an axis at a point. */
const char *pare_sweep_value(const pare_sweep_axes *axes, size_t axis, size_t point);
/* The arguments of a point; free with pare_arguments_free. Returns the exit code. */
int pare_sweep_arguments(const pare_arguments *arguments, const pare_sweep_axes *axes, size_t point,
                         pare_arguments *out);
/* "ratio=0.1 eta=0", freed with free(). */
char *pare_sweep_describe(const pare_sweep_axes *axes, size_t point);
/* A value as it stands in a row: a number where it is one. A new reference. */
json_t *pare_sweep_json(const char *value);

#endif
