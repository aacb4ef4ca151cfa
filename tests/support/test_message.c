/* What a file says cannot end a message's line, or tell a terminal anything. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "support/status.h"

static void controls_become_marks(void **state) {
    (void)state;
    static const struct {
        const char *word, *shown;
    } cases[] = {
        {"a\nb\tc\r", "the key 'a?b?c?'"},
        {"\x1b[31mred\x07\x7f", "the key '?[31mred?\?'"},
        {"\xc2\x9b" /* a control of two bytes */ "31m", "the key '?\?31m'"},
        {"\xc2\xa0\xc3\xa9\xe2\x96\x81", "the key '\xc2\xa0\xc3\xa9\xe2\x96\x81'"},
        {"\xc2", "the key '\xc2'"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_int_equal(pare_fail(PARE_FORMAT_ERROR, "the key '%s'", cases[i].word), PARE_FORMAT_ERROR);
        assert_string_equal(pare_message(), cases[i].shown);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(controls_become_marks)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
