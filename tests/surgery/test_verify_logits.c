/* The comparison after writing: what differs is refused, and numbers that overflow are no fault of the writing. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "surgery/verify.h"

#include <math.h>
#include <string.h>

static void differences_are_told_from_overflows(void **state) {
    (void)state;
    const float expected[] = {1.0f, -10.0f, 2.0f}, near[] = {1.005f, -10.0f, 2.0f}, far[] = {1.5f, -10.0f, 2.0f};
    const float nan[] = {1.0f, NAN, 2.0f}, infinite[] = {1.0f, INFINITY, 2.0f};
    assert_int_equal(pare_verify_logits(near, expected, 3, PARE_VERIFY_BOUND, "out"), PARE_OK);
    assert_int_equal(pare_verify_logits(far, expected, 3, PARE_VERIFY_BOUND, "out"), PARE_CHECK_FAILED);
    assert_int_equal(pare_verify_logits(nan, expected, 3, PARE_VERIFY_BOUND, "out"), PARE_CHECK_FAILED);
    assert_int_equal(pare_verify_logits(nan, nan, 3, PARE_VERIFY_BOUND, "out"), PARE_NUMERIC_ERROR);
    assert_int_equal(pare_verify_logits(expected, infinite, 3, PARE_VERIFY_BOUND, "out"), PARE_NUMERIC_ERROR);
    assert_non_null(strstr(pare_message(), "too large to compute with"));
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(differences_are_told_from_overflows)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
