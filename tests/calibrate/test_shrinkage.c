/* What sequences differ by, against sums by hand and a closed form; mixtures worked out by hand; and that a mixture
 * comes closer to what many sequences would show, less of the diagonal being in it the more there are. */
#include "calibrate/shrinkage.h"
#include "golden.h"
#include "support/random.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { WIDE = 1100 };

static double norm_by_hand(const float *x, int64_t length, int64_t width) {
    double sum = 0.0;
    for (int64_t i = 0; i < width; i++)
        for (int64_t j = 0; j < width; j++) {
            double f = 0.0;
            for (int64_t t = 0; t < length; t++)
                f += (double)x[t * width + i] * (double)x[t * width + j];
            sum += f * f;
        }
    return sum;
}

/* More tokens than columns, and fewer; sums of at most 12 products in fp32. */
static void spread_by_hand(void **state) {
    (void)state;
    static const int64_t lengths[] = {1, 5, 12}, width = 7, sequences = 3;
    float x[3 * 12 * 7], room[7 * 7];
    assert_true(pare_spread_room(width) <= 7 * 7);
    pare_normal_fill(x, 1, 0, 0, 0, sizeof x / sizeof *x);
    for (int i = 0; i < 3; i++) {
        double expected = 0.0, sum = 2.0;
        for (int64_t s = 0; s < sequences; s++)
            expected += norm_by_hand(x + s * lengths[i] * width, lengths[i], width);
        pare_spread_add(x, sequences * lengths[i], lengths[i], width, room, &sum);
        assert_true(fabs(sum - 2.0 - expected) < 1e-5 * expected);
    }
}

/* x_ti = a_t b_i: |x^T x| = |a|^2 |b|^2. More columns, and more tokens, than are multiplied at a time. */
static void spread_of_panels(void **state) {
    (void)state;
    static float x[WIDE * WIDE], a[WIDE], b[WIDE];
    float *room = malloc((size_t)pare_spread_room(WIDE) * sizeof *room);
    assert_non_null(room);
    pare_normal_fill(a, 2, 0, 0, 0, WIDE);
    pare_normal_fill(b, 3, 0, 0, 0, WIDE);
    for (int64_t length = WIDE - 1; length <= WIDE; length++) {
        double rows = 0.0, columns = 0.0, sum = 0.0;
        for (int64_t t = 0; t < length; t++) {
            rows += (double)a[t] * (double)a[t];
            for (int64_t i = 0; i < WIDE; i++)
                x[t * WIDE + i] = a[t] * b[i];
        }
        for (int64_t i = 0; i < WIDE; i++)
            columns += (double)b[i] * (double)b[i];
        pare_spread_add(x, length, length, WIDE, room, &sum);
        assert_true(fabs(sum / (rows * rows * columns * columns) - 1.0) < 1e-5);
    }
    free(room);
}

/* F_1 = diag(4, 0), F_2 = diag(0, 2): V = 2 (20 - 20 / 2) = 20, F - 3 I = diag(1, -1): all of it is by chance. With
 * F_2 = diag(2, 2) instead: F = diag(6, 2), V = 2 (24 - 40 / 2) = 8 = |F - 4 I|^2, still all; with F_2 = diag(3, 1):
 * F = diag(7, 1), V = 2 (26 - 50 / 2) = 2, |F - 4 I|^2 = 18, a ninth. */
static void mixtures_by_hand(void **state) {
    (void)state;
    float f[] = {4, 0, 0, 2}, g[] = {6, 0, 0, 2}, h[] = {7, 0, 0, 1};
    assert_true(pare_metric_shrink(f, 2, 2, 20.0) == 1.0);
    assert_true(f[0] == 3.0f && f[1] == 0.0f && f[2] == 0.0f && f[3] == 3.0f);
    assert_true(pare_metric_shrink(g, 2, 2, 24.0) == 1.0);
    assert_true(g[0] == 4.0f && g[3] == 4.0f);
    assert_true(fabs(pare_metric_shrink(h, 2, 2, 26.0) - 1.0 / 9.0) < 1e-12);
    assert_true(fabs((double)h[0] - (7.0 * 8.0 + 4.0) / 9.0) < 1e-6);
    assert_true(fabs((double)h[3] - (1.0 * 8.0 + 4.0) / 9.0) < 1e-6);
}

/* Sequences that agree, one sequence, and nothing felt. */
static void nothing_to_mix(void **state) {
    (void)state;
    float f[] = {6, 2, 2, 4}, zeros[4] = {0};
    const float was[] = {6, 2, 2, 4};
    assert_true(pare_metric_shrink(f, 2, 2, 30.0) == 0.0); /* F_1 = F_2 = F / 2: |F_s|^2 = 15 */
    assert_memory_equal(f, was, sizeof f);
    assert_true(pare_metric_shrink(f, 2, 1, 60.0) == 0.0);
    assert_memory_equal(f, was, sizeof f);
    assert_true(pare_metric_shrink(zeros, 2, 5, 0.0) == 0.0);
    assert_true(zeros[0] == 0.0f && zeros[3] == 0.0f);
}

enum { WIDTH = 12 };

/* Standard deviations 0.5 to 1.6 along the axes: n sequences of one token each would show F = n diag(s^2). Returns the
 * share; distance += the squared distances from that of F and of the mixture. */
static double closer(int64_t n, uint64_t draw, double distance[2]) {
    float x[256 * WIDTH], room[WIDTH * WIDTH], f[WIDTH * WIDTH] = {0};
    double share = 0.0, spread = 0.0;
    pare_normal_fill(x, 4, draw, 0, 0, (size_t)(n * WIDTH));
    for (int64_t t = 0; t < n; t++)
        for (int i = 0; i < WIDTH; i++)
            x[t * WIDTH + i] *= 0.5f + 0.1f * (float)i;
    for (int64_t t = 0; t < n; t++)
        for (int i = 0; i < WIDTH * WIDTH; i++)
            f[i] += x[t * WIDTH + i / WIDTH] * x[t * WIDTH + i % WIDTH];
    pare_spread_add(x, n, 1, WIDTH, room, &spread);
    for (int way = 0; way < 2; way++) {
        for (int i = 0; i < WIDTH * WIDTH; i++) {
            double s = i % (WIDTH + 1) ? 0.0 : 0.5 + 0.1 * (double)(i % WIDTH);
            double off = (double)f[i] - (double)n * s * s;
            distance[way] += off * off;
        }
        if (!way) share = pare_metric_shrink(f, WIDTH, n, spread);
    }
    return share;
}

/* Means of 20 draws. By expectation V = n ((tr S)^2 + |S|^2) and b^2 = n^2 |S - m I|^2 make the best share V / (V +
 * b^2), and with it 1 - V / (V + b^2) of the squared error would be left, were m and the share not estimated, too. */
static void mixtures_come_closer(void **state) {
    (void)state;
    static const int64_t counts[] = {8, 32, 256};
    double trace = 0.0, square = 0.0;
    for (int i = 0; i < WIDTH; i++) {
        double s = (0.5 + 0.1 * i) * (0.5 + 0.1 * i);
        trace += s;
        square += s * s;
    }
    for (int c = 0; c < 3; c++) {
        double n = (double)counts[c], share = 0.0, distance[2] = {0};
        double variance = n * (trace * trace + square), bias = n * n * (square - trace * trace / WIDTH);
        for (uint64_t draw = 0; draw < 20; draw++)
            share += closer(counts[c], draw, distance) / 20.0;
        double best = variance / (variance + bias), left = distance[1] / distance[0];
        assert_true(fabs(share - best) < 0.1);
        assert_true(left < 1.0 - best + 0.05);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(spread_by_hand), cmocka_unit_test(spread_of_panels),     cmocka_unit_test(mixtures_by_hand),
        cmocka_unit_test(nothing_to_mix), cmocka_unit_test(mixtures_come_closer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
