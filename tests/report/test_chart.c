/* Charts that are no XML, that draw what is no number, that leave their frame, or differ from run to run; text that
 * becomes markup; a kind without its numbers. */
#include "report/chart.h"
#include "report/chart_ink.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "report/markup.h"

#include <locale.h>
#include <math.h>

enum { POINTS = 6, LAYERS = 80 };

static const double steps[POINTS] = {1, 2, 3, 4, 5, 6}, rising[POINTS] = {1, 10, 100, 1000, 1e4, 1e5},
                    odd[POINTS] = {NAN, INFINITY, -INFINITY, -5, 0, 3}, bars[POINTS] = {.5, .5, NAN, 2, 5, 1};
static const char *const groups[POINTS] = {"a", "b<", "c&", "\"d\"", "\xff", "g"};
static const char hostile[] = "<script>alert(1)</script> & \"q\" 'p' \x01 \xc3\x28 \xed\xa0\x80 caf\xc3\xa9";

static pare_chart chart_of(pare_chart_kind kind, const pare_chart_series *series, size_t count) {
    static const double values[6] = {0, 1, NAN, 3, 4, INFINITY};
    return (pare_chart){.kind = kind,
                        .name = "one",
                        .title = hostile,
                        .caption = hostile,
                        .x = {.label = hostile},
                        .y = {.label = hostile},
                        .series = series,
                        .series_count = count,
                        .groups = groups,
                        .group_count = POINTS,
                        .cells = {2, 3, values, NULL, NULL, hostile}};
}

/* The picture, its table, and both again, the same. */
static char *draw(const pare_chart *chart) {
    char *svg = pare_chart_svg(chart), *again = pare_chart_svg(chart);
    assert_non_null(svg);
    assert_string_equal(svg, again);
    free(again);
    assert_true(markup_check(svg) > 3);
    pare_ink_sheet sheet;
    assert_true(pare_ink_begin(&sheet));
    pare_chart_write_patterns(sheet.out);
    pare_chart_write(sheet.out, chart);
    pare_chart_write_table(sheet.out, chart);
    char *page = pare_ink_end(&sheet);
    assert_true(markup_check(page) > 5);
    assert_null(strstr(page, "<script"));
    assert_null(strstr(svg, "<script"));
    assert_null(strstr(svg, "nan"));
    assert_null(strstr(page, ">nan"));
    assert_null(strstr(svg, "\"inf"));
    free(page);
    return svg;
}

static void every_kind_is_markup(void **state) {
    (void)state;
    pare_chart_series series[] = {
        {.name = hostile, .count = POINTS, .x = steps, .y = rising, .error = bars},
        {.name = "second", .count = POINTS, .x = steps, .y = odd, .look = PARE_LOOK_FAINT},
        {.name = "third", .count = POINTS, .x = steps, .y = bars, .look = PARE_LOOK_DOTS},
        {.name = "fourth", .count = 1, .x = steps, .y = bars, .look = PARE_LOOK_RING},
    };
    pare_chart_rule rules[] = {{3, hostile}, {NAN, "x"}, {-1, NULL}};
    pare_chart_strip strips[] = {{hostile, POINTS, odd, steps, bars, 2}, {"empty", 0, NULL, NULL, NULL, NAN}};
    for (int kind = 0; kind < PARE_CHART_KINDS; kind++)
        for (int variant = 0; variant < 16; variant++) {
            pare_chart chart = chart_of((pare_chart_kind)kind, series, 4);
            chart.x.logarithmic = variant & 1;
            chart.y.logarithmic = variant & 2;
            chart.lying = variant & 4;
            chart.stacked = chart.diagonal = variant & 8;
            chart.levels = rules;
            chart.level_count = 3;
            chart.strips = strips;
            chart.strip_count = 2;
            free(draw(&chart));
        }
}

static void nothing_is_drawn_of_nothing(void **state) {
    (void)state;
    pare_chart_series none = {
        .name = "none", .count = POINTS, .x = steps, .y = (double[POINTS]){NAN, NAN, NAN, NAN, NAN, NAN}};
    for (int kind = 0; kind < PARE_CHART_KINDS; kind++) {
        pare_chart chart = chart_of((pare_chart_kind)kind, &none, 1);
        chart.cells = (pare_chart_cells){1, 1, (double[]){NAN}, NULL, NULL, NULL};
        char *svg = draw(&chart);
        assert_non_null(strstr(svg, "Nothing was measured."));
        free(svg);
        chart = (pare_chart){.kind = (pare_chart_kind)kind};
        svg = draw(&chart);
        assert_non_null(strstr(svg, "Nothing was measured."));
        free(svg);
    }
}

static void what_is_left_out_is_said(void **state) {
    (void)state;
    pare_chart_series series = {.name = "s", .count = POINTS, .x = steps, .y = odd};
    pare_chart chart = chart_of(PARE_CHART_LINES, &series, 1);
    char *svg = draw(&chart);
    assert_non_null(strstr(svg, ">3 values cannot be drawn (not a number, infinite)<"));
    free(svg);
    chart.y.logarithmic = true;
    svg = draw(&chart);
    assert_non_null(strstr(svg, ">5 values cannot be drawn (not a number, infinite, or not above zero)<"));
    free(svg);
}

/* Numbers on hover, and in the table. */
static void numbers_are_there(void **state) {
    (void)state;
    pare_chart_series series = {.name = "loss", .count = POINTS, .x = steps, .y = rising, .error = steps};
    pare_chart chart = chart_of(PARE_CHART_LINES, &series, 1);
    char *svg = draw(&chart);
    assert_non_null(strstr(svg, "<title>loss, at 3: 100 ± 3</title>"));
    free(svg);
    pare_ink_sheet sheet;
    assert_true(pare_ink_begin(&sheet));
    pare_chart_write_table(sheet.out, &chart);
    char *table = pare_ink_end(&sheet);
    assert_int_equal(markup_count(table, "<tr>"), 1 + POINTS);
    assert_non_null(strstr(table, "<th scope=\"row\">loss</th><td>3</td><td>100</td><td>3</td>"));
    free(table);
    pare_chart_strip strip = {"layer 0", POINTS, steps, rising, bars, 3.5};
    chart = (pare_chart){.kind = PARE_CHART_STRIPS, .strips = &strip, .strip_count = 1};
    svg = draw(&chart);
    assert_non_null(strstr(svg, "<title>layer 0: cut at 3.5</title>"));
    assert_non_null(strstr(svg, "<title>layer 0: 10000 kept at 5</title>"));
    assert_non_null(strstr(svg, "<title>layer 0: 5 removed at 5</title>"));
    free(svg);
}

/* A hundred thousand points, and eighty layers, are drawn small. */
static void much_stays_small(void **state) {
    (void)state;
    enum { MANY = 100000 };
    double *x = calloc(MANY, sizeof *x), *y = calloc(MANY, sizeof *y);
    static pare_chart_strip strips[LAYERS];
    assert_true(x && y);
    for (int i = 0; i < MANY; i++) {
        x[i] = i + 1;
        y[i] = (i * 7919) % MANY + 1;
    }
    pare_chart_series series = {.name = "s", .count = MANY, .x = x, .y = y};
    for (int kind = 0; kind <= PARE_CHART_SCATTER; kind += PARE_CHART_SCATTER) {
        pare_chart chart = {.kind = (pare_chart_kind)kind, .series = &series, .series_count = 1};
        char *svg = draw(&chart);
        assert_true(strlen(svg) < 1500000);
        free(svg);
    }
    for (int i = 0; i < LAYERS; i++)
        strips[i] = (pare_chart_strip){"layer", 1000, x, x, y, NAN};
    pare_chart chart = {.kind = PARE_CHART_STRIPS, .strips = strips, .strip_count = LAYERS};
    char *svg = draw(&chart);
    assert_int_equal(markup_count(svg, ">layer<"), LAYERS);
    free(svg);
    free(x);
    free(y);
}

static void panels_are_one_file(void **state) {
    (void)state;
    pare_chart_series series = {.name = "s", .count = POINTS, .x = steps, .y = rising};
    pare_chart charts[3];
    for (int i = 0; i < 3; i++)
        charts[i] = chart_of(i == 1 ? PARE_CHART_SCATTER : PARE_CHART_LINES, &series, 1);
    char *svg = pare_chart_panels_svg("All", charts, 3, 2);
    assert_true(markup_check(svg) > 20);
    assert_int_equal(markup_count(svg, "<svg "), 4);
    assert_int_equal(markup_count(svg, "<style>"), 1);
    free(svg);
    svg = pare_chart_panels_svg(hostile, NULL, 0, 0);
    assert_true(markup_check(svg) > 2);
    free(svg);
}

static void expect_number(void (*write)(char *, double), double value, const char *text) {
    char number[PARE_INK_NUMBER];
    write(number, value);
    assert_string_equal(number, text);
}

static void numbers_are_short(void **state) {
    (void)state;
    expect_number(pare_ink_number, 1234567, "1234567");
    expect_number(pare_ink_number, 1.23456789, "1.2346");
    expect_number(pare_ink_number, 1e-7, "1e-7");
    expect_number(pare_ink_number, 1e300, "1e300");
    expect_number(pare_ink_number, -0.0, "0");
    expect_number(pare_ink_number, INFINITY, "not finite");
    expect_number(pare_ink_tick, 1500000, "1.5M");
    expect_number(pare_ink_tick, 20000, "20k");
    expect_number(pare_ink_tick, 2000, "2000");
    expect_number(pare_ink_tick, 1e-6, "1e-6");
    expect_number(pare_ink_tick, -0.0, "0");
    expect_number(pare_ink_short, 1234.5, "1234");
    expect_number(pare_ink_short, 0.123456, "0.123");
}

/* More series than colours still differ. */
static void many_series_differ(void **state) {
    (void)state;
    enum { SERIES = 20 };
    pare_chart_series series[SERIES];
    for (int i = 0; i < SERIES; i++)
        series[i] = (pare_chart_series){.name = "s", .count = POINTS, .x = steps, .y = rising};
    pare_chart chart = chart_of(PARE_CHART_LINES, series, SERIES);
    char *svg = draw(&chart), seen[SERIES][40];
    const char *at = svg;
    for (int i = 0; i < SERIES; i++) {
        at = strstr(at, "<polyline class=\"");
        assert_non_null(at);
        at += strlen("<polyline class=\"");
        snprintf(seen[i], sizeof seen[i], "%.*s", (int)strcspn(at, "\""), at);
        for (int j = 0; j < i; j++)
            assert_string_not_equal(seen[i], seen[j]);
    }
    free(svg);
}

/* A program may run in a locale whose numbers have commas. */
static void locales_change_nothing(void **state) {
    (void)state;
    pare_chart_series series = {.name = "s", .count = POINTS, .x = steps, .y = bars};
    pare_chart chart = chart_of(PARE_CHART_LINES, &series, 1);
    char *plain = draw(&chart);
    static const char *const locales[] = {"de_DE.UTF-8", "fr_FR.UTF-8", "de_DE", "C"};
    for (size_t i = 0; i < 4 && !setlocale(LC_ALL, locales[i]);)
        i++;
    char *other = draw(&chart);
    assert_string_equal(plain, other);
    setlocale(LC_ALL, "C");
    free(plain);
    free(other);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_kind_is_markup),     cmocka_unit_test(nothing_is_drawn_of_nothing),
        cmocka_unit_test(what_is_left_out_is_said), cmocka_unit_test(numbers_are_there),
        cmocka_unit_test(much_stays_small),         cmocka_unit_test(panels_are_one_file),
        cmocka_unit_test(numbers_are_short),        cmocka_unit_test(locales_change_nothing),
        cmocka_unit_test(many_series_differ),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
