/* The damping of a correction that few tokens would overfit: what is chosen from halves is, on tokens that nobody saw,
 * better than next to no damping and better than no correction; with plenty of tokens it falls; and where inputs say
 * nothing, nothing helps. */
#include "golden.h"
#include "repair/held_out.h"
#include "support/random.h"

#include <math.h>
#include <string.h>

static double normal(pare_random *random) {
    double radius = sqrt(-2.0 * log(1.0 - pare_random_uniform(random)));
    return radius * cos(6.283185307179586 * pare_random_uniform(random));
}

enum { WIDTH = 24, ROWS = 24, FRESH = 6000 };

typedef struct sums {
    float gram[WIDTH * WIDTH], cross[ROWS * WIDTH];
    double residual;
} sums;

/* r = B x + e; coupling: of B. */
typedef struct world {
    double b[ROWS][WIDTH];
} world;

static void make_world(world *w, double coupling, uint64_t seed) {
    pare_random random = {.seed = seed};
    for (int i = 0; i < ROWS; i++)
        for (int j = 0; j < WIDTH; j++)
            w->b[i][j] = coupling * normal(&random);
}

static void add_tokens(const world *w, int tokens, uint64_t seed, sums *out) {
    pare_random random = {.seed = seed};
    double gram[WIDTH][WIDTH] = {{0}}, cross[ROWS][WIDTH] = {{0}};
    for (int t = 0; t < tokens; t++) {
        double x[WIDTH], r[ROWS];
        for (int j = 0; j < WIDTH; j++)
            x[j] = normal(&random);
        for (int i = 0; i < ROWS; i++) {
            r[i] = normal(&random);
            for (int j = 0; j < WIDTH; j++)
                r[i] += w->b[i][j] * x[j];
            out->residual += r[i] * r[i];
            for (int j = 0; j < WIDTH; j++)
                cross[i][j] += r[i] * x[j];
        }
        for (int i = 0; i < WIDTH; i++)
            for (int j = 0; j < WIDTH; j++)
                gram[i][j] += x[i] * x[j];
    }
    for (int i = 0; i < WIDTH * WIDTH; i++)
        out->gram[i] += (float)gram[i / WIDTH][i % WIDTH];
    for (int i = 0; i < ROWS * WIDTH; i++)
        out->cross[i] += (float)cross[i / WIDTH][i % WIDTH];
}

static pare_least_squares problem_of(const sums *s, double damping) {
    return (pare_least_squares){
        .rows = ROWS,
        .columns = {.gram = s->gram, .width = WIDTH, .count = WIDTH, .damping = damping, .what = "test inputs"},
        .cross = s->cross,
        .residual = s->residual};
}

/* Of what is fitted with this damping, on other tokens, as a share of no correction's. */
static double error_of(const sums *fitted, const sums *fresh, double damping) {
    float a[ROWS * WIDTH] = {0};
    double sum = fresh->residual;
    pare_fit fit;
    pare_least_squares problem = problem_of(fitted, damping);
    assert_int_equal(pare_least_squares_solve(&problem, a, &fit), PARE_OK);
    for (int i = 0; i < ROWS; i++)
        for (int j = 0; j < WIDTH; j++) {
            double product = 0.0;
            for (int k = 0; k < WIDTH; k++)
                product += (double)a[i * WIDTH + k] * (double)fresh->gram[k * WIDTH + j];
            sum += (double)a[i * WIDTH + j] * (product - 2.0 * (double)fresh->cross[i * WIDTH + j]);
        }
    return sum / fresh->residual;
}

static pare_held_out_choice choose(const world *w, int tokens, uint64_t seed, double start, sums *all) {
    static sums half;
    float room[ROWS * WIDTH];
    pare_held_out_choice choice;
    memset(all, 0, sizeof *all);
    add_tokens(w, tokens / 2, seed, all);
    half = *all;
    add_tokens(w, tokens - tokens / 2, seed + 1000, all);
    pare_least_squares problem = problem_of(all, start);
    pare_held_out halves = {&problem, half.gram, half.cross, room};
    assert_int_equal(pare_held_out_damping(&halves, &choice), PARE_OK);
    return choice;
}

static void better_than_both_extremes(void **state) {
    (void)state;
    static sums all, fresh;
    world w;
    for (uint64_t seed = 1; seed < 6; seed++) {
        memset(&fresh, 0, sizeof fresh);
        make_world(&w, 0.08, seed);
        add_tokens(&w, FRESH, 77 + seed, &fresh);
        pare_held_out_choice choice = choose(&w, 4 * WIDTH, seed * 10, 0.1, &all);
        double chosen = error_of(&all, &fresh, choice.damping), least = error_of(&all, &fresh, 1e-4);
        assert_true(choice.score < 0.0);
        assert_true(least > 1.0); /* overfitted: worse than no correction */
        assert_true(chosen < 1.0 && chosen < least);
        for (double damping = 1e-3; damping < 1e3; damping *= 2.0) /* the best there is, nearly */
            assert_true(chosen < error_of(&all, &fresh, damping) + 0.02);
    }
}

/* lambda / mean diagonal = s / (b n) with n tokens, here 1 / (coupling^2 n): a step of the search is the square root of
 * ten. */
static void as_theory_has_it(void **state) {
    (void)state;
    static sums all;
    world w;
    for (int tokens = 200; tokens <= 20000; tokens *= 10) {
        make_world(&w, 0.1, 3);
        double damping = choose(&w, tokens, 5, 0.1, &all).damping, expected = 100.0 / (double)tokens;
        assert_true(damping > expected / 6.0 && damping < expected * 6.0);
    }
}

/* From either side. */
static void where_it_starts_matters_little(void **state) {
    (void)state;
    static sums all;
    world w;
    make_world(&w, 0.08, 9);
    double up = choose(&w, 100, 4, 0.01, &all).damping, down = choose(&w, 100, 4, 100.0, &all).damping;
    assert_true(fabs(log(up / down)) < 1e-6);
}

/* Of 24 weights per row and 48 tokens, next to no damping doubles the error. Chance may speak for a correction; it
 * stays small. */
static void nothing_to_learn(void **state) {
    (void)state;
    static sums all, fresh;
    world w;
    int refused = 0;
    make_world(&w, 0.0, 1);
    memset(&fresh, 0, sizeof fresh);
    add_tokens(&w, FRESH, 78, &fresh);
    for (uint64_t seed = 1; seed < 11; seed++) {
        pare_held_out_choice choice = choose(&w, 2 * WIDTH, seed * 10, 0.1, &all);
        assert_true(error_of(&all, &fresh, 1e-3) > 1.5);
        assert_true(choice.score >= 0.0 || error_of(&all, &fresh, choice.damping) < 1.05);
        refused += choice.score >= 0.0;
    }
    assert_true(refused > 0);
}

/* What goes in is turned twice: the first half again. */
static void halves_come_back(void **state) {
    (void)state;
    static sums all, half;
    float room[ROWS * WIDTH];
    world w;
    pare_held_out_choice choice, again;
    make_world(&w, 0.2, 2);
    memset(&all, 0, sizeof all);
    pare_least_squares problem = problem_of(&all, 0.1);
    add_tokens(&w, 100, 1, &all);
    half = all;
    pare_held_out halves = {&problem, half.gram, half.cross, room};
    /* the second half is empty: nothing can be fitted to it, and nothing is judged by it */
    assert_int_equal(pare_held_out_damping(&halves, &choice), PARE_OK);
    assert_true(choice.score == 0.0);
    assert_int_equal(pare_held_out_damping(&halves, &again), PARE_OK);
    assert_memory_equal(&choice, &again, sizeof again);
    half.gram[3] = NAN;
    half.gram[0] = NAN;
    assert_int_equal(pare_held_out_damping(&halves, &choice), PARE_NUMERIC_ERROR);
}

/* Row r is row r % SOME, with which all rows of a sum are alike, times a factor, a few of them large: as many rows as
 * there are, with the sum of squares of their factors, have the same S. */
static void many_rows_are_judged_by_few(void **state) {
    (void)state;
    enum { MANY = 5 * PARE_HELD_OUT_ROWS / 2, TALL = 4, SOME = 16 };
    static sums all, half;
    static float wide[2][MANY * WIDTH], room[MANY * WIDTH];
    for (uint64_t seed = 1; seed < 9; seed++) {
        double squares[ROWS] = {0};
        pare_random random = {.seed = seed};
        world w;
        make_world(&w, 0.15, seed);
        memset(&all, 0, sizeof all);
        add_tokens(&w, 3 * WIDTH, seed, &all);
        half = all;
        add_tokens(&w, 3 * WIDTH, seed + 1000, &all);
        for (int r = 0; r < MANY; r++) {
            float factor = (float)(fabs(normal(&random)) * (r % 97 == 0 ? TALL : 1));
            squares[r % SOME] += (double)factor * (double)factor;
            for (int j = 0; j < WIDTH; j++) {
                wide[0][r * WIDTH + j] = factor * all.cross[r % SOME * WIDTH + j];
                wide[1][r * WIDTH + j] = factor * half.cross[r % SOME * WIDTH + j];
            }
        }
        for (int i = 0; i < ROWS * WIDTH; i++) {
            all.cross[i] *= (float)sqrt(squares[i / WIDTH]);
            half.cross[i] *= (float)sqrt(squares[i / WIDTH]);
        }
        pare_held_out_choice few, exact;
        pare_least_squares problem = problem_of(&all, 0.1), rows = problem;
        rows.rows = MANY;
        rows.cross = wide[0];
        pare_held_out halves = {&problem, half.gram, half.cross, room};
        assert_int_equal(pare_held_out_damping(&halves, &exact), PARE_OK);
        halves = (pare_held_out){&rows, half.gram, wide[1], room};
        assert_int_equal(pare_held_out_damping(&halves, &few), PARE_OK);
        assert_true(exact.score < 0.0);
        if (few.damping != exact.damping || !(fabs(few.score / exact.score - 1.0) < 0.25))
            fail_msg("seed %d: %g (%g) by few, %g (%g) by all", (int)seed, few.damping, few.score, exact.damping,
                     exact.score);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(better_than_both_extremes),      cmocka_unit_test(as_theory_has_it),
        cmocka_unit_test(where_it_starts_matters_little), cmocka_unit_test(nothing_to_learn),
        cmocka_unit_test(many_rows_are_judged_by_few),    cmocka_unit_test(halves_come_back)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
