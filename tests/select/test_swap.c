/* Exact swaps against brute force: at the end no pair helps, the error is that of the mask, patterns hold, and what has
 * no error or no choice is left alone. */
#include "select/swap.h"
#include "support/random.h"

#include <math.h>
#include <omp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

enum { ROWS = 9, WIDE = 203, TOKENS = 90, RANK = 12 };

typedef struct problem {
    int64_t columns;
    float weights[ROWS * WIDE], gram[WIDE * WIDE];
    pare_element_mask mask;
} problem;

/* Correlated inputs, fewer tokens than the widest matrix has columns; some columns are dead. */
static void problem_new(problem *p, int64_t columns, uint64_t seed) {
    static float x[TOKENS * WIDE], factor[TOKENS * RANK], mixing[RANK * WIDE];
    p->columns = columns;
    pare_normal_fill(p->weights, seed, 0, 0, 0, (size_t)(ROWS * columns));
    pare_normal_fill(x, seed, 0, 1, 0, (size_t)(TOKENS * columns));
    pare_normal_fill(factor, seed, 0, 2, 0, TOKENS * RANK);
    pare_normal_fill(mixing, seed, 0, 3, 0, (size_t)(RANK * columns));
    for (int64_t t = 0; t < TOKENS; t++)
        for (int64_t j = 0; j < columns; j++) {
            for (int64_t k = 0; k < RANK; k++)
                x[t * columns + j] += factor[t * RANK + k] * mixing[k * columns + j];
            if (j % 17 == 5) x[t * columns + j] = 0.0f;
        }
    for (int64_t i = 0; i < columns; i++)
        for (int64_t j = 0; j < columns; j++) {
            double sum = 0.0;
            for (int64_t t = 0; t < TOKENS; t++)
                sum += (double)x[t * columns + i] * (double)x[t * columns + j];
            p->gram[i * columns + j] = (float)sum;
        }
    assert_int_equal(pare_element_mask_new(ROWS, columns, &p->mask), PARE_OK);
}

/* The first `keep` of every group stay. */
static void start(problem *p, int64_t keep, int64_t of) {
    for (int64_t i = 0; i < ROWS; i++)
        for (int64_t j = 0; j < p->columns; j++) {
            int64_t length = p->columns - (j - j % of) < of ? p->columns - (j - j % of) : of;
            pare_element_keep(&p->mask, i, j, j % of < (length * keep + of - 1) / of);
        }
}

static double missing(const problem *p, int64_t row, int64_t j) {
    return pare_element_kept(&p->mask, row, j) ? 0.0 : (double)p->weights[row * p->columns + j];
}

static double row_error(const problem *p, int64_t row) {
    double sum = 0.0;
    for (int64_t i = 0; i < p->columns; i++)
        for (int64_t j = 0; j < p->columns && missing(p, row, i) != 0.0; j++)
            sum += missing(p, row, i) * missing(p, row, j) * (double)p->gram[i * p->columns + j];
    return sum;
}

static double error(const problem *p) {
    double sum = 0.0;
    for (int64_t row = 0; row < ROWS; row++)
        sum += row_error(p, row);
    return sum;
}

/* What the row's error changes by when `a` goes and `b` stays instead: both masks summed up whole. */
static double measured_change(problem *p, int64_t row, int64_t a, int64_t b) {
    double before = row_error(p, row);
    pare_element_keep(&p->mask, row, a, false);
    pare_element_keep(&p->mask, row, b, true);
    double after = row_error(p, row);
    pare_element_keep(&p->mask, row, a, true);
    pare_element_keep(&p->mask, row, b, false);
    return after - before;
}

/* No pair lowers the error of the row: by more than twice the share that counts, which leaves room for the rounding of
 * both sides. Changes come from the expanded square, which some of them measure: all in narrow rows, every 997th else.
 */
static void assert_no_pair_helps(problem *p, int64_t row, int64_t of) {
    double c[WIDE] = {0.0}, error = row_error(p, row);
    int64_t pairs = 0;
    const float *w = p->weights + row * p->columns;
    for (int64_t i = 0; i < p->columns; i++)
        for (int64_t j = 0; j < p->columns; j++)
            c[i] += missing(p, row, j) * (double)p->gram[i * p->columns + j];
    for (int64_t a = 0; a < p->columns; a++)
        for (int64_t b = 0; b < p->columns; b++) {
            if (!pare_element_kept(&p->mask, row, a) || pare_element_kept(&p->mask, row, b)) continue;
            if (of && a / of != b / of) continue;
            double wa = (double)w[a], wb = (double)w[b];
            double qa = wa * wa * (double)p->gram[a * p->columns + a];
            double qb = wb * wb * (double)p->gram[b * p->columns + b];
            double change =
                2.0 * wa * c[a] + qa - 2.0 * wb * c[b] + qb - 2.0 * wa * wb * (double)p->gram[a * p->columns + b];
            assert_true(change >= -2e-9 * (qa + qb));
            if (p->columns <= 31 || pairs++ % 997 == 0)
                assert_true(fabs(measured_change(p, row, a, b) - change) <= 1e-12 * (error + qa + qb));
        }
}

static pare_swap_result refine(problem *p, const pare_swap *options) {
    pare_swap_result result;
    assert_int_equal(pare_swap_refine(p->weights, p->gram, options, &p->mask, &result), PARE_OK);
    return result;
}

/* Errors agree with a direct sum to 1e-12 of what one weight alone costs in total: c is held in fp64. */
static void assert_converged(problem *p, const pare_swap *options) {
    double bound = 0.0, before = error(p);
    for (int64_t i = 0; i < ROWS * p->columns; i++)
        bound += 1e-12 * (double)(p->weights[i] * p->weights[i]) * (double)p->gram[i % p->columns * (p->columns + 1)];
    int64_t kept = pare_element_mask_kept(&p->mask);
    pare_swap_result result = refine(p, options);
    double after = error(p);
    assert_true(fabs(before - result.before) <= bound && fabs(after - result.after) <= bound);
    assert_true(result.swaps ? after < before : after == before);
    assert_int_equal(result.rows_done, ROWS);
    assert_int_equal(pare_element_mask_kept(&p->mask), kept);
    for (int64_t row = 0; row < ROWS; row++)
        assert_no_pair_helps(p, row, options->of);
}

static void no_pair_helps_in_the_end(void **state) {
    (void)state;
    static const int64_t widths[] = {1, 2, 7, 31, 64, 130, WIDE};
    static problem p;
    pare_swap options = {0};
    for (size_t i = 0; i < sizeof widths / sizeof *widths; i++)
        for (int64_t tenths = 0; tenths <= 10; tenths += tenths == 0 || tenths == 8 ? 2 : 3) {
            problem_new(&p, widths[i], i + 1);
            start(&p, tenths, 10);
            assert_converged(&p, &options);
            pare_element_mask_free(&p.mask);
        }
}

/* A row keeps as many as it kept; with a pattern, every group does. */
static void patterns_hold(void **state) {
    (void)state;
    static const int64_t patterns[][2] = {{2, 4}, {4, 8}, {1, 4}, {3, 4}, {0, 4}, {4, 4}, {1, 1}, {50, 100}};
    static problem p;
    for (size_t i = 0; i < sizeof patterns / sizeof *patterns; i++) {
        pare_swap options = {.keep = patterns[i][0], .of = patterns[i][1]};
        problem_new(&p, WIDE, 40 + i);
        start(&p, options.keep, options.of);
        assert_converged(&p, &options);
        assert_true(pare_element_mask_is_pattern(&p.mask, options.keep, options.of));
        pare_element_mask_free(&p.mask);
    }
}

/* The first swap of all is the best pair that there is, if the working set holds all columns. */
static void the_best_pair_goes_first(void **state) {
    (void)state;
    static problem p;
    pare_swap options = {.cycles = 1};
    problem_new(&p, 31, 8);
    for (int64_t row = 0; row < ROWS; row++) {
        double least = INFINITY;
        start(&p, 1, 2);
        for (int64_t a = 0; a < 31; a++)
            for (int64_t b = 0; b < 31; b++) {
                if (a % 2 == 1 || b % 2 == 0) continue;
                pare_element_keep(&p.mask, row, a, false);
                pare_element_keep(&p.mask, row, b, true);
                least = fmin(least, row_error(&p, row));
                pare_element_keep(&p.mask, row, a, true);
                pare_element_keep(&p.mask, row, b, false);
            }
        pare_swap_result result = refine(&p, &options);
        assert_int_equal(result.swaps, ROWS);
        assert_int_equal(result.rows_done, 0);
        assert_true(fabs(row_error(&p, row) - least) < 1e-9 * least);
    }
    pare_element_mask_free(&p.mask);
}

/* More cycles, less error, and never more swaps than cycles. */
static void cycles_bound_the_swaps(void **state) {
    (void)state;
    static problem p;
    double last = INFINITY;
    problem_new(&p, WIDE, 21);
    for (int64_t of = 0; of <= 4; of += 4, last = INFINITY)
        for (int32_t cycles = 1; cycles < 12; cycles += 5) {
            pare_swap options = {.cycles = cycles, .keep = 2, .of = of};
            start(&p, 1, 2);
            pare_swap_result result = refine(&p, &options);
            assert_true(result.swaps > 0 && result.swaps <= cycles * ROWS);
            assert_true(result.after < last);
            last = result.after;
        }
    pare_element_mask_free(&p.mask);
}

static void nothing_in_nothing_out(void **state) {
    (void)state;
    static problem p;
    pare_swap options = {0};
    problem_new(&p, 64, 5);
    memset(p.gram, 0, sizeof p.gram);
    start(&p, 1, 2);
    pare_swap_result result = refine(&p, &options);
    assert_true(result.swaps == 0 && result.rows_done == ROWS && result.before == 0.0 && result.after == 0.0);
    pare_element_mask_free(&p.mask);
}

/* Inputs without correlation: the best mask prunes the least w^2 G_ii, dead columns first. */
static void uncorrelated_inputs_leave_the_loudest(void **state) {
    (void)state;
    static problem p;
    pare_swap options = {0};
    problem_new(&p, WIDE, 6);
    for (int64_t i = 0; i < WIDE * WIDE; i++)
        p.gram[i] = i % (WIDE + 1) ? 0.0f : p.gram[i];
    start(&p, 1, 2);
    refine(&p, &options);
    for (int64_t row = 0; row < ROWS; row++) {
        float least = INFINITY, most = 0.0f;
        for (int64_t j = 0; j < WIDE; j++) {
            float cost = p.weights[row * WIDE + j] * p.weights[row * WIDE + j] * p.gram[j * (WIDE + 1)];
            if (pare_element_kept(&p.mask, row, j))
                least = fminf(least, cost);
            else
                most = fmaxf(most, cost);
        }
        assert_true(least >= most);
    }
    pare_element_mask_free(&p.mask);
}

static void threads_give_the_same_mask(void **state) {
    (void)state;
    static problem p;
    pare_element_mask one;
    pare_swap_result results[2];
    int threads = omp_get_max_threads();
    problem_new(&p, WIDE, 30);
    assert_int_equal(pare_element_mask_new(ROWS, WIDE, &one), PARE_OK);
    for (int64_t of = 0; of <= 8; of += 4) {
        pare_swap options = {.keep = of / 2, .of = of};
        for (int i = 0; i < 2; i++) {
            omp_set_num_threads(i ? 3 : 1);
            start(&p, 1, 2);
            results[i] = refine(&p, &options);
            if (!i) pare_element_mask_copy(&p.mask, &one);
        }
        assert_memory_equal(one.word, p.mask.word, (size_t)(one.rows * one.stride) * sizeof *one.word);
        assert_true(results[0].before == results[1].before && results[0].after == results[1].after);
    }
    omp_set_num_threads(threads);
    pare_element_mask_free(&one);
    pare_element_mask_free(&p.mask);
}

static void unusable_numbers_are_refused(void **state) {
    (void)state;
    static problem p;
    pare_swap options = {0};
    pare_swap_result result;
    problem_new(&p, 64, 5);
    p.weights[70] = NAN;
    assert_int_equal(pare_swap_refine(p.weights, p.gram, &options, &p.mask, &result), PARE_NUMERIC_ERROR);
    assert_non_null(strstr(pare_message(), "weights"));
    p.weights[70] = 1.0f;
    p.gram[64 * 64 - 1] = INFINITY;
    assert_int_equal(pare_swap_refine(p.weights, p.gram, &options, &p.mask, &result), PARE_NUMERIC_ERROR);
    assert_non_null(strstr(pare_message(), "Gram"));
    options.cycles = -1;
    assert_int_equal(pare_swap_refine(p.weights, p.gram, &options, &p.mask, &result), PARE_BAD_ARGUMENT);
    pare_element_mask_free(&p.mask);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_pair_helps_in_the_end),   cmocka_unit_test(patterns_hold),
        cmocka_unit_test(the_best_pair_goes_first),   cmocka_unit_test(cycles_bound_the_swaps),
        cmocka_unit_test(nothing_in_nothing_out),     cmocka_unit_test(uncorrelated_inputs_leave_the_loudest),
        cmocka_unit_test(threads_give_the_same_mask), cmocka_unit_test(unusable_numbers_are_refused)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
