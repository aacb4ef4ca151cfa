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

static pare_status count(void *context, const pare_json_row *row) {
    (void)row;
    ++*(size_t *)context;
    return PARE_OK;
}

static pare_status read_rows(const char *path, const char *text, size_t limit, pare_odd_rows *odd, rows *r) {
    const pare_json_source source = {path, text, strlen(text), limit, odd};
    return pare_json_rows_read(&source, keep, r);
}

static void expect(const char *path, const char *text, size_t limit, const char *expected) {
    rows r = {0};
    assert_ok(read_rows(path, text, limit, NULL, &r));
    assert_string_equal(r.text, expected);
}

static void test_lists(void **state) {
    (void)state;
    expect("a.json", "[]", 0, "");
    expect("a.json", " [ {\"a\": [1, \"]\"]} ,\n\"x,]\"\t,[3],true , null] \r\n", 0,
           "row 1 {\"a\":[1,\"]\"]};row 2 \"x,]\";row 3 [3];row 4 true;row 5 null;");
    expect("a.json", "[\"x\", 12, -3.5, \"y\"]", 0, "row 1 \"x\";row 2 12;row 3 -3.5;row 4 \"y\";");
    expect("a.json", "[1, 2, 3]", 0, "row 1 [1,2,3];");
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
        assert_int_equal(read_rows(paths[i], texts[i], 0, NULL, &r), PARE_FORMAT_ERROR);
        assert_string_equal(pare_message(), "enough");
        assert_non_null(strstr(r.text, "\"y\";"));
        assert_null(strstr(r.text, "\"z\""));
    }
}

static void test_places_of_errors(void **state) {
    (void)state;
    static const char text[] = "[\n  {\"a\": 1},\n  {\"a\": ?}\n]";
    rows r = {0};
    assert_int_equal(read_rows("a.json", text, 0, NULL, &r), PARE_FORMAT_ERROR);
    assert_non_null(strstr(pare_message(), "row 2 is not JSON (column 7"));
}

/* The form is that of the text; the name only decides what neither is. */
static void test_forms(void **state) {
    (void)state;
    static const struct {
        const char *path, *text;
        pare_json_form form;
    } cases[] = {
        {"a.txt", "{\"text\": \"a\"}\n{\"text\": \"b\"}\n", PARE_JSON_LINES},
        {"a.json", "{\"text\": \"a\"}\n{\"text\": \"b\"}", PARE_JSON_LINES},
        {"a.JSON", "[1, 2]\n[3, 4]\n", PARE_JSON_LINES},
        {"a.jsonl", "[[1, 2],\n [3, 4]]\n", PARE_JSON_LIST},
        {"a.txt", "[{\"text\": \"a\"},\n {\"text\": \"b\"}]\n", PARE_JSON_LIST},
        {"a.txt", "{\"text\": NaN}\n{\"text\": \"a\"}\n{\"text\": \"b\"}\n", PARE_JSON_LINES},
        {"a.txt", "[1] A reference.\n[2] Another one.\n", PARE_JSON_NONE},
        {"a.txt", "\"Hello,\" she said.\n\"Who?\"\n", PARE_JSON_NONE},
        {"a.txt", "{braces} in a text\n", PARE_JSON_NONE},
        {"a.txt", "3\n4\n", PARE_JSON_NONE},
        {"a.json.gz", "{\n \"data\": []\n}", PARE_JSON_OTHER},
        {"a.json", "no JSON at all", PARE_JSON_OTHER},
        {"a.ndjson", "no JSON at all", PARE_JSON_LINES},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        if (pare_json_form_of(cases[i].path, cases[i].text, strlen(cases[i].text)) != cases[i].form)
            fail_msg("another form than %d: %s", (int)cases[i].form, cases[i].text);
}

/* 300 rows, the odd ones among them: up to three may be skipped. */
static void test_odd_rows(void **state) {
    (void)state;
    static const char *const odd_rows[] = {"{\"a\": NaN}", "{\"a\": 18446744073709551616}", "\"\\ud800\"",
                                           "{\"a\": -Infinity}"};
    for (int list = 0; list < 2; list++)
        for (size_t odd_count = 0; odd_count <= 4; odd_count++) {
            char text[8192], *end = text;
            rows r = {0};
            pare_odd_rows odd = {0};
            for (size_t i = 0; i < 300; i++)
                end += sprintf(end, "%s%s", i ? (list ? ",\n" : "\n") : (list ? "[" : ""),
                               i % 7 == 3 && i / 7 < odd_count ? odd_rows[i / 7] : "{}");
            if (list) strcpy(end, "]");
            const pare_json_source source = {"a.jsonl", text, strlen(text), 0, &odd};
            assert_int_equal(pare_json_rows_read(&source, count, &r.refused),
                             odd_count > 3 ? PARE_FORMAT_ERROR : PARE_OK);
            assert_int_equal(odd.rows, 300);
            assert_int_equal(odd.count, odd_count);
            assert_int_equal(r.refused, 300 - odd_count);
            char *note = pare_odd_rows_note(&odd, "a.jsonl", 0, 0);
            if (odd_count) assert_non_null(strstr(note, list ? "row 4 is not JSON" : "line 4 is not JSON"));
            if (odd_count > 1) assert_non_null(strstr(note, list ? "row 11 " : "line 11 "));
            if (!odd_count) assert_null(note);
            free(note);
            pare_odd_rows_free(&odd);
        }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_lists),           cmocka_unit_test(test_lines),
                                       cmocka_unit_test(test_failures_end_it), cmocka_unit_test(test_places_of_errors),
                                       cmocka_unit_test(test_forms),           cmocka_unit_test(test_odd_rows)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
