/* Loss curves whose columns are shifted, whose drawing leaves its frame or grows with the run, and numbers that were
 * not measured drawn all the same. */
#include "report/curve.h"
#include "report/curve_axis.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "report/markup.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static pare_curve falling(size_t count, size_t every) {
    pare_curve curve = {.list = calloc(count + 1, sizeof(pare_curve_point)), .count = count, .room = count};
    for (size_t i = 0; i < count; i++) {
        double done = (double)i / (double)count;
        curve.list[i] = (pare_curve_point){.step = i + 1,
                                           .loss = 2.0 - done + 0.01 * (double)(i % 7),
                                           .validation = (i + 1) % every == 0 ? 2.1 - done : NAN,
                                           .rate = 1e-4,
                                           .norm = 0.5,
                                           .tokens = 100 + i,
                                           .seconds = 0.25 * (double)(i + 1)};
    }
    return curve;
}

static void csv_has_a_line_for_each_point(void **state) {
    (void)state;
    pare_curve curve = falling(3, 2);
    curve.list[2].norm = INFINITY;
    char *text = pare_curve_csv(&curve);
    assert_string_equal(text, "step,loss,validation,rate,norm,tokens,seconds\n"
                              "1,2,,0.0001,0.5,100,0.25\n"
                              "2,1.67666667,1.76666667,0.0001,0.5,101,0.5\n"
                              "3,1.35333333,,0.0001,,102,0.75\n");
    free(text);
    free(curve.list);
    pare_curve empty = {0};
    text = pare_curve_csv(&empty);
    assert_string_equal(text, "step,loss,validation,rate,norm,tokens,seconds\n");
    free(text);
}

/* All points of all lines lie inside the frame; returns how many there are. */
static size_t check_points(const char *svg) {
    size_t count = 0;
    for (const char *line = strstr(svg, "points=\""); line; line = strstr(line, "points=\"")) {
        line += strlen("points=\"");
        double x, y;
        int used;
        for (; sscanf(line, "%lf,%lf %n", &x, &y, &used) == 2; line += used, count++)
            assert_true(x >= 20.0 && x <= 520.0 && y >= 30.0 && y <= 420.0);
        assert_true(*line == '"');
    }
    assert_null(strstr(svg, "nan"));
    assert_null(strstr(svg, "\"inf"));
    return count;
}

static char *draw(const pare_curve *curve, const char *title) {
    char *svg = pare_curve_svg(curve, title);
    assert_non_null(svg);
    assert_true(markup_check(svg) > 2);
    assert_true(strncmp(svg, "<svg ", 5) == 0 && strcmp(svg + strlen(svg) - 7, "</svg>\n") == 0);
    return svg;
}

static void both_losses_are_drawn(void **state) {
    (void)state;
    pare_curve curve = falling(12, 4);
    char *svg = draw(&curve, "Run");
    assert_int_equal(check_points(svg), 12 + 3);
    /* A marker on every point and in the legend; a ring around the lowest. */
    assert_int_equal(markup_count(svg, "<title>training"), 12);
    assert_int_equal(markup_count(svg, "<title>validation"), 3);
    assert_int_equal(markup_count(svg, "r=\"5.5\""), 1);
    assert_non_null(strstr(svg, ">training 1.123<"));
    assert_non_null(strstr(svg, ">validation 1.183, lowest 1.183 at step 12<"));
    assert_null(strstr(svg, "logarithmic"));
    free(svg);
    free(curve.list);
}

static void long_runs_are_thinned(void **state) {
    (void)state;
    enum { POINTS = 100000, SPIKE = 61803 };
    pare_curve curve = falling(POINTS, 10);
    curve.list[SPIKE].loss = 30.0;
    char *svg = draw(&curve, "Run");
    assert_true(check_points(svg) < 2500 && strlen(svg) < 80000);
    assert_non_null(strstr(svg, "logarithmic"));
    /* The one spike is still there: it is the highest point, at the top of the frame. */
    double highest = 420.0;
    for (const char *at = strstr(svg, "points=\"") + 8; *at != '"';) {
        double x, y;
        int used;
        assert_int_equal(sscanf(at, "%lf,%lf %n", &x, &y, &used), 2);
        highest = fmin(highest, y);
        at += used;
    }
    assert_true(highest < 105.0); /* of a frame that begins at 82 */
    free(svg);
    free(curve.list);
}

static void odd_curves_are_drawn_too(void **state) {
    (void)state;
    pare_curve curve = falling(1, 1);
    char *svg = draw(&curve, NULL);
    check_points(svg);
    assert_int_equal(markup_count(svg, "<title>training"), 1);
    assert_int_equal(markup_count(svg, "<title>validation"), 1);
    free(svg);
    curve.list[0].validation = NAN;
    svg = draw(&curve, "");
    assert_null(strstr(svg, "validation"));
    free(svg);
    curve.list[0].loss = NAN;
    svg = draw(&curve, "Run");
    assert_non_null(strstr(svg, "Nothing was measured"));
    free(svg);
    curve.count = 0;
    free(draw(&curve, "Run"));
    free(curve.list);
    curve = falling(50, 5);
    for (size_t i = 0; i < curve.count; i++)
        curve.list[i].loss = i == 20 ? NAN : i == 21 ? INFINITY : 3.0;
    svg = draw(&curve, "Run");
    check_points(svg);
    free(svg);
    free(curve.list);
}

static void titles_are_text(void **state) {
    (void)state;
    pare_curve curve = falling(2, 1);
    char *svg = draw(&curve, "a<b> & \"c\"\x01\xff");
    assert_non_null(strstr(svg, ">a&#60;b&#62; &#38; &#34;c&#34;\xef\xbf\xbd\xef\xbf\xbd<"));
    free(svg);
    free(curve.list);
}

static void check_axis(double low, double high, double factor, bool whole, const char *ticks) {
    pare_curve_axis axis = pare_curve_axis_of(low, high, factor, whole);
    char text[256] = "";
    for (int i = 0; i < axis.tick_count; i++)
        snprintf(text + strlen(text), sizeof text - strlen(text), "%s%.6g", i ? " " : "", axis.ticks[i]);
    assert_true(axis.low <= low && axis.high >= high && axis.low < axis.high);
    assert_string_equal(text, ticks);
}

static void ticks_are_round(void **state) {
    (void)state;
    check_axis(1, 776, 0, true, "100 200 300 400 500 600 700");
    check_axis(1, 3, 0, true, "1 2 3");
    check_axis(5, 5, 0, true, "4 5 6");
    check_axis(1.13, 1.17, 8, false, "1.13 1.135 1.14 1.145 1.15 1.155 1.16 1.165 1.17");
    check_axis(0.9, 40, 8, false, "1 2 5 10 20");
    check_axis(1e-6, 1, 8, false, "1e-06 1e-05 0.0001 0.001 0.01 0.1 1");
    check_axis(-1, 1, 8, false, "-1 -0.5 0 0.5 1");
    pare_curve_axis_of(1e17, 1e17 + 64, 8, false);
    pare_curve_axis_of(-1e308, 1e308, 8, false);
    pare_curve_axis_of(1e-300, 1e300, 8, false);
    pare_curve_axis_of(5e-324, 1.7e308, 8, false);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(csv_has_a_line_for_each_point),
        cmocka_unit_test(both_losses_are_drawn),
        cmocka_unit_test(long_runs_are_thinned),
        cmocka_unit_test(odd_curves_are_drawn_too),
        cmocka_unit_test(titles_are_text),
        cmocka_unit_test(ticks_are_round),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
