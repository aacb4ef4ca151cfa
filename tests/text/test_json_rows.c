/* Rows come one by one, in order, as they stand in the file, and no more of the file is looked at than is wanted. */
#include "shared.h"
#include "text/json_rows.h"

typedef struct rows {
    char text[256]; /* "unit number value;" of each */
    size_t bytes, refused;
} rows;

static pare_status keep(void *context, const pare_json_row *row) {
    rows *r = context;
    char *value = json_dumps(row->value, JSON_COMPACT | JSON_ENCODE_ANY);
    r->bytes +=
        (size_t)snprintf(r->text + r->bytes, sizeof r->text - r->bytes, "%s %zu %s;", row->unit, row->number, value);
    free(value);
    return row->number == r->refused ? pare_fail(PARE_FORMAT_ERROR, "enough") : PARE_OK;
}

static void expect(const char *path, const char *text, size_t limit, const char *expected) {
    rows r = {0};
    assert_ok(pare_json_rows_read(path, text, strlen(text), limit, keep, &r));
    assert_string_equal(r.text, expected);
}

static void test_lists(void **state) {
    (void)state;
    expect("a.json", "[]", 0, "");
    expect("a.json", " [ {\"a\": [1, \"]\"]} ,\n\"x,]\"\t,[3],true , null] \r\n", 0,
           "row 1 {\"a\":[1,\"]\"]};row 2 \"x,]\";row 3 [3];row 4 true;row 5 null;");
    expect("a.json", "[\"x\", 12, -3.5, \"y\"]", 0, "row 1 \"x\";row 2 12;row 3 -3.5;row 4 \"y\";");
    expect("a.json", "[1, 2, 3]", 0, "row 1 [1,2,3];");
    expect("a.json", "\xEF\xBB\xBF[\"x\"]", 0, "row 1 \"x\";");
    expect("a.json", "[\"x\", \"y\", broken", 2, "row 1 \"x\";row 2 \"y\";");
}

static void test_lines(void **state) {
    (void)state;
    expect("a.jsonl", "\n{\"a\": 1}\r\n \t\r\n[2]\n\"x\"", 0, "line 2 {\"a\":1};line 4 [2];line 5 \"x\";");
    expect("a.jsonl", "1\n\n2\nbroken", 2, "line 1 1;line 3 2;");
}

static void test_failures_end_it(void **state) {
    (void)state;
    static const char *const paths[] = {"a.json", "a.jsonl"};
    static const char *const texts[] = {"[\"x\", \"y\", \"z\"]", "\"x\"\n\"y\"\n\"z\""};
    for (size_t i = 0; i < 2; i++) {
        rows r = {.refused = 2};
        assert_int_equal(pare_json_rows_read(paths[i], texts[i], strlen(texts[i]), 0, keep, &r), PARE_FORMAT_ERROR);
        assert_string_equal(pare_message(), "enough");
        assert_non_null(strstr(r.text, "\"y\";"));
        assert_null(strstr(r.text, "\"z\""));
    }
}

static void test_places_of_errors(void **state) {
    (void)state;
    static const char text[] = "[\n  {\"a\": 1},\n  {\"a\": ?}\n]";
    rows r = {0};
    assert_int_equal(pare_json_rows_read("a.json", text, strlen(text), 0, keep, &r), PARE_FORMAT_ERROR);
    assert_non_null(strstr(pare_message(), "line 3, column 9"));
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_lists), cmocka_unit_test(test_lines),
                                       cmocka_unit_test(test_failures_end_it), cmocka_unit_test(test_places_of_errors)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
