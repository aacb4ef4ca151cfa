/* Front matter of model cards as people write it: what is read, kept, replaced and added. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "report/front_matter.h"

#include <stdlib.h>
#include <string.h>

static pare_front_matter read_card(const char *text, const char *expected_body) {
    pare_front_matter matter;
    const char *body;
    assert_int_equal(pare_front_matter_read(text, &matter, &body), PARE_OK);
    assert_string_equal(body, expected_body);
    return matter;
}

static void expect_written(pare_front_matter *matter, const char *expected) {
    char *text = NULL;
    size_t bytes;
    FILE *out = open_memstream(&text, &bytes);
    assert_non_null(out);
    pare_front_matter_write(matter, out);
    assert_int_equal(fclose(out), 0);
    assert_string_equal(text, expected);
    free(text);
    pare_front_matter_free(matter);
}

static void check_value(const pare_front_matter *matter, const char *name, const char *expected) {
    char *value = pare_front_matter_value(matter, name);
    if (expected)
        assert_string_equal(value, expected);
    else
        assert_null(value);
    free(value);
}

static void all_of_a_key_stays(void **state) {
    (void)state;
    static const char text[] =
        "---\n# comment: of the top\nlicense: mit # as ever\n\"quoted\": 'x: y'\nwidget:\n- text: |\n"
        "    key: no key\n\nlanguage:\n- en\n---\nbody\n---\nmore";
    pare_front_matter matter = read_card(text, "body\n---\nmore");
    check_value(&matter, "license", "mit");
    check_value(&matter, "quoted", "x: y");
    check_value(&matter, "widget", NULL);
    check_value(&matter, "key", NULL);
    check_value(&matter, "absent", NULL);
    assert_true(pare_front_matter_has(&matter, "language"));
    expect_written(&matter,
                   "---\n# comment: of the top\nlicense: mit # as ever\n\"quoted\": 'x: y'\nwidget:\n- text: |\n"
                   "    key: no key\n\nlanguage:\n- en\n---\n");
}

static void ends_of_lines_and_marks(void **state) {
    (void)state;
    pare_front_matter matter = read_card("\xef\xbb\xbf--- \r\na: 1\r\nb: 2\r\n---\r\nbody", "body");
    assert_int_equal(pare_front_matter_put(&matter, "a", "a: 3\n"), PARE_OK);
    pare_front_matter_remove(&matter, "b");
    pare_front_matter_remove(&matter, "c");
    assert_int_equal(pare_front_matter_put(&matter, "d", "d: 4\n"), PARE_OK);
    expect_written(&matter, "---\na: 3\nd: 4\n---\n");
    matter = read_card("---\ra: 1\rtags:\r- b\r---\rbody", "body");
    assert_int_equal(matter.count, 2);
    assert_int_equal(pare_front_matter_add(&matter, "tags", "pare"), PARE_OK);
    expect_written(&matter, "---\na: 1\ntags:\n- b\n- pare\n---\n");
}

/* As long as those of models with thousands of results. */
static void a_key_of_many_lines(void **state) {
    (void)state;
    enum { LINES = 300000 };
    static const char line[] = "  - 1\n";
    char *text = malloc(LINES * (sizeof line - 1) + 32), *end = text + sprintf(text, "---\nmodel-index:\n");
    assert_non_null(text);
    for (int i = 0; i < LINES; i++, end += sizeof line - 1)
        memcpy(end, line, sizeof line - 1);
    strcpy(end, "---\nbody");
    pare_front_matter matter = read_card(text, "body");
    assert_int_equal(matter.count, 1);
    end[4] = 0;
    expect_written(&matter, text);
    free(text);
}

static void what_is_none(void **state) {
    (void)state;
    static const char *const texts[] = {"",
                                        "# title\n",
                                        "---\nnever closed: yes\n",
                                        "----\na: 1\n---\n",
                                        "---\n\nProse between rules.\na: 1\n---\n",
                                        "\n---\na: 1\n---\n"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        pare_front_matter matter = read_card(texts[i], texts[i]);
        assert_int_equal(matter.count, 0);
        pare_front_matter_free(&matter);
    }
    pare_front_matter matter = read_card("---\n---\nx", "x");
    expect_written(&matter, "---\n---\n");
}

static void lists_in_every_form(void **state) {
    (void)state;
    static const struct {
        const char *given, *expected;
    } cases[] = {
        {"", "tags:\n- pare\n"},
        {"tags:\n", "tags:\n- pare\n"},
        {"tags: []\n", "tags:\n- pare\n"},
        {"tags: one\n", "tags:\n- one\n- pare\n"},
        {"tags: [a, \"b, c\", 'd']  # comment\n", "tags:\n- a\n- \"b, c\"\n- 'd'\n- pare\n"},
        {"tags: [a,\n  b]\n", "tags:\n- a\n- b\n- pare\n"},
        {"tags:\n# of people\n- a # first\n  - not a list\n-   b\n", "tags:\n- a\n- not a list\n- b\n- pare\n"},
        {"tags:\n  - a\n  - b\n", "tags:\n- a\n- b\n- pare\n"},
        {"tags: [a, pare]\n", "tags: [a, pare]\n"},
        {"tags:\n- \"pare\"\n- z\n", "tags:\n- \"pare\"\n- z\n"},
        {"tags: [\"a\\\"b, c\", d]\n", "tags:\n- \"a\\\"b, c\"\n- d\n- pare\n"},
        {"tags: [\"open\n", "tags:\n- \"open\n- pare\n"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char text[256], expected[256];
        snprintf(text, sizeof text, "---\n%s---\n", cases[i].given);
        snprintf(expected, sizeof expected, "---\n%s---\n", cases[i].expected);
        pare_front_matter matter = read_card(text, "");
        assert_int_equal(pare_front_matter_add(&matter, "tags", "pare"), PARE_OK);
        assert_int_equal(pare_front_matter_add(&matter, "tags", "pare"), PARE_OK);
        expect_written(&matter, expected);
    }
}

static void words_without_quotes(void **state) {
    (void)state;
    static const char *const plain[] = {"mit", "org/name-1.5", "https://example.org/a", "nothing"},
                             *const others[] = {"", "a: b", "a:", "1e3", "-a", "No", "null", "two words", "a#b"};
    for (size_t i = 0; i < sizeof plain / sizeof *plain; i++)
        assert_true(pare_front_matter_is_plain(plain[i]));
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        assert_false(pare_front_matter_is_plain(others[i]));
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(all_of_a_key_stays),  cmocka_unit_test(ends_of_lines_and_marks),
                                       cmocka_unit_test(a_key_of_many_lines), cmocka_unit_test(what_is_none),
                                       cmocka_unit_test(lists_in_every_form), cmocka_unit_test(words_without_quotes)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
