#include "sweep_axes.h"
#include "../support/json_build.h"
#include "../support/text_stream.h"

#include "message.h"
#include "terminal.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_VALUES = 10000, MOST_POINTS = 100000 };

static const pare_syntax sweep = {"sweep", PARE_IN_OVER};

static int fail_memory(void) {
    pare_terminal_fail("there is not enough memory for this sweep");
    return PARE_EXIT_FAILED;
}

static int add_value(pare_sweep_axis *axis, const char *text, size_t length) {
    char **values = realloc(axis->values, (axis->count + 1) * sizeof *values);
    if (values) axis->values = values;
    char *copy = values ? strndup(text, length) : NULL;
    if (!copy) return fail_memory();
    axis->values[axis->count++] = copy;
    return PARE_EXIT_DONE;
}

/* A:B:STEP as three numbers, wholly. */
static bool read_range(const char *text, double range[3]) {
    for (int i = 0; i < 3; i++) {
        char *end;
        range[i] = strtod(text, &end);
        if (end == text || !isfinite(range[i]) || *end != (i < 2 ? ':' : 0)) return false;
        text = end + 1;
    }
    return true;
}

static int fail_range(const pare_sweep_axis *axis, const char *text) {
    pare_terminal_fail("pare sweep: --over %s=%s must be a range A:B:STEP whose steps lead from A to B in at most %d "
                       "values",
                       axis->option->name, pare_quote(text).text, MOST_VALUES);
    return PARE_EXIT_USAGE;
}

/* Both ends are values, as far as the steps meet the second. */
static int add_range(pare_sweep_axis *axis, const char *text, const double range[3]) {
    double steps = (range[1] - range[0]) / range[2];
    if (!(steps >= 0 && steps < (double)MOST_VALUES)) return fail_range(axis, text);
    int code = PARE_EXIT_DONE;
    for (int i = 0; i <= (int)(steps + 1e-9) && code == PARE_EXIT_DONE; i++) {
        char value[40];
        double at = range[0] + i * range[2];
        if (fabs(at) < 1e-9 * fabs(range[2])) at = 0; /* what rounding leaves of a step through zero */
        int length = snprintf(value, sizeof value, "%.10g", at);
        code = add_value(axis, value, (size_t)length);
    }
    return code;
}

/* layers=A:B:N: A:A+N, A+N:A+2N, ... up to B. */
static int add_windows(pare_sweep_axis *axis, const char *text, const double range[3]) {
    double windows = (range[1] - range[0]) / range[2];
    bool whole = range[0] == floor(range[0]) && range[1] == floor(range[1]) && range[2] == floor(range[2]);
    bool counts = range[0] >= 0 && range[1] <= INT32_MAX; /* beyond 2^53 a step of 1 leads nowhere */
    if (!whole || !counts || !(range[2] >= 1 && windows > 0 && windows < (double)MOST_VALUES))
        return fail_range(axis, text);
    int code = PARE_EXIT_DONE;
    for (double begin = range[0]; begin < range[1] && code == PARE_EXIT_DONE; begin += range[2]) {
        char value[80];
        int length = snprintf(value, sizeof value, "%.0f:%.0f", begin, fmin(begin + range[2], range[1]));
        code = add_value(axis, value, (size_t)length);
    }
    return code;
}

static int add_list(pare_sweep_axis *axis, const char *text) {
    const char *separator = strchr(text, ';') ? ";" : ",";
    int code = PARE_EXIT_DONE;
    while (code == PARE_EXIT_DONE) {
        size_t length = strcspn(text, separator);
        code = add_value(axis, text, length);
        if (!text[length]) break;
        text += length + 1;
    }
    return code;
}

static int read_values(pare_sweep_axis *axis, const char *text) {
    double range[3];
    bool windows = axis->option->kind == PARE_VALUE_SPAN || axis->option->kind == PARE_VALUE_LAYERS;
    if (!strpbrk(text, ",;") && read_range(text, range))
        return windows ? add_windows(axis, text, range) : add_range(axis, text, range);
    return add_list(axis, text);
}

/* The parser itself says what is wrong with a value. */
static int check_values(const pare_arguments *arguments, const pare_sweep_axis *axis) {
    int code = PARE_EXIT_DONE;
    for (size_t i = 0; i < axis->count && code == PARE_EXIT_DONE; i++) {
        pare_arguments trial;
        code = pare_arguments_copy(arguments, 1, &trial);
        if (code == PARE_EXIT_DONE) code = pare_arguments_set(&sweep, axis->option, axis->values[i], &trial);
        pare_arguments_free(&trial);
        for (size_t j = 0; j < i && code == PARE_EXIT_DONE; j++) {
            if (strcmp(axis->values[i], axis->values[j]) != 0) continue;
            pare_terminal_fail("pare sweep: --over %s has the value %s twice", axis->option->name,
                               pare_quote(axis->values[i]).text);
            code = PARE_EXIT_USAGE;
        }
    }
    return code;
}

static int check_name(const pare_arguments *arguments, const pare_sweep_axes *axes, const pare_option *option) {
    for (size_t i = 0; i < arguments->given.count; i++) {
        if (arguments->given.list[i].option != option) continue;
        pare_terminal_fail("pare sweep: --%s is given, and --over goes over it: leave one of them out", option->name);
        return PARE_EXIT_USAGE;
    }
    for (size_t i = 0; i < axes->count; i++) {
        if (axes->list[i].option != option) continue;
        pare_terminal_fail("pare sweep: --over goes over %s twice; give all its values at once", option->name);
        return PARE_EXIT_USAGE;
    }
    return PARE_EXIT_DONE;
}

static int parse_axis(const pare_arguments *arguments, const char *text, pare_sweep_axes *axes) {
    const char *equals = strchr(text, '=');
    char name[64];
    if (!equals || equals == text || !equals[1]) {
        pare_terminal_fail("pare sweep: --over must be NAME=VALUES, such as ratio=0.1:0.5:0.1 or eta=0,5e-6, not %s",
                           pare_quote(text).text);
        return PARE_EXIT_USAGE;
    }
    snprintf(name, sizeof name, "%.*s", (int)((equals - text) % (ptrdiff_t)sizeof name), text);
    const pare_option *option = pare_option_find(&sweep, name);
    if (!option) return PARE_EXIT_USAGE;
    int code = check_name(arguments, axes, option);
    if (code != PARE_EXIT_DONE) return code;
    pare_sweep_axis *axis = &axes->list[axes->count++];
    axis->option = option;
    code = read_values(axis, equals + 1);
    if (code == PARE_EXIT_DONE) code = check_values(arguments, axis);
    if (code != PARE_EXIT_DONE) return code;
    axes->points *= axis->count;
    if (axes->points <= MOST_POINTS) return PARE_EXIT_DONE;
    pare_terminal_fail("pare sweep: these axes make more than %d points; give fewer values", MOST_POINTS);
    return PARE_EXIT_USAGE;
}

int pare_sweep_axes_parse(const pare_arguments *arguments, pare_sweep_axes *out) {
    *out = (pare_sweep_axes){.points = 1};
    out->list = calloc(arguments->over.count + 1, sizeof *out->list);
    if (!out->list) return fail_memory();
    int code = PARE_EXIT_DONE;
    for (size_t i = 0; i < arguments->over.count && code == PARE_EXIT_DONE; i++)
        code = parse_axis(arguments, arguments->over.words[i], out);
    return code;
}

void pare_sweep_axes_free(pare_sweep_axes *axes) {
    for (size_t i = 0; axes->list && i < axes->count; i++) {
        for (size_t j = 0; j < axes->list[i].count; j++)
            free(axes->list[i].values[j]);
        free(axes->list[i].values);
    }
    free(axes->list);
    *axes = (pare_sweep_axes){0};
}

const char *pare_sweep_value(const pare_sweep_axes *axes, size_t axis, size_t point) {
    for (size_t i = axes->count - 1; i > axis; i--)
        point /= axes->list[i].count;
    return axes->list[axis].values[point % axes->list[axis].count];
}

int pare_sweep_arguments(const pare_arguments *arguments, const pare_sweep_axes *axes, size_t point,
                         pare_arguments *out) {
    int code = pare_arguments_copy(arguments, axes->count, out);
    for (size_t i = 0; i < axes->count && code == PARE_EXIT_DONE; i++)
        code = pare_arguments_set(&sweep, axes->list[i].option, pare_sweep_value(axes, i, point), out);
    out->dry_run = true;
    return code;
}

char *pare_sweep_describe(const pare_sweep_axes *axes, size_t point) {
    char *text = NULL;
    size_t size = 0;
    FILE *out = pare_text_stream(&text, &size);
    for (size_t i = 0; out && i < axes->count; i++)
        fprintf(out, "%s%s=%s", i ? " " : "", axes->list[i].option->name, pare_sweep_value(axes, i, point));
    if (out) fclose(out);
    return text;
}

json_t *pare_sweep_json(const char *value) {
    char *end;
    double number = strtod(value, &end);
    if (end == value || *end || !isfinite(number)) return pare_json_string(value);
    bool whole = number == floor(number) && fabs(number) < 9e15 && !strpbrk(value, ".eE");
    return whole ? json_integer((json_int_t)number) : pare_json_real(number);
}
