/* A small matrix with correlated inputs and outputs, by formula: H and F are exact in fp32. Errors and exact fits in
 * double, written out. */
#ifndef PARE_TESTS_KRONECKER_PROBLEM_H
#define PARE_TESTS_KRONECKER_PROBLEM_H

#include "golden.h"
#include "repair/kronecker.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { K_ROWS = 20, K_COLUMNS = 32, K_TOKENS = 80, K_SIZE = K_ROWS * K_COLUMNS };

typedef struct k_problem {
    float weights[K_SIZE], gram[K_COLUMNS * K_COLUMNS], fisher[K_ROWS * K_ROWS], diagonal[K_ROWS];
    int dead_input, dead_output; /* or -1 */
} k_problem;

static inline double k_raw(int t, int i) {
    return (double)(((t * 19 + 23 * i + 5) * 29 + t * t * 3 + i * i * 7) % 37 - 18);
}

static inline double k_input(const k_problem *p, int t, int i) {
    return i == p->dead_input ? 0.0 : (k_raw(t, i) + 2.0 * k_raw(t, i / 4 * 4) * (1 + i % 3)) / 8.0;
}

static inline double k_gradient(const k_problem *p, int t, int o) {
    double own = ((7 * t + 11 * o + 3) * 17 + t * t * 5 + o * o * 3) % 41 - 20;
    double common = ((7 * t + 3) * 17 + t * t * 5) % 41 - 20;
    return o == p->dead_output ? 0.0 : (own + common * (o % 2)) / 16.0;
}

static inline void k_make(k_problem *p, int dead_input, int dead_output) {
    p->dead_input = dead_input;
    p->dead_output = dead_output;
    memset(p->gram, 0, sizeof p->gram);
    memset(p->fisher, 0, sizeof p->fisher);
    for (int o = 0; o < K_ROWS; o++)
        for (int i = 0; i < K_COLUMNS; i++)
            p->weights[o * K_COLUMNS + i] =
                (float)((double)(((31 * o + 17 * i + 7) * 13 + o * i * 11) % 101 - 50) / 40 +
                        (double)((o * 32 + i) * 7919 % 1009) / 20000);
    for (int t = 0; t < K_TOKENS; t++) {
        for (int i = 0; i < K_COLUMNS; i++)
            for (int j = 0; j < K_COLUMNS; j++)
                p->gram[i * K_COLUMNS + j] += (float)(k_input(p, t, i) * k_input(p, t, j));
        for (int o = 0; o < K_ROWS; o++)
            for (int q = 0; q < K_ROWS; q++)
                p->fisher[o * K_ROWS + q] += (float)(k_gradient(p, t, o) * k_gradient(p, t, q));
    }
    for (int o = 0; o < K_ROWS; o++)
        p->diagonal[o] = p->fisher[o * (K_ROWS + 1)];
}

/* The damped matrices. fisher: [K_ROWS, K_ROWS] or NULL: the unit matrix. */
typedef struct k_metric {
    double gram[K_COLUMNS * K_COLUMNS], fisher[K_ROWS * K_ROWS];
} k_metric;

static inline void k_damp(const float *from, int n, double share, double *to) {
    double mean = 0.0;
    for (int i = 0; i < n; i++)
        mean += (double)from[i * (n + 1)] / n;
    for (int i = 0; i < n * n; i++)
        to[i] = (double)from[i] + (i % (n + 1) == 0 && from[i] > 0.0f ? share * mean : 0.0);
}

static inline void k_metric_of(const k_problem *p, const float *fisher, k_metric *m) {
    k_damp(p->gram, K_COLUMNS, 0.01, m->gram);
    if (fisher) k_damp(fisher, K_ROWS, 0.1, m->fisher);
    for (int i = 0; i < K_ROWS * K_ROWS && !fisher; i++)
        m->fisher[i] = i % (K_ROWS + 1) == 0;
}

/* tr(F (X - W) H (X - W)^T) */
static inline double k_error(const k_metric *m, const float *target, const float *weights) {
    double sum = 0.0, d[K_SIZE], left[K_SIZE] = {0.0};
    for (int k = 0; k < K_SIZE; k++)
        d[k] = (double)weights[k] - (double)target[k];
    for (int o = 0; o < K_ROWS; o++)
        for (int q = 0; q < K_ROWS; q++)
            for (int i = 0; i < K_COLUMNS; i++)
                left[o * K_COLUMNS + i] += m->fisher[o * K_ROWS + q] * d[q * K_COLUMNS + i];
    for (int o = 0; o < K_ROWS; o++)
        for (int i = 0; i < K_COLUMNS; i++)
            for (int j = 0; j < K_COLUMNS; j++)
                sum += left[o * K_COLUMNS + i] * m->gram[i * K_COLUMNS + j] * d[o * K_COLUMNS + j];
    return sum;
}

/* The least error that weights under the mask can have: normal equations of all kept weights at once. */
static inline double k_least(const k_metric *m, const float *target, const pare_element_mask *mask) {
    static double a[K_SIZE * K_SIZE], x[K_SIZE];
    static float fitted[K_SIZE];
    int kept[K_SIZE], n = 0;
    for (int k = 0; k < K_SIZE; k++)
        if (pare_element_kept(mask, k / K_COLUMNS, k % K_COLUMNS)) kept[n++] = k;
    for (int r = 0; r < n; r++) {
        const double *f = m->fisher + kept[r] / K_COLUMNS * K_ROWS, *h = m->gram + kept[r] % K_COLUMNS * K_COLUMNS;
        x[r] = 0.0;
        for (int c = 0; c < n; c++)
            a[r * n + c] = f[kept[c] / K_COLUMNS] * h[kept[c] % K_COLUMNS];
        for (int k = 0; k < K_SIZE; k++)
            x[r] += f[k / K_COLUMNS] * h[k % K_COLUMNS] * (double)target[k];
    }
    assert_true(pare_cholesky(a, n));
    pare_cholesky_solve(a, n, x, 1);
    memset(fitted, 0, sizeof fitted);
    for (int r = 0; r < n; r++)
        fitted[kept[r]] = (float)x[r];
    return k_error(m, target, fitted);
}

/* Every third weight goes, and whole stretches of some rows. */
static inline void k_mask(pare_element_mask *mask) {
    assert_int_equal(pare_element_mask_new(K_ROWS, K_COLUMNS, mask), PARE_OK);
    for (int o = 0; o < K_ROWS; o++)
        for (int i = 0; i < K_COLUMNS; i++)
            pare_element_keep(mask, o, i, (o * 7 + i * 5) % 3 && (o % 4 || i < 20));
}

static inline pare_kronecker k_default(const k_problem *p) {
    pare_kronecker k = pare_kronecker_defaults;
    k.gram = p->gram;
    k.fisher = p->fisher;
    k.what = "the test's matrix";
    return k;
}

static inline void k_pruned_are_zero(const float *weights, const pare_element_mask *mask) {
    for (int k = 0; k < K_SIZE; k++)
        if (!pare_element_kept(mask, k / K_COLUMNS, k % K_COLUMNS))
            assert_true(weights[k] == 0.0f && !signbit(weights[k]));
}

#endif
