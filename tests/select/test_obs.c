/* Greedy removal against brute force: the first unit to go is the one that least squares says, errors and weights are
 * those of the least-squares problem of what is left, with any worth of the outputs. */
#include "least_squares_problem.h"
#include "select/obs.h"

enum { PLAIN, METRIC, WORTHS };

typedef struct worth {
    float metric[LS_ROWS * LS_ROWS];
} worth;

static pare_obs_problem problem_of(ls_problem *p, worth *w, int kind, double damping) {
    pare_random random = {.seed = 77};
    double factor[LS_ROWS][LS_ROWS];
    for (int i = 0; i < LS_ROWS; i++)
        for (int j = 0; j < LS_ROWS; j++)
            factor[i][j] = pare_random_uniform(&random) - 0.3;
    memset(p->metric, 0, sizeof p->metric);
    for (int i = 0; i < LS_ROWS; i++) {
        for (int j = 0; j < LS_ROWS; j++) {
            for (int k = 0; k < LS_ROWS && kind == METRIC; k++)
                p->metric[i][j] += factor[i][k] * factor[j][k];
            if (kind != METRIC && i == j) p->metric[i][j] = 1.0;
            w->metric[i * LS_ROWS + j] = (float)p->metric[i][j];
            p->metric[i][j] = (double)w->metric[i * LS_ROWS + j];
        }
    }
    return (pare_obs_problem){.rows = LS_ROWS,
                              .width = LS_WIDTH,
                              .weights = p->weights,
                              .gram = p->gram,
                              .cross = p->cross,
                              .metric = kind == METRIC ? w->metric : NULL,
                              .damping = damping,
                              .what = "test inputs"};
}

/* The damped objective of the best weights in the kept columns, the removed ones counting as set to zero. */
static double objective(const ls_problem *p, const bool *keep, double lambda) {
    double v[LS_ROWS * LS_WIDTH];
    ls_solve(p, keep, lambda, v);
    return ls_objective(p, v, lambda);
}

static void flags(const pare_obs *obs, bool keep[LS_WIDTH]) {
    int64_t count;
    const uint32_t *columns = pare_obs_columns(obs, &count);
    memset(keep, 0, LS_WIDTH * sizeof *keep);
    for (int64_t i = 0; i < count; i++)
        keep[columns[i]] = true;
}

static void the_cheapest_unit_goes_first(void **state) {
    (void)state;
    static const int units[] = {1, 2, 3, 4};
    for (int kind = 0; kind < WORTHS; kind++)
        for (int i = 0; i < 4; i++)
            for (uint64_t seed = 1; seed < 4; seed++) {
                ls_problem p;
                worth w;
                pare_obs *obs;
                bool keep[LS_WIDTH], all[LS_WIDTH], after[LS_WIDTH];
                ls_make(&p, LS_TOKENS, -1, seed);
                pare_obs_problem problem = problem_of(&p, &w, kind, 1e-3);
                double lambda = 1e-3 * p.mean, lowest = INFINITY, error;
                int best = -1;
                memset(all, true, sizeof all);
                for (int u = 0; u < LS_WIDTH / units[i]; u++) {
                    memcpy(keep, all, sizeof keep);
                    memset(keep + u * units[i], false, (size_t)units[i] * sizeof *keep);
                    double value = objective(&p, keep, lambda);
                    if (value < lowest) lowest = value, best = u;
                }
                pare_obs_step step = {.unit = units[i], .count = 1, .curve = &error};
                assert_int_equal(pare_obs_new(&problem, &obs), PARE_OK);
                assert_int_equal(pare_obs_remove(obs, &step), PARE_OK);
                flags(obs, after);
                for (int j = 0; j < LS_WIDTH; j++)
                    assert_int_equal(after[j], j / units[i] != best);
                assert_close("error", error, lowest - objective(&p, all, lambda), 1e-7);
                pare_obs_free(obs);
            }
}

/* Any way of removing leaves least-squares weights, and its curve is the growth of the objective. */
static void what_is_left_is_least_squares(const pare_obs_step *steps, int count, int kind) {
    ls_problem p;
    worth w;
    pare_obs *obs;
    bool keep[LS_WIDTH], all[LS_WIDTH];
    double expected[LS_ROWS * LS_WIDTH], lambda;
    int64_t left;
    ls_make(&p, LS_TOKENS, -1, 5);
    pare_obs_problem problem = problem_of(&p, &w, kind, 1e-2);
    lambda = 1e-2 * p.mean;
    memset(all, true, sizeof all);
    assert_int_equal(pare_obs_new(&problem, &obs), PARE_OK);
    for (int i = 0; i < count; i++) {
        assert_int_equal(pare_obs_remove(obs, &steps[i]), PARE_OK);
        flags(obs, keep);
        ls_solve(&p, keep, lambda, expected);
        const uint32_t *columns = pare_obs_columns(obs, &left);
        const double *weights = pare_obs_weights(obs);
        for (int64_t row = 0; row < LS_ROWS; row++)
            for (int64_t j = 0; j < left; j++)
                assert_true(fabs(weights[row * left + j] - expected[row * LS_WIDTH + columns[j]]) < 1e-9);
        double grown = ls_objective(&p, expected, lambda) - objective(&p, all, lambda);
        assert_close("curve", pare_obs_error(obs), grown, 1e-7);
        if (steps[i].curve) assert_true(steps[i].curve[steps[i].count - 1] == pare_obs_error(obs));
        for (int64_t j = 1; steps[i].curve && j < steps[i].count; j++)
            assert_true(steps[i].curve[j] >= steps[i].curve[j - 1]);
    }
    pare_obs_free(obs);
}

static void weights_and_errors_are_exact(void **state) {
    (void)state;
    double curve[2][LS_WIDTH];
    for (int kind = 0; kind < WORTHS; kind++) {
        pare_obs_step one_by_one = {.unit = 1, .count = 7, .curve = curve[0]};
        what_is_left_is_least_squares(&one_by_one, 1, kind);
        pare_obs_step rounds = {.unit = 1, .count = 7, .fraction = 0.3, .curve = curve[0]};
        what_is_left_is_least_squares(&rounds, 1, kind);
        pare_obs_step heads = {.unit = 3, .count = 2, .curve = curve[0]};
        what_is_left_is_least_squares(&heads, 1, kind);
        const pare_obs_step both[] = {{.unit = 6, .count = 1, .curve = curve[0]},
                                      {.unit = 1, .count = 4, .groups = 2, .curve = curve[1]}};
        what_is_left_is_least_squares(both, 2, kind);
    }
}

/* What is left, taken as the fit, is what the normal equations give, token by token: weights, errors before and after,
 * and weights of inputs that were always 0, which stay where their columns do. */
static void takes_the_fit(int dead, bool crossed, int kind, int64_t count) {
    ls_problem p;
    worth w;
    pare_obs *obs;
    bool keep[LS_WIDTH];
    float weights[LS_ROWS * LS_WIDTH];
    double cut[LS_ROWS * LS_WIDTH], after[LS_ROWS * LS_WIDTH];
    pare_obs_fitted fitted;
    ls_make(&p, LS_TOKENS, dead, 5);
    if (!crossed) ls_forget_targets(&p);
    pare_obs_problem problem = problem_of(&p, &w, kind, 1e-2);
    if (!crossed) problem.cross = NULL;
    const pare_obs_step step = {.unit = 1, .count = count, .fraction = 0.2};
    assert_int_equal(pare_obs_new(&problem, &obs), PARE_OK);
    assert_int_equal(pare_obs_remove(obs, &step), PARE_OK);
    flags(obs, keep);
    memcpy(weights, p.weights, sizeof weights);
    assert_int_equal(pare_obs_fit(obs, &problem, p.residual, weights, &fitted), PARE_OK);
    for (int i = 0; i < LS_ROWS * LS_WIDTH; i++) {
        int column = i % LS_WIDTH;
        cut[i] = keep[column] ? (double)p.weights[i] : 0.0;
        after[i] = (double)weights[i];
        if (!keep[column]) assert_true(weights[i] == 0.0f);
        if (keep[column] && column == dead) assert_true(weights[i] == p.weights[i]);
    }
    memset(p.metric, 0, sizeof p.metric); /* errors of all outputs alike */
    for (int i = 0; i < LS_ROWS; i++)
        p.metric[i][i] = 1.0;
    assert_close("before", fitted.before, ls_objective(&p, cut, 0.0), 1e-6);
    assert_close("after", fitted.after, ls_objective(&p, after, 0.0), 1e-6);
    assert_true(count == 0 || fitted.after < fitted.before);
    assert_true(fitted.damping.lambda > 0.0 && !fitted.damping.raised);
    if (dead < 0) {
        double expected[LS_ROWS * LS_WIDTH];
        ls_solve(&p, keep, fitted.damping.lambda, expected);
        for (int i = 0; i < LS_ROWS * LS_WIDTH; i++)
            assert_true(fabs(after[i] - expected[i]) < 1e-6);
    }
    pare_obs_free(obs);
}

static void what_is_left_is_the_fit(void **state) {
    (void)state;
    for (int kind = 0; kind < WORTHS; kind++)
        for (int crossed = 0; crossed < 2; crossed++)
            for (int64_t count = 0; count < LS_WIDTH - 1; count += 5) {
                takes_the_fit(-1, crossed, kind, count);
                takes_the_fit(7, crossed, kind, count);
            }
}

static void groups_lose_evenly(void **state) {
    (void)state;
    ls_problem p;
    worth w;
    pare_obs *obs;
    bool keep[LS_WIDTH];
    ls_make(&p, LS_TOKENS, -1, 2);
    for (int i = 0; i < LS_ROWS * LS_WIDTH; i++) /* the second group has much less to say */
        if (i % LS_WIDTH >= 4 && i % LS_WIDTH < 8) p.weights[i] *= 1e-3f;
    pare_obs_problem problem = problem_of(&p, &w, PLAIN, 1e-2);
    problem.cross = NULL;
    for (int groups = 1; groups <= 3; groups += 2) {
        pare_obs_step step = {.unit = 1, .count = 3, .groups = groups};
        int lost[3] = {0};
        assert_int_equal(pare_obs_new(&problem, &obs), PARE_OK);
        assert_int_equal(pare_obs_remove(obs, &step), PARE_OK);
        flags(obs, keep);
        for (int j = 0; j < LS_WIDTH; j++)
            lost[j / 4] += !keep[j];
        assert_int_equal(lost[1], groups == 1 ? 3 : 1);
        assert_int_equal(lost[0], groups == 1 ? 0 : 1);
        pare_obs_free(obs);
    }
}

/* Equal units: the lower index goes first. A column without inputs goes before all others, at no cost. */
static void ties_and_dead_columns(void **state) {
    (void)state;
    float gram[16] = {0}, weights[4] = {1, 1, 1, 1};
    double error;
    int64_t left;
    pare_obs *obs;
    for (int dead = 0; dead < 2; dead++) {
        for (int i = 0; i < 4; i++)
            gram[i * 5] = dead && i == 2 ? 0.0f : 4.0f;
        pare_obs_problem problem = {
            .rows = 1, .width = 4, .weights = weights, .gram = gram, .damping = 0.01, .what = "test inputs"};
        pare_obs_step step = {.unit = 1, .count = 1, .curve = &error};
        assert_int_equal(pare_obs_new(&problem, &obs), PARE_OK);
        assert_int_equal(pare_obs_remove(obs, &step), PARE_OK);
        const uint32_t *columns = pare_obs_columns(obs, &left);
        assert_int_equal(left, 3);
        assert_int_equal(columns[0], dead ? 0 : 1);
        assert_int_equal(columns[2], 3);
        assert_int_equal(error == 0.0, dead);
        pare_obs_free(obs);
    }
}

static void nonsense_is_refused(void **state) {
    (void)state;
    ls_problem p;
    worth w;
    pare_obs *obs;
    ls_make(&p, LS_TOKENS, -1, 2);
    pare_obs_problem problem = problem_of(&p, &w, PLAIN, 1e-2);
    const pare_obs_step wrong[] = {{.unit = 5, .count = 1},
                                   {.unit = 0, .count = 1},
                                   {.unit = 3, .count = 5},
                                   {.unit = 1, .count = 3, .groups = 2},
                                   {.unit = 1, .count = 2, .fraction = 1.5}};
    assert_int_equal(pare_obs_new(&problem, &obs), PARE_OK);
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        assert_int_equal(pare_obs_remove(obs, &wrong[i]), PARE_BAD_ARGUMENT);
    pare_obs_free(obs);
    p.weights[3] = NAN;
    assert_int_equal(pare_obs_new(&problem, &obs), PARE_NUMERIC_ERROR);
    assert_null(obs);
    assert_non_null(strstr(pare_message(), "test inputs"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_cheapest_unit_goes_first), cmocka_unit_test(weights_and_errors_are_exact),
        cmocka_unit_test(what_is_left_is_the_fit),      cmocka_unit_test(groups_lose_evenly),
        cmocka_unit_test(ties_and_dead_columns),        cmocka_unit_test(nonsense_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
