/* Spearman's rank correlation against values worked out by hand. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "importance/rank.h"
#include "support/memory.h"

#include <math.h>

static double of(const double *a, const double *b, size_t n) {
    double out = 7.0;
    uint64_t before = pare_memory_current();
    assert_int_equal(pare_rank_correlation(a, b, n, &out), PARE_OK);
    assert_true(pare_memory_current() == before);
    return out;
}

/* Without ties: 1 - 6 sum d^2 / (n (n^2 - 1)); here d = 1, 1, 1, 1, 0. */
static void without_ties(void **state) {
    (void)state;
    const double a[] = {0.1, 5, 30, 2e3, 1e9}, b[] = {-2, -7, 4, 3, 1e300}, down[] = {9, 8, 7, 6, 5};
    assert_true(fabs(of(a, b, 5) - (1.0 - 6.0 * 4.0 / (5.0 * 24.0))) < 1e-15);
    assert_true(fabs(of(a, a, 5) - 1.0) < 1e-15);
    assert_true(fabs(of(a, down, 5) + 1.0) < 1e-15);
}

/* Ranks 1, 2.5, 2.5, 4 and 2, 2, 2, 4: their products about 2.5 add up to 3, their squares to 4.5 and 3. */
static void with_ties(void **state) {
    (void)state;
    const double a[] = {10, 20, 20, 40}, b[] = {3, 3, 3, 8};
    assert_true(fabs(of(a, b, 4) - 3.0 / sqrt(4.5 * 3.0)) < 1e-15);
    assert_true(fabs(of(b, a, 4) - 3.0 / sqrt(4.5 * 3.0)) < 1e-15);
}

static void without_meaning(void **state) {
    (void)state;
    const double same[] = {1, 1, 1}, other[] = {1, 2, 3}, bad[] = {1, NAN, 3};
    assert_true(isnan(of(same, other, 3)));
    assert_true(isnan(of(other, same, 3)));
    assert_true(isnan(of(other, bad, 3)));
    assert_true(isnan(of(other, other, 1)));
    assert_true(isnan(of(other, other, 0)));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_ties),
        cmocka_unit_test(with_ties),
        cmocka_unit_test(without_meaning),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
