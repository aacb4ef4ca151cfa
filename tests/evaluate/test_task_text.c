/* Texts as Python and the harness treat them. Expected values were printed by Python 3.11. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "evaluate/task_order.h"
#include "evaluate/task_text.h"

#include <stdlib.h>

static void expect(char *made, const char *expected) {
    assert_string_equal(made, expected);
    free(made);
}

static void marks_are_removed_in_order(void **state) {
    (void)state;
    expect(pare_text_without_marks("  a b \n"), "a b");
    expect(pare_text_without_marks("[header] How to cook [title] Wash it. [step] Rinse."),
           " How to cook. Wash it. Rinse.");
    expect(pare_text_without_marks("[substeps] Use soap. [substeps] Dry."), " Use soap. Dry.");
    expect(pare_text_without_marks("[title] Wash"), " Wash");
    expect(pare_text_without_marks("a   b    c"), "a  b  c");
    expect(pare_text_without_marks("x [ y ] z [open"), "x z [open");
    expect(pare_text_without_marks("x [a [b] c] d"), "x c] d");
    expect(pare_text_without_marks("x [a\nb] [c] d"), "x [a\nb] d");
    expect(pare_text_without_marks("  [title]"), "");
    expect(pare_text_without_marks("[]"), "");
}

static void the_first_letter_alone_is_large(void **state) {
    (void)state;
    expect(pare_text_capitalize("the Boy FROM Rome"), "The boy from rome");
    expect(pare_text_capitalize("\xC3\xA9t\xC3\x89"), "\xC3\x89t\xC3\xA9");
    expect(pare_text_capitalize("\xC3\x9F"
                                "A"),
           "Ssa");
    expect(pare_text_capitalize("\xC7\x86"
                                "X"),
           "\xC7\x85x");                                        /* title case, which is not upper case */
    expect(pare_text_capitalize("a\xC8\xBA"), "A\xE2\xB1\xA5"); /* the small letter has a byte more */
    expect(pare_text_capitalize("1 APPLE"), "1 apple");
    expect(pare_text_capitalize("\uFB03X"), "Ffix");
    expect(pare_text_capitalize("\u0390"), "\u0399\u0308\u0301");
    expect(pare_text_capitalize(""), "");
}

/* A sigma is a final one behind a letter and in front of none; marks, full stops and hyphens to break at do not count.
 */
static void a_sigma_that_ends_a_word_is_final(void **state) {
    (void)state;
    expect(pare_text_capitalize("\u039f\u0394\u039f\u03a3 \u03a3\u039f\u03a6\u039f\u03a3"),
           "\u039f\u03b4\u03bf\u03c2 \u03c3\u03bf\u03c6\u03bf\u03c2");
    expect(pare_text_capitalize("\u03a3\u03a3"), "\u03a3\u03c2");
    expect(pare_text_capitalize("1\u03a3"), "1\u03c3");
    expect(pare_text_capitalize("A.\u03a3"), "A.\u03c2");
    expect(pare_text_capitalize("A\u03a3.B"), "A\u03c3.b");
    expect(pare_text_capitalize("A\u03a3 B"), "A\u03c2 b");
    expect(pare_text_capitalize("A\u0301\u03a3\u0301"), "A\u0301\u03c2\u0301");
    expect(pare_text_capitalize("x\u03a3\u00adb"), "X\u03c3\u00adb");
    expect(pare_text_capitalize("\u2167\u03a3"), "\u2167\u03c2"); /* a Roman numeral has a case */
    expect(pare_text_capitalize("x\u03a3\u24d0"), "X\u03c3\u24d0");
}

static void white_space_is_pythons(void **state) {
    (void)state;
    expect(pare_text_strip(" \t\xC2\xA0 a b\x1F\xE3\x80\x80\n"), "a b");
    expect(pare_text_strip("\xE2\x80\x8B"
                           "a"),
           "\xE2\x80\x8B"
           "a"); /* a zero-width space is none */
    expect(pare_text_strip(" \n "), "");
    assert_int_equal(pare_text_trailing_space("a \xC2\xA0"), 3);
    assert_int_equal(pare_text_trailing_space("  "), 2);
    assert_int_equal(pare_text_trailing_space("a"), 0);
    assert_int_equal(pare_text_characters(" h\xC3\xA9\xF0\x9F\x98\x80"), 4);
}

static void lists_are_shuffled_as_python_does(void **state) {
    (void)state;
    static const uint32_t sixteen[16] = {3, 14, 7, 9, 13, 11, 4, 5, 12, 8, 1, 0, 15, 6, 2, 10},
                          five[5] = {3, 1, 2, 4, 0}, first[6] = {717, 241, 568, 626, 1139, 296};
    uint32_t order[1838] = {9};
    pare_python_shuffle(7, order, 16);
    assert_memory_equal(order, sixteen, sizeof sixteen);
    pare_python_shuffle(42, order, 5);
    assert_memory_equal(order, five, sizeof five);
    pare_python_shuffle(42, order, 1838);
    assert_memory_equal(order, first, sizeof first);
    uint64_t sum = 0;
    for (uint32_t i = 0; i < 1838; i++)
        sum += (uint64_t)i * order[i];
    assert_int_equal(sum % 1000003, 425145);
    pare_python_shuffle(42, order, 1);
    assert_int_equal(order[0], 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(marks_are_removed_in_order),        cmocka_unit_test(the_first_letter_alone_is_large),
        cmocka_unit_test(a_sigma_that_ends_a_word_is_final), cmocka_unit_test(white_space_is_pythons),
        cmocka_unit_test(lists_are_shuffled_as_python_does),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
