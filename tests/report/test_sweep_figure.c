/* Sweeps summed up: means and deviations of numbers chosen here, and pictures that hold what they should. */
#include "golden.h"
#include "report/markup.h"
#include "report/sweep.h"
#include "support/memory.h"

static pare_sweep sweep_of(const char *text) {
    pare_sweep sweep;
    if (pare_sweep_read(text, &sweep) != PARE_OK) fail_msg("%s", pare_message());
    return sweep;
}

static char *draw(const char *text) {
    pare_sweep sweep = sweep_of(text);
    char *svg = pare_sweep_svg(&sweep);
    assert_non_null(svg);
    assert_true(markup_check(svg) > 0);
    pare_sweep_free(&sweep);
    return svg;
}

#define ROW(axes, before, after) "{" axes ",\"perplexity before t\":" before ",\"perplexity after t\":" after "}"
#define DOCUMENT(over, rows) "{\"sweep\":{\"over\":[" over "]},\"rows\":[" rows "]}"

static const char by_ratio[] = DOCUMENT(
    "\"method\",\"ratio\",\"seed\"",
    ROW("\"method\":\"a\",\"ratio\":0.2,\"seed\":0", "4.0", "6") "," ROW(
        "\"method\":\"a\",\"ratio\":0.1,\"seed\":0", "5.0",
        "5.0") "," ROW("\"method\":\"b<c>\",\"ratio\":0.2,\"seed\":0", "4.0",
                       "null") "," ROW("\"method\":\"a\",\"ratio\":0.2,\"seed\":1", "5.0",
                                       "9.0") "," ROW("\"method\":\"a\",\"ratio\":0.2,\"seed\":2", "4.5", "12.0"));

static void means_over_seeds(void **state) {
    (void)state;
    pare_sweep s = sweep_of(by_ratio);
    assert_int_equal(s.axis_count, 2);
    assert_int_equal(s.text_count, 1);
    assert_string_equal(s.measure, "perplexity");
    assert_string_equal(s.texts[0], "t");
    assert_int_equal(s.count, 3);
    assert_close("before", s.before[0], 4.5, 1e-12);
    assert_int_equal(s.points[0].runs, 3);
    assert_close("mean", s.points[0].after[0].mean, 9.0, 1e-12);
    assert_close("sd", s.points[0].after[0].sd, 3.0, 1e-12);
    assert_int_equal(s.points[1].runs, 1);
    assert_close("mean of one", s.points[1].after[0].mean, 5.0, 1e-12);
    assert_true(isnan(s.points[1].after[0].sd) && isnan(s.points[2].after[0].mean));
    json_t *json = pare_report_sweep(&s), *points = json_object_get(json, "points");
    assert_int_equal(json_array_size(points), 3);
    assert_string_equal(json_string_value(json_object_get(json_array_get(points, 2), "method")), "b<c>");
    assert_true(
        json_is_null(json_object_get(json_array_get(json_object_get(json_array_get(points, 2), "values"), 0), "mean")));
    json_decref(json);
    pare_sweep_free(&s);
}

static void lines_with_their_levels(void **state) {
    (void)state;
    char *svg = draw(by_ratio);
    assert_non_null(strstr(svg, "Perplexity on t"));
    assert_non_null(strstr(svg, ">dense<"));
    assert_non_null(strstr(svg, ">ratio<"));
    assert_null(strstr(svg, "b<c>"));
    assert_non_null(strstr(svg, "cannot be drawn")); /* the value that is null */
    free(svg);
    /* Zero has no place on a logarithmic axis, and becomes a level. */
    svg = draw(DOCUMENT(
        "\"eta\"", ROW("\"eta\":0", "4", "7") "," ROW("\"eta\":1e-6", "4", "6") "," ROW("\"eta\":5e-5", "4", "5")));
    assert_non_null(strstr(svg, "eta = 0"));
    assert_non_null(strstr(svg, "eta, logarithmic"));
    free(svg);
    svg = draw(DOCUMENT("\"layers\"", ROW("\"layers\":\"0:1\"", "4", "7") "," ROW("\"layers\":\"1:2\"", "4", "6")));
    assert_non_null(strstr(svg, "layer that alone is pruned"));
    free(svg);
    svg = draw(DOCUMENT("\"method\"", ROW("\"method\":\"a\"", "4", "7") "," ROW("\"method\":\"b\"", "4", "6")));
    assert_non_null(strstr(svg, ">a<"));
    assert_non_null(strstr(svg, ">b<"));
    free(svg);
}

static void models_that_read_pictures(void **state) {
    (void)state;
    char *svg = draw("{\"sweep\":{\"over\":[\"ratio\"]},\"rows\":["
                     "{\"ratio\":0.1,\"accuracy before digits\":0.97,\"accuracy after digits\":0.95},"
                     "{\"ratio\":0.5,\"accuracy before digits\":0.97,\"accuracy after digits\":0.6}]}");
    assert_non_null(strstr(svg, "Accuracy on digits"));
    assert_non_null(strstr(svg, "share of pictures named rightly"));
    free(svg);
}

static void numbers_of_values(void **state) {
    (void)state;
    json_t *layers = json_string("4:8"), *word = json_string("q0.1"), *number = json_real(0.5);
    assert_close("layers", pare_sweep_number(layers), 5.5, 1e-12); /* of 4 to 7 */
    assert_true(isnan(pare_sweep_number(word)));
    assert_close("number", pare_sweep_number(number), 0.5, 1e-12);
    json_decref(layers);
    json_decref(word);
    json_decref(number);
}

static void expect_refusal(const char *text, pare_status status) {
    pare_sweep sweep;
    if (pare_sweep_read(text, &sweep) != status) fail_msg("'%s' is not refused", text);
    pare_sweep_free(&sweep);
}

static void what_is_no_sweep(void **state) {
    (void)state;
    static const char *const wrong[] = {"",
                                        "[]",
                                        "{\"rows\": 3}",
                                        "{\"rows\": []}",
                                        "{\"rows\": [3]}",
                                        "{\"rows\": [{\"perplexity after t\": 3}]}",
                                        "{\"sweep\": {\"over\": [3]}, \"rows\": [{\"perplexity after t\": 3}]}",
                                        "{\"sweep\": {\"over\": [\"a\"]}, \"rows\": [{\"perplexity after t\": 3}, 4]}"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        expect_refusal(wrong[i], PARE_FORMAT_ERROR);
    expect_refusal(DOCUMENT("\"a\"", "{\"a\": 1}"), PARE_BAD_ARGUMENT);
    /* A row without the axis, and one of another type. */
    char *svg = draw(DOCUMENT("\"a\"", ROW("\"b\":1", "4", "5") "," ROW("\"a\":[1]", "4", "\"x\"")));
    free(svg);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(means_over_seeds),          cmocka_unit_test(lines_with_their_levels),
        cmocka_unit_test(models_that_read_pictures), cmocka_unit_test(numbers_of_values),
        cmocka_unit_test(what_is_no_sweep),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
