/* Column orders for N:M patterns: the serpentine by hand, assignment against all permutations, orders that gain, stay
 * inside their stretches, and inputs that cannot be used. */
#include "select/permute.h"
#include "support/memory.h"
#include "support/random.h"

#include <math.h>
#include <omp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

enum { ROWS = 300, COLUMNS = 48, MOST = 7, LARGE = 150 };

/* The best total over all permutations of the rows from `row` on. */
static double best_total(const double *gain, int n, int row, unsigned taken) {
    double best = row == n ? 0.0 : -INFINITY;
    for (int j = 0; j < n && row < n; j++)
        if (!(taken >> j & 1)) best = fmax(best, gain[row * n + j] + best_total(gain, n, row + 1, taken | 1u << j));
    return best;
}

static double total(const double *gain, int64_t n, const uint32_t *of) {
    bool taken[LARGE] = {false};
    double sum = 0.0;
    for (int64_t i = 0; i < n; i++) {
        assert_true(of[i] < n && !taken[of[i]]);
        taken[of[i]] = true;
        sum += gain[i * n + of[i]];
    }
    return sum;
}

/* levels 0: continuous gains; otherwise that many different ones, so that ties abound. */
static void assignment_equals_brute_force(void **state) {
    (void)state;
    pare_random random = {.seed = 3};
    double gain[MOST * MOST];
    uint32_t of[MOST];
    for (int n = 0; n <= MOST; n++)
        for (uint64_t levels = 0; levels < 4; levels++)
            for (int trial = 0; trial < 5; trial++) {
                for (int i = 0; i < n * n; i++)
                    gain[i] = levels ? (double)pare_random_below(&random, levels) : pare_random_uniform(&random) - 0.5;
                assert_int_equal(pare_linear_assignment(gain, n, of), PARE_OK);
                assert_true(fabs(total(gain, n, of) - best_total(gain, n, 0, 0)) < 1e-12);
            }
}

/* A planted optimum: products of two sequences are largest in total when both are in the same order. */
static void large_assignments_are_exact(void **state) {
    (void)state;
    pare_random random = {.seed = 4};
    double *gain, a[LARGE], b[LARGE], best = 0.0;
    uint32_t of[LARGE];
    assert_int_equal(pare_alloc(&gain, LARGE * LARGE, sizeof *gain, "test"), PARE_OK);
    for (int i = 0; i < LARGE; i++) {
        a[i] = i + pare_random_uniform(&random);
        b[i] = i + pare_random_uniform(&random);
        best += a[i] * b[i];
    }
    for (int i = 0; i < LARGE; i++)
        for (int j = 0; j < LARGE; j++)
            gain[i * LARGE + j] = a[i * 37 % LARGE] * b[j * 91 % LARGE];
    assert_int_equal(pare_linear_assignment(gain, LARGE, of), PARE_OK);
    assert_true(fabs(total(gain, LARGE, of) - best) < 1e-9 * best);
    gain[5] = NAN;
    assert_int_equal(pare_linear_assignment(gain, LARGE, of), PARE_NUMERIC_ERROR);
    pare_free(gain);
}

/* One row of 8, M = 4: ascending order cut into four pairs, the second and fourth turned round. */
static void allocation_is_serpentine(void **state) {
    (void)state;
    float scores[] = {8.0f, 7.0f, 6.0f, 5.0f, 4.0f, 3.0f, 2.0f, 1.0f};
    static const uint32_t expected[] = {7, 4, 3, 0, 6, 5, 2, 1};
    pare_permute permute = {.kind = PARE_PERMUTE_ALLOCATE, .keep = 2, .of = 4};
    uint32_t order[8];
    double before, after;
    assert_int_equal(pare_permute_columns(scores, 1, 8, &permute, order, &before, &after), PARE_OK);
    assert_memory_equal(order, expected, sizeof order);
    assert_true(before == 8 + 7 + 4 + 3 && after == 8 + 5 + 7 + 6);
}

static void scores_make(float *scores) {
    pare_normal_fill(scores, 9, 0, 0, 0, ROWS * COLUMNS);
    for (int i = 0; i < ROWS * COLUMNS; i++) /* loud columns side by side: what a permutation is good for */
        scores[i] = fabsf(scores[i]) * (i % COLUMNS / 4 % 3 == 0 ? 4.0f : 1.0f);
}

/* What stays, by selection in plain sight. */
static double stays(const float *scores, const uint32_t *order, int keep, int of) {
    double sum = 0.0;
    for (int row = 0; row < ROWS; row++)
        for (int i = 0; i < COLUMNS; i++) {
            int larger = 0;
            float mine = scores[row * COLUMNS + (int)order[i]];
            for (int j = i - i % of; j < i - i % of + of; j++) {
                float other = scores[row * COLUMNS + (int)order[j]];
                larger += other > mine || (other == mine && j < i);
            }
            if (larger < keep) sum += (double)mine;
        }
    return sum;
}

static void assert_order(const uint32_t *order, int64_t unit) {
    bool taken[COLUMNS] = {false};
    for (int64_t i = 0; i < COLUMNS; i++) {
        assert_true(order[i] < COLUMNS && !taken[order[i]]);
        assert_int_equal((int64_t)order[i] / unit, i / unit);
        taken[order[i]] = true;
    }
}

/* Totals are those of the order to 1e-9; assignment gains on allocation, and chunks gain no more than the whole. */
static void orders_gain_what_they_say(void **state) {
    (void)state;
    static const int patterns[][2] = {{2, 4}, {4, 8}, {1, 4}, {3, 4}, {1, 2}};
    static float scores[ROWS * COLUMNS];
    scores_make(scores);
    for (int i = 0; i < 5; i++) {
        double before, gained[3];
        for (int kind = 0; kind < 3; kind++) {
            pare_permute permute = {.kind = (pare_permutation_kind)kind, .keep = patterns[i][0], .of = patterns[i][1]};
            uint32_t order[COLUMNS];
            assert_int_equal(pare_permute_columns(scores, ROWS, COLUMNS, &permute, order, &before, &gained[kind]),
                             PARE_OK);
            assert_order(order, COLUMNS);
            double direct = stays(scores, order, patterns[i][0], patterns[i][1]);
            assert_true(fabs(direct - gained[kind]) < 1e-9 * direct);
        }
        assert_true(gained[0] == before && gained[1] > before && gained[2] > gained[1]);
    }
}

/* Two blocks of two columns: the assignment of the last slot is one of two orders, and the better one is taken. */
static void assignment_takes_the_better_exchange(void **state) {
    (void)state;
    pare_random random = {.seed = 11};
    for (int trial = 0; trial < 50; trial++) {
        float scores[12];
        uint32_t order[4];
        double before, after, best = 0.0;
        for (int i = 0; i < 12; i++)
            scores[i] = (float)pare_random_uniform(&random);
        for (int mate = 1; mate < 4; mate++) {
            double sum = 0.0;
            int a = mate == 1 ? 2 : 1, b = mate == 3 ? 2 : 3;
            for (int row = 0; row < 3; row++) {
                const float *s = scores + row * 4;
                sum += (double)fmaxf(s[0], s[mate]) + (double)fmaxf(s[a], s[b]);
            }
            best = fmax(best, sum);
        }
        pare_permute permute = {.kind = PARE_PERMUTE_ASSIGN, .keep = 1, .of = 2};
        assert_int_equal(pare_permute_columns(scores, 3, 4, &permute, order, &before, &after), PARE_OK);
        assert_true(after >= before && after <= best + 1e-9);
        /* No exchange between the blocks is left that slot 1's round did not see. */
        double other = 0.0;
        for (int row = 0; row < 3; row++) {
            const float *s = scores + row * 4;
            other += (double)fmaxf(s[order[0]], s[order[3]]) + (double)fmaxf(s[order[2]], s[order[1]]);
        }
        assert_true(after >= other - 1e-6);
    }
}

static void stretches_keep_their_columns(void **state) {
    (void)state;
    static float scores[ROWS * COLUMNS];
    scores_make(scores);
    for (int alike = 0; alike < 2; alike++)
        for (int64_t chunks = 0; chunks < 9; chunks += 2) {
            pare_permute permute = {
                .kind = PARE_PERMUTE_ASSIGN, .keep = 2, .of = 4, .unit = 24, .alike = alike, .chunks = chunks};
            uint32_t order[COLUMNS];
            double before, after;
            assert_int_equal(pare_permute_columns(scores, ROWS, COLUMNS, &permute, order, &before, &after), PARE_OK);
            assert_order(order, 24);
            assert_true(after > before);
            assert_true(fabs(stays(scores, order, 2, 4) - after) < 1e-9 * after);
            for (int i = 0; i < 24 && alike; i++)
                assert_int_equal(order[i] + 24, order[24 + i]);
        }
}

static void what_gains_nothing_stays(void **state) {
    (void)state;
    static float scores[ROWS * COLUMNS];
    uint32_t order[COLUMNS];
    double before, after;
    for (int keep = 0; keep <= 4; keep++) {
        pare_permute permute = {.kind = PARE_PERMUTE_ASSIGN, .keep = keep, .of = 4};
        assert_int_equal(pare_permute_columns(scores, ROWS, COLUMNS, &permute, order, &before, &after), PARE_OK);
        assert_true(before == 0.0 && after == 0.0); /* all scores are 0 */
        for (uint32_t i = 0; i < COLUMNS; i++)
            assert_int_equal(order[i], i);
    }
    scores_make(scores);
    for (int keep = 0; keep <= 4; keep += 4) {
        pare_permute permute = {.kind = PARE_PERMUTE_ASSIGN, .keep = keep, .of = 4};
        assert_int_equal(pare_permute_columns(scores, ROWS, COLUMNS, &permute, order, &before, &after), PARE_OK);
        assert_true(before == after);
        for (uint32_t i = 0; i < COLUMNS; i++)
            assert_int_equal(order[i], i);
    }
}

static void threads_give_the_same_order(void **state) {
    (void)state;
    static float scores[ROWS * COLUMNS];
    pare_permute permute = {.kind = PARE_PERMUTE_ASSIGN, .keep = 2, .of = 4};
    uint32_t order[2][COLUMNS];
    double before, after[2];
    int threads = omp_get_max_threads();
    scores_make(scores);
    for (int i = 0; i < 2; i++) {
        omp_set_num_threads(i ? 3 : 1);
        assert_int_equal(pare_permute_columns(scores, ROWS, COLUMNS, &permute, order[i], &before, &after[i]), PARE_OK);
    }
    omp_set_num_threads(threads);
    assert_memory_equal(order[0], order[1], sizeof order[0]);
    assert_true(after[0] == after[1]);
}

static void bad_input_is_refused(void **state) {
    (void)state;
    static float scores[ROWS * COLUMNS];
    uint32_t order[COLUMNS];
    double before, after;
    pare_permute permute = {.kind = PARE_PERMUTE_ASSIGN, .keep = 2, .of = 5};
    assert_int_equal(pare_permute_columns(scores, ROWS, COLUMNS, &permute, order, &before, &after), PARE_BAD_ARGUMENT);
    assert_non_null(strstr(pare_message(), "48 columns"));
    permute = (pare_permute){.kind = PARE_PERMUTE_ASSIGN, .keep = 2, .of = 4, .unit = 6};
    assert_int_equal(pare_permute_columns(scores, ROWS, COLUMNS, &permute, order, &before, &after), PARE_BAD_ARGUMENT);
    permute.unit = 32;
    assert_int_equal(pare_permute_columns(scores, ROWS, COLUMNS, &permute, order, &before, &after), PARE_BAD_ARGUMENT);
    permute = (pare_permute){.kind = PARE_PERMUTE_ASSIGN, .keep = 5, .of = 4};
    assert_int_equal(pare_permute_columns(scores, ROWS, COLUMNS, &permute, order, &before, &after), PARE_BAD_ARGUMENT);
    permute.keep = 2;
    scores[77] = NAN;
    assert_int_equal(pare_permute_columns(scores, ROWS, COLUMNS, &permute, order, &before, &after), PARE_NUMERIC_ERROR);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(assignment_equals_brute_force),
                                       cmocka_unit_test(large_assignments_are_exact),
                                       cmocka_unit_test(allocation_is_serpentine),
                                       cmocka_unit_test(orders_gain_what_they_say),
                                       cmocka_unit_test(assignment_takes_the_better_exchange),
                                       cmocka_unit_test(stretches_keep_their_columns),
                                       cmocka_unit_test(what_gains_nothing_stays),
                                       cmocka_unit_test(threads_give_the_same_order),
                                       cmocka_unit_test(bad_input_is_refused)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
