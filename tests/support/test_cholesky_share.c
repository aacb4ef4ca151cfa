/* An inverse in blocks of columns is LAPACK's in one piece, to a few units in the last place times the condition, which
 * is below 1e3 here. */
#include "support/cholesky.h"
#include "support/cholesky_share.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <math.h>

/* Diagonally dominant, so that it is positive definite. */
static double *factor_of(int64_t n) {
    double *a = malloc((size_t)(n * n) * sizeof *a);
    assert_non_null(a);
    uint32_t state = 7;
    for (int64_t i = 0; i < n; i++)
        for (int64_t j = 0; j <= i; j++) {
            state = state * 1664525u + 1013904223u;
            a[i * n + j] = i == j ? (double)n : (double)(state >> 8) / (double)(1 << 24) - 0.5;
            a[j * n + i] = a[i * n + j];
        }
    assert_true(pare_cholesky(a, n));
    return a;
}

static void test_same_inverse(void **state) {
    (void)state;
    static const int64_t sizes[] = {1, 31, 64, 200, 515};
    for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++) {
        int64_t n = sizes[s];
        double *found = factor_of(n), *expected = factor_of(n), apart = 0.0;
        assert_int_equal(pare_inverse_share(found, n), PARE_OK);
        assert_int_equal(pare_cholesky_inverse(expected, n), PARE_OK);
        for (int64_t i = 0; i < n * n; i++)
            apart = fmax(apart, fabs(found[i] - expected[i]) * (double)n);
        assert_true(apart < 1e-12);
        free(found);
        free(expected);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_same_inverse)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
