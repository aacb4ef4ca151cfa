/* Documents lose no member without a word: what cannot be JSON is refused by its place when the document leaves. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "support/json.h"
#include "support/memory.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* The document fails with this status and one sentence that has all of `words`, and nothing is delivered. */
static void refuses(json_t *json, pare_status expected, const char *const *words) {
    char *text = (char *)"untouched";
    assert_int_equal(pare_json_text(json, &text), expected);
    assert_null(text);
    assert_null(strchr(pare_message(), '\n'));
    for (; *words; words++)
        if (!strstr(pare_message(), *words)) fail_msg("\"%s\" lacks \"%s\"", pare_message(), *words);
    assert_int_equal(pare_whole(), PARE_OK); /* what follows is not told again */
}

#define REFUSES(json, status, ...) refuses(json, status, (const char *const[]){__VA_ARGS__, NULL})

static void delivers(json_t *json, const char *expected) {
    char *text;
    assert_int_equal(pare_json_text(json, &text), PARE_OK);
    assert_string_equal(text, expected);
    pare_free(text);
}

static void ordinary_values_are_written_as_they_are(void **state) {
    (void)state;
    json_t *json = pare_json_of({"text", pare_json_string("gr\xc3\xbc\xc3\x9f")}, {"share", pare_json_real(0.1)},
                                {"tiny", pare_json_real(5e-324)}, {"count", pare_json_count(3)}, {"none", json_null()},
                                {"list", pare_json_list_of(pare_json_real(1), pare_json_format("%d:%d", 2, 4))});
    delivers(json, "{\n \"text\": \"gr\xc3\xbc\xc3\x9f\",\n \"share\": 0.1,\n \"tiny\": 4.94065645841e-324,\n"
                   " \"count\": 3,\n \"none\": null,\n \"list\": [\n  1.0,\n  \"2:4\"\n ]\n}\n");
}

/* A seed may be any 64 bits; the largest integers of JSON's readers have 63. */
static void counts_keep_their_digits(void **state) {
    (void)state;
    delivers(pare_json_list_of(pare_json_count(INT64_MAX), pare_json_count(UINT64_MAX)),
             "[\n 9223372036854775807,\n \"18446744073709551615\"\n]\n");
}

static json_t *with(json_t *value) {
    return pare_json_of({"texts", pare_json_list_of(json_object(), pare_json_of({"nll", value}))});
}

static void numbers_must_be_finite(void **state) {
    (void)state;
    REFUSES(with(pare_json_real(NAN)), PARE_NUMERIC_ERROR, "texts[1].nll of the report", "NaN");
    REFUSES(with(pare_json_real(INFINITY)), PARE_NUMERIC_ERROR, "texts[1].nll of the report", "infinity");
    REFUSES(with(pare_json_real(-INFINITY)), PARE_NUMERIC_ERROR, "texts[1].nll of the report", "infinity");
    REFUSES(pare_json_list_of(pare_json_real(1), pare_json_real(0.0 / NAN)), PARE_NUMERIC_ERROR, "[1] of the report");
    REFUSES(pare_json_real(NAN), PARE_NUMERIC_ERROR, "the report came out as NaN");
}

static void texts_must_be_utf8(void **state) {
    (void)state;
    REFUSES(with(pare_json_string("caf\xe9")), PARE_FORMAT_ERROR, "texts[1].nll of the report", "UTF-8");
    REFUSES(with(pare_json_format("%s.txt", "\xff\xfe")), PARE_FORMAT_ERROR, "texts[1].nll of the report", "UTF-8");
    REFUSES(with(pare_json_string("\xed\xa0\x80")), PARE_FORMAT_ERROR, "UTF-8"); /* half of a surrogate pair */
    delivers(pare_json_list_of(pare_json_name("caf\xe9.txt")), "[\n \"caf?.txt\"\n]\n");
}

/* A name that cannot be a key takes its member along, so the document is refused, too. */
static void keys_must_be_utf8(void **state) {
    (void)state;
    char *text;
    json_t *json = json_object();
    pare_json_put(json, "caf\xe9", json_integer(1));
    assert_int_equal(pare_json_text(json, &text), PARE_FORMAT_ERROR);
    assert_non_null(strstr(pare_message(), "UTF-8"));
    assert_null(text);
    assert_int_equal(pare_whole(), PARE_OK);
}

static void what_was_not_made_is_missed(void **state) {
    (void)state;
    REFUSES(with(NULL), PARE_OUT_OF_MEMORY, "memory", "texts[1].nll");
    REFUSES(with(pare_json_string(NULL)), PARE_OUT_OF_MEMORY, "memory", "texts[1].nll");
    REFUSES(with(pare_json_same(NULL)), PARE_OUT_OF_MEMORY, "memory", "texts[1].nll");
    REFUSES(NULL, PARE_OUT_OF_MEMORY, "memory", "the report");
    pare_json_put(NULL, "orphan", json_integer(1)); /* an object for which there was no memory */
    REFUSES(json_object(), PARE_OUT_OF_MEMORY, "memory", "orphan");
}

/* Absent is null; too large is null with its reason. */
static void what_may_be_absent_is_null(void **state) {
    (void)state;
    json_t *json = json_object();
    pare_json_put_measured(json, "a", 2.5);
    pare_json_put_measured(json, "b", NAN);
    pare_json_put_measured(json, "c", exp(1000));
    pare_json_put(json, "d", pare_json_measured(NAN));
    delivers(json, "{\n \"a\": 2.5,\n \"b\": null,\n \"c\": null,\n \"c_reason\": \"too large for a number\",\n"
                   " \"d\": null\n}\n");
}

/* A mark stays one wherever the fragment goes. */
static void marks_travel(void **state) {
    (void)state;
    json_t *bad = pare_json_list_of(pare_json_real(NAN)), *json = pare_json_of({"list", json_array()});
    pare_json_extend(json_object_get(json, "list"), bad);
    json_decref(bad);
    json_t *copy = json_copy(json), *outer = json_object();
    pare_json_update(outer, json);
    json_decref(json);
    REFUSES(copy, PARE_NUMERIC_ERROR, "list[0] of the report");
    REFUSES(outer, PARE_NUMERIC_ERROR, "list[0] of the report");
}

/* However deep and however long the names. */
static void places_are_cut(void **state) {
    (void)state;
    enum { DEEP = 60 };
    json_t *json = pare_json_real(NAN);
    for (int i = 0; i < DEEP; i++)
        json = pare_json_of({"a member with a name of its own", json});
    REFUSES(json, PARE_NUMERIC_ERROR, "a member with a name of its own.a member", "of the report", "NaN");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ordinary_values_are_written_as_they_are),
        cmocka_unit_test(counts_keep_their_digits),
        cmocka_unit_test(numbers_must_be_finite),
        cmocka_unit_test(texts_must_be_utf8),
        cmocka_unit_test(keys_must_be_utf8),
        cmocka_unit_test(what_was_not_made_is_missed),
        cmocka_unit_test(what_may_be_absent_is_null),
        cmocka_unit_test(marks_travel),
        cmocka_unit_test(places_are_cut),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
