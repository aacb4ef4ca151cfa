/* The distribution of the normal noise: moments, tails, distance from the normal law, and correlations. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "support/random.h"

#include <math.h>
#include <stdlib.h>

enum { N = 1 << 18 };

static float x[N], y[N];

/* An estimate may be 5 standard deviations off what it estimates. */
static void check_estimate(double actual, double expected, double deviation) {
    if (fabs(actual - expected) > 5.0 * deviation)
        fail_msg("%.6g, expected %.6g within 5 x %.3g", actual, expected, deviation);
}

/* Means of z, z^2, z^3, z^4 and their exact standard deviations for normal z: 1, sqrt(2), sqrt(15), sqrt(96). */
static void moments(void **state) {
    (void)state;
    double sums[4] = {0};
    pare_normal_fill(x, 1, 0, 0, 0, N);
    for (int i = 0; i < N; i++) {
        double z = (double)x[i], power = 1.0;
        for (int p = 0; p < 4; p++)
            sums[p] += power *= z;
    }
    const double expected[] = {0, 1, 0, 3}, variance[] = {1, 2, 15, 96};
    for (int p = 0; p < 4; p++)
        check_estimate(sums[p] / (double)N, expected[p], sqrt(variance[p] / (double)N));
}

/* Numbers beyond k are as many as the normal law has, to 5 sigma and beyond over 64 draws. */
static void tails(void **state) {
    (void)state;
    enum { DRAWS = 64 };
    double counts[6] = {0}, largest = 0.0;
    for (uint64_t draw = 0; draw < DRAWS; draw++) {
        pare_normal_fill(x, 5, draw, 1, 0, N);
        for (int i = 0; i < N; i++) {
            double size = fabs((double)x[i]);
            largest = fmax(largest, size);
            for (int k = 0; k < 6; k++)
                counts[k] += size > k;
        }
    }
    for (int k = 1; k < 6; k++) {
        double p = erfc(k / sqrt(2.0)), n = (double)N * (double)DRAWS;
        check_estimate(counts[k], n * p, sqrt(n * p * (1.0 - p)));
    }
    assert_true(largest > 5.0 && largest < 5.78);
}

static int ascending(const void *a, const void *b) {
    float p = *(const float *)a, q = *(const float *)b;
    return (p > q) - (p < q);
}

/* Kolmogorov-Smirnov distance sqrt(N) D: above 2.3 twice in 100000 samples. */
static void distance_from_the_normal_law(void **state) {
    (void)state;
    double distance = 0.0;
    pare_normal_fill(x, 2, 3, 4, 0, N);
    qsort(x, N, sizeof *x, ascending);
    for (int i = 0; i < N; i++) {
        double p = 0.5 * erfc(-(double)x[i] / sqrt(2.0));
        distance = fmax(distance, fmax((i + 1.0) / (double)N - p, p - (double)i / (double)N));
    }
    assert_true(sqrt(N) * distance < 2.3);
}

static double correlation(const float *a, const float *b, int n) {
    double sum = 0.0;
    for (int i = 0; i < n; i++)
        sum += (double)a[i] * (double)b[i];
    return sum / n;
}

/* Streams that differ in one coordinate, even in one high bit, share nothing. */
static void coordinates_are_independent(void **state) {
    (void)state;
    static const uint64_t coordinates[][3] = {
        {1, 1, 2},          {1, 2, 1},           {2, 1, 1},           {1, 1, 0x80000000},
        {1, 0x80000000, 1}, {1, 0x100000001, 1}, {0x100000001, 1, 1},
    };
    pare_normal_fill(x, 1, 1, 1, 0, N);
    for (size_t i = 0; i < sizeof coordinates / sizeof *coordinates; i++) {
        pare_normal_fill(y, coordinates[i][0], coordinates[i][1], coordinates[i][2], 0, N);
        check_estimate(correlation(x, y, N), 0.0, 1.0 / sqrt(N));
    }
}

/* Neighbours at every lag up to two batches, and the squares of the two numbers of a pair. */
static void elements_are_independent(void **state) {
    (void)state;
    pare_normal_fill(x, 3, 1, 4, 0, N);
    for (int lag = 1; lag <= 130; lag++)
        check_estimate(correlation(x, x + lag, N - lag), 0.0, 1.0 / sqrt(N - lag));
    for (int i = 0; i < N; i++)
        y[i] = x[i] * x[i] - 1.0f;
    for (int lag = 1; lag <= 130; lag++)
        check_estimate(correlation(y, y + lag, N - lag), 0.0, 2.0 / sqrt(N - lag));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(moments),
        cmocka_unit_test(tails),
        cmocka_unit_test(distance_from_the_normal_law),
        cmocka_unit_test(coordinates_are_independent),
        cmocka_unit_test(elements_are_independent),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
