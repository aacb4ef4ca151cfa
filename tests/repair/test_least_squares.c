/* Least squares for surviving columns against normal equations solved another way, and where there is little to solve:
 * nothing removed, dead columns, a single token, NaN. */
#include "least_squares_problem.h"
#include "repair/least_squares.h"

static const uint32_t kept_list[] = {0, 2, 3, 4, 7, 8, 10, 11};
enum { KEPT = sizeof kept_list / sizeof *kept_list };

static void kept_flags(bool keep[LS_WIDTH]) {
    memset(keep, 0, LS_WIDTH * sizeof *keep);
    for (int i = 0; i < KEPT; i++)
        keep[kept_list[i]] = true;
}

static pare_least_squares problem_of(const ls_problem *p, double damping) {
    return (pare_least_squares){.rows = LS_ROWS,
                                .columns = {.gram = p->gram,
                                            .width = LS_WIDTH,
                                            .kept = kept_list,
                                            .count = KEPT,
                                            .damping = damping,
                                            .what = "test inputs"},
                                .cross = p->cross,
                                .residual = p->residual};
}

static void solve_and_compare(const ls_problem *p, double damping) {
    float weights[LS_ROWS * LS_WIDTH];
    double expected[LS_ROWS * LS_WIDTH], cut[LS_ROWS * LS_WIDTH];
    bool keep[LS_WIDTH];
    pare_fit fit;
    pare_least_squares problem = problem_of(p, damping);
    memcpy(weights, p->weights, sizeof weights);
    kept_flags(keep);
    assert_int_equal(pare_least_squares_solve(&problem, weights, &fit), PARE_OK);
    assert_close("lambda", fit.damping.lambda, damping * p->mean, 1e-6);
    ls_solve(p, keep, fit.damping.lambda, expected);
    for (int i = 0; i < LS_ROWS * LS_WIDTH; i++) {
        assert_true(fabs((double)weights[i] - expected[i]) < 1e-6);
        cut[i] = keep[i % LS_WIDTH] ? (double)p->weights[i] : 0.0;
    }
    assert_close("before", fit.before, ls_objective(p, cut, 0.0), 1e-9);
    assert_close("after", fit.after, ls_objective(p, expected, 0.0), 1e-9);
    assert_true(fit.after < fit.before);
}

static void normal_equations_agree(void **state) {
    (void)state;
    ls_problem p;
    for (uint64_t seed = 1; seed < 5; seed++) {
        ls_make(&p, LS_TOKENS, -1, seed);
        solve_and_compare(&p, 1e-6);
        solve_and_compare(&p, 0.3);
    }
}

/* A step in any direction must not help: the gradient of the damped objective is zero. */
static void no_step_helps(void **state) {
    (void)state;
    ls_problem p;
    float weights[LS_ROWS * LS_WIDTH];
    double best[LS_ROWS * LS_WIDTH];
    bool keep[LS_WIDTH];
    pare_fit fit;
    ls_make(&p, LS_TOKENS, -1, 9);
    pare_least_squares problem = problem_of(&p, 1e-2);
    memcpy(weights, p.weights, sizeof weights);
    kept_flags(keep);
    assert_int_equal(pare_least_squares_solve(&problem, weights, &fit), PARE_OK);
    for (int i = 0; i < LS_ROWS * LS_WIDTH; i++)
        best[i] = (double)weights[i];
    double lowest = ls_objective(&p, best, fit.damping.lambda);
    for (int i = 0; i < LS_ROWS; i++)
        for (int k = 0; k < KEPT; k++)
            for (double step = -1e-3; step < 2e-3; step += 2e-3) {
                double *at = &best[i * LS_WIDTH + (int)kept_list[k]], old = *at;
                *at += step;
                assert_true(ls_objective(&p, best, fit.damping.lambda) > lowest);
                *at = old;
            }
}

static void nothing_removed_changes_nothing(void **state) {
    (void)state;
    ls_problem p;
    float weights[LS_ROWS * LS_WIDTH];
    pare_fit fit;
    ls_make(&p, LS_TOKENS, 4, 3);
    pare_least_squares problem = problem_of(&p, 1e-2);
    problem.columns.kept = NULL;
    problem.cross = NULL;
    problem.residual = 0.0;
    memcpy(weights, p.weights, sizeof weights);
    assert_int_equal(pare_least_squares_solve(&problem, weights, &fit), PARE_OK);
    assert_memory_equal(weights, p.weights, sizeof weights);
    assert_true(fit.before == 0.0 && fit.after == 0.0);
}

/* With much damping the weights stay those that were cut. */
static void the_ridge_pulls_to_the_old_weights(void **state) {
    (void)state;
    ls_problem p;
    float weights[LS_ROWS * LS_WIDTH];
    bool keep[LS_WIDTH];
    pare_fit fit;
    ls_make(&p, LS_TOKENS, -1, 3);
    pare_least_squares problem = problem_of(&p, 1e9);
    memcpy(weights, p.weights, sizeof weights);
    kept_flags(keep);
    assert_int_equal(pare_least_squares_solve(&problem, weights, &fit), PARE_OK);
    for (int i = 0; i < LS_ROWS * LS_WIDTH; i++)
        assert_true(fabsf(weights[i] - (keep[i % LS_WIDTH] ? p.weights[i] : 0.0f)) < 1e-6f);
}

static void dead_columns_keep_their_weights(void **state) {
    (void)state;
    ls_problem p;
    ls_make(&p, LS_TOKENS, 4, 6);
    float weights[LS_ROWS * LS_WIDTH];
    pare_fit fit;
    for (double damping = 0.0; damping < 0.02; damping += 0.01) {
        pare_least_squares problem = problem_of(&p, damping);
        memcpy(weights, p.weights, sizeof weights);
        assert_int_equal(pare_least_squares_solve(&problem, weights, &fit), PARE_OK);
        assert_int_equal(fit.damping.dead, 1);
        assert_int_equal(fit.damping.raised, 0);
        assert_true(fit.after < fit.before);
        for (int i = 0; i < LS_ROWS; i++)
            assert_true(weights[i * LS_WIDTH + 4] == p.weights[i * LS_WIDTH + 4]);
    }
}

/* One token: the Gram matrix has rank one. Without damping the factorisation fails and damping goes up; the one target
 * is then met. */
static void one_token_raises_the_damping(void **state) {
    (void)state;
    ls_problem p;
    float weights[LS_ROWS * LS_WIDTH];
    pare_fit fit;
    ls_make(&p, 1, -1, 8);
    pare_least_squares problem = problem_of(&p, 0.0);
    memcpy(weights, p.weights, sizeof weights);
    assert_int_equal(pare_least_squares_solve(&problem, weights, &fit), PARE_OK);
    assert_true(fit.damping.raised > 0);
    assert_true(fit.damping.share > 0.0);
    assert_true(fit.after < 1e-3 * fit.before);
}

static void numbers_that_are_none_are_refused(void **state) {
    (void)state;
    ls_problem p;
    float weights[LS_ROWS * LS_WIDTH];
    pare_fit fit;
    for (int where = 0; where < 4; where++) {
        ls_make(&p, LS_TOKENS, -1, 3);
        memcpy(weights, p.weights, sizeof weights);
        float *spoilt[] = {&p.gram[0], &p.gram[2 * LS_WIDTH + 7], &p.cross[4], &weights[1]};
        *spoilt[where] = where == 2 ? INFINITY : NAN;
        pare_least_squares problem = problem_of(&p, 1e-2);
        assert_int_equal(pare_least_squares_solve(&problem, weights, &fit), PARE_NUMERIC_ERROR);
        assert_non_null(strstr(pare_message(), "test inputs"));
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(normal_equations_agree),
        cmocka_unit_test(no_step_helps),
        cmocka_unit_test(nothing_removed_changes_nothing),
        cmocka_unit_test(the_ridge_pulls_to_the_old_weights),
        cmocka_unit_test(dead_columns_keep_their_weights),
        cmocka_unit_test(one_token_raises_the_damping),
        cmocka_unit_test(numbers_that_are_none_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
