/* D = C (G + lambda I)^-1 in single precision, against the same in double: within the bound that the condition gives,
 * which says when it serves. */
#include "golden.h"
#include "repair/single_solve.h"

#include <math.h>
#include <string.h>

enum { WIDTH = 96, ROWS = 20, TOKENS = 40 };

/* Fewer tokens than columns: G has no more rank than those. Column 5 was always 0. */
static void make(float *gram, float *cross) {
    for (int i = 0; i < WIDTH * WIDTH; i++)
        gram[i] = 0.0f;
    for (int t = 0; t < TOKENS; t++)
        for (int i = 0; i < WIDTH; i++)
            for (int j = 0; j < WIDTH; j++) {
                double a = i == 5 ? 0.0 : sin(1.3 * t + 0.7 * i * t), b = j == 5 ? 0.0 : sin(1.3 * t + 0.7 * j * t);
                gram[i * WIDTH + j] += (float)(a * b);
            }
    for (int i = 0; i < ROWS * WIDTH; i++)
        cross[i] = i % WIDTH == 5 ? 0.0f : (float)cos(2.1 * i);
}

static void in_double(const float *gram, const float *cross, double share, double *out) {
    static double factor[WIDTH * WIDTH];
    double mean = 0.0;
    for (int i = 0; i < WIDTH; i++)
        mean += (double)gram[i * (WIDTH + 1)] / WIDTH;
    for (int i = 0; i < WIDTH * WIDTH; i++)
        factor[i] = (double)gram[i] + (i % (WIDTH + 1) == 0 ? share * mean : 0.0);
    factor[5 * (WIDTH + 1)] = 1.0;
    assert_true(pare_cholesky(factor, WIDTH));
    for (int i = 0; i < ROWS * WIDTH; i++)
        out[i] = (double)cross[i];
    pare_cholesky_solve(factor, WIDTH, out, ROWS);
}

static void as_in_double(void **state) {
    (void)state;
    static float gram[WIDTH * WIDTH], cross[ROWS * WIDTH], rows[ROWS * WIDTH];
    static double expected[ROWS * WIDTH];
    static const double shares[] = {1.0, 1e-2, 1e-3};
    make(gram, cross);
    for (int i = 0; i < 3; i++) {
        const pare_damped columns = {.gram = gram, .width = WIDTH, .damping = shares[i], .what = "the inputs"};
        double bound = 0x1p-24 * (WIDTH / shares[i] + 1.0), size = 0.0, apart = 0.0;
        bool solved;
        assert_true(pare_single_solve_serves(&columns, 1.01 * bound));
        assert_false(pare_single_solve_serves(&columns, 0.9 * bound));
        in_double(gram, cross, shares[i], expected);
        memcpy(rows, cross, sizeof rows);
        assert_int_equal(pare_single_solve(&columns, rows, ROWS, &solved), PARE_OK);
        assert_true(solved);
        for (int j = 0; j < ROWS * WIDTH; j++) {
            size += expected[j] * expected[j];
            apart += ((double)rows[j] - expected[j]) * ((double)rows[j] - expected[j]);
        }
        assert_true(sqrt(apart) <= bound * sqrt(size) && apart > 0.0);
        assert_true(rows[5] == 0.0f);
    }
}

static void what_it_does_not_serve(void **state) {
    (void)state;
    static float gram[WIDTH * WIDTH], cross[ROWS * WIDTH], rows[ROWS * WIDTH];
    const uint32_t some[] = {1, 2};
    bool solved = true;
    make(gram, cross);
    pare_damped columns = {.gram = gram, .width = WIDTH, .what = "the inputs of it"};
    assert_false(pare_single_solve_serves(&columns, 1e-2)); /* nothing bounds the condition */
    columns.damping = 1.0;
    columns.kept = some;
    columns.count = 2;
    assert_false(pare_single_solve_serves(&columns, 1e-2));
    columns.kept = NULL;
    gram[0] = -5.0f; /* no Gram matrix: rows stay for whoever solves it otherwise */
    gram[1] = gram[WIDTH] = 50.0f;
    memcpy(rows, cross, sizeof rows);
    assert_int_equal(pare_single_solve(&columns, rows, ROWS, &solved), PARE_OK);
    assert_false(solved);
    assert_memory_equal(rows, cross, sizeof rows);
    make(gram, cross);
    cross[3] = NAN;
    assert_int_equal(pare_single_solve(&columns, cross, ROWS, &solved), PARE_NUMERIC_ERROR);
    assert_non_null(strstr(pare_message(), "the inputs of it"));
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(as_in_double), cmocka_unit_test(what_it_does_not_serve)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
