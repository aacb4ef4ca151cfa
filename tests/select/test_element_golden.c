/* The golden vectors of an independent script (spec 13): scores and masks of a 3 x 8 matrix. */
#include "golden.h"
#include "importance/salience.h"
#include "select/element_select.h"

enum { R = 3, C = 8, TOKENS = 12, SEQUENCES = 2 };

typedef struct golden {
    float weight[R * C], x[TOKENS * C], norm[C];
} golden;

static golden golden_new(void) {
    golden g;
    for (int o = 0; o < R; o++)
        for (int i = 0; i < C; i++)
            g.weight[o * C + i] = (float)((((31 * o + 17 * i + 7) * 13) % 41 - 20) / 10.0);
    for (int i = 0; i < C; i++) {
        double squares = 0.0;
        for (int t = 0; t < TOKENS; t++) {
            double x = (((t * 19 + 23 * i + 5) * 29) % 37 - 18) / 9.0;
            g.x[t * C + i] = (float)x;
            squares += x * x;
        }
        g.norm[i] = (float)sqrt(squares / (double)SEQUENCES);
    }
    return g;
}

static void score(const golden *g, const char *salience, float *scores) {
    pare_salience_matrix matrix = {.rows = R, .columns = C, .weight = g->weight, .inputs = g->norm};
    assert_int_equal(pare_salience_scores(pare_salience_find(salience), &matrix, NULL, scores), PARE_OK);
}

/* expected: rows joined by /, 1 = pruned. Returns the squared error of the outputs. */
static double check_mask(const golden *g, const float *scores, pare_element_target target, const char *expected) {
    pare_element_mask mask;
    double error = 0.0;
    char got[R * (C + 1) + 1] = "";
    assert_int_equal(pare_element_mask_new(R, C, &mask), PARE_OK);
    assert_int_equal(pare_element_select(scores, &target, &mask), PARE_OK);
    for (int o = 0; o < R; o++) {
        for (int i = 0; i < C; i++)
            got[o * (C + 1) + i] = pare_element_kept(&mask, o, i) ? '0' : '1';
        got[o * (C + 1) + C] = o < R - 1 ? '/' : '\0';
        for (int t = 0; t < TOKENS; t++) {
            double lost = 0.0;
            for (int i = 0; i < C; i++)
                if (!pare_element_kept(&mask, o, i)) lost += (double)g->weight[o * C + i] * (double)g->x[t * C + i];
            error += lost * lost;
        }
    }
    assert_string_equal(got, expected);
    pare_element_mask_free(&mask);
    return error;
}

static const pare_element_target by_row = {.sparsity = 0.5}, two_of_four = {.keep = 2, .of = 4},
                                 four_of_eight = {.keep = 4, .of = 8},
                                 by_matrix = {.sparsity = 0.5, .compare = PARE_COMPARE_MATRIX};

/* Six digits are printed. */
static void assert_scores(const float *scores, const double *expected) {
    for (int i = 0; i < C; i++)
        assert_true(fabs((double)scores[i] - expected[i]) <= 1e-6);
}

static void wanda(void **state) {
    (void)state;
    static const double row[C] = {3.346077, 1.565938, 6.413720, 1.293097, 3.895296, 4.266616, 0.991632, 6.235823};
    golden g = golden_new();
    float scores[R * C];
    score(&g, "wanda", scores);
    assert_scores(scores, row);
    double error = check_mask(&g, scores, by_row, "11010010/01011010/01101001");
    assert_true(fabs(error - 49.159753) < 1e-5);
    check_mask(&g, scores, four_of_eight, "11010010/01011010/01101001");
    error = check_mask(&g, scores, two_of_four, "01011010/01011010/01101001");
    assert_true(fabs(error - 70.320123) < 1e-5);
}

/* The reference's "<=" takes a thirteenth weight, 01101011 in the last row: of the equals of the threshold, |w| = 1.1,
 * three belong to the twelve, and that one comes last. */
static void magnitude(void **state) {
    (void)state;
    golden g = golden_new();
    float scores[R * C];
    score(&g, "l1", scores);
    check_mask(&g, scores, by_matrix, "11010010/01011010/01101001");
}

static void relative_importance(void **state) {
    (void)state;
    static const double row[C] = {0.646854, 0.654742, 1.285218, 0.300603, 1.386417, 0.771794, 0.365707, 1.351783};
    golden g = golden_new();
    float scores[R * C];
    score(&g, "ria", scores);
    assert_scores(scores, row);
    double error = check_mask(&g, scores, by_row, "11010010/01011010/00101101");
    assert_true(fabs(error - 107.061111) < 1e-5);
    check_mask(&g, scores, two_of_four, "10010110/01011010/10101001");
}

/* Thirteen with "<=", the largest of them 0.848938: twelve without it. */
static void relative_importance_by_matrix(void **state) {
    (void)state;
    static const char released[] = "11010110/01011010/00101101";
    golden g = golden_new();
    float scores[R * C];
    char expected[sizeof released];
    score(&g, "ria", scores);
    memcpy(expected, released, sizeof released);
    for (int i = 0; i < R * C; i++)
        if (fabs((double)scores[i] - 0.848938) < 1e-6) expected[i / C * (C + 1) + i % C] = '0';
    assert_string_not_equal(expected, released);
    check_mask(&g, scores, by_matrix, expected);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(wanda),
        cmocka_unit_test(magnitude),
        cmocka_unit_test(relative_importance),
        cmocka_unit_test(relative_importance_by_matrix),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
