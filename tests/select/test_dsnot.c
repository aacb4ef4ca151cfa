/* Dynamic sparse no training: the golden swaps of an independent script, what every option refuses, the pattern that is
 * guarded, lists that run out, and inputs that cannot be used. */
#include "select/dsnot.h"
#include "support/random.h"

#include <math.h>
#include <omp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

enum { ROWS = 3, COLUMNS = 8, TOKENS = 6, SEQUENCES = 2, MANY = 37, WIDE = 70 };

/* The small problem of the specification's golden vectors. */
typedef struct golden {
    float weights[ROWS * COLUMNS], mean[COLUMNS], variance[COLUMNS], norm[COLUMNS];
} golden;

static void golden_make(golden *g) {
    for (int i = 0; i < ROWS * COLUMNS; i++)
        g->weights[i] = (float)((((31 * (i / COLUMNS) + 17 * (i % COLUMNS) + 7) * 13) % 41 - 20) / 10.0);
    for (int i = 0; i < COLUMNS; i++) {
        int sum = 0, squares = 0; /* of 9 x: sums that are zero must stay so */
        double within = 0.0;
        for (int s = 0; s < SEQUENCES; s++) {
            int part = 0;
            for (int t = 0; t < TOKENS; t++) {
                int x = (((TOKENS * s + t) * 19 + 23 * i + 5) * 29) % 37 - 18;
                part += x;
                squares += x * x;
            }
            sum += part;
            within -= (double)(part * part) / (double)TOKENS;
        }
        g->mean[i] = (float)(sum / 9.0 / (double)SEQUENCES);
        g->variance[i] = (float)((within + squares) / 81.0 / (TOKENS * SEQUENCES));
        g->norm[i] = (float)sqrt(squares / 81.0 / (double)SEQUENCES);
    }
}

static void mask_read(pare_element_mask *mask, int64_t row, const char *pruned) {
    for (int64_t j = 0; pruned[j]; j++)
        pare_element_keep(mask, row, j, pruned[j] == '0');
}

static void assert_row(const pare_element_mask *mask, int64_t row, const char *pruned) {
    for (int64_t j = 0; pruned[j]; j++)
        assert_int_equal(pare_element_kept(mask, row, j), pruned[j] == '0');
}

static const pare_dsnot published = {.cycles = 50, .epsilon = 0.1, .power = 1.0, .norm = 2.0, .alpha = 1.0};
static const char *const wanda[ROWS] = {"11010010", "01011010", "01101001"};

/* One row of the golden problem; returns e's size afterwards. */
static double golden_row(const golden *g, int row, int cycles, pare_element_mask *mask, pare_dsnot_result *result) {
    pare_dsnot options = published;
    pare_dsnot_inputs inputs = {g->mean, g->variance, g->norm};
    options.cycles = cycles;
    mask_read(mask, 0, wanda[row]);
    assert_int_equal(pare_dsnot_refine(g->weights + row * COLUMNS, NULL, &inputs, &options, mask, result), PARE_OK);
    return result->after;
}

/* Masks after no, one and two swaps, and e's size at the ends, to the digits printed. */
static void the_golden_swaps_are_made(void **state) {
    (void)state;
    static const char *const after[ROWS][3] = {{"11010010", "01011010", "00011110"},
                                               {"01011010", "00111010", "00110011"},
                                               {"01101001", "00101101", "00011101"}};
    static const double first[ROWS] = {0.988889, 0.266667, 2.377778}, last[ROWS] = {0.961111, 0.294444, 1.005556};
    golden g;
    pare_element_mask mask;
    pare_dsnot_result result;
    golden_make(&g);
    assert_int_equal(pare_element_mask_new(1, COLUMNS, &mask), PARE_OK);
    for (int row = 0; row < ROWS; row++) {
        for (int cycles = 0; cycles < 3; cycles++) {
            golden_row(&g, row, cycles, &mask, &result);
            assert_row(&mask, 0, after[row][cycles]);
        }
        assert_true(fabs(golden_row(&g, row, 50, &mask, &result) - last[row]) < 1e-6);
        assert_true(fabs(result.before - first[row]) < 1e-6);
        assert_row(&mask, 0, after[row][2]);
        assert_int_equal(result.swaps, 2);
        assert_int_equal(result.active_rows, 1);
    }
    pare_element_mask_free(&mask);
}

/* Random weights, statistics and a mask with `keep` of every `of` columns. */
typedef struct problem {
    float weights[MANY * WIDE], mean[WIDE], variance[WIDE], norm[WIDE];
    pare_dsnot_inputs inputs;
    pare_element_mask mask, start;
} problem;

static void problem_new(problem *p, int64_t keep, int64_t of) {
    pare_normal_fill(p->weights, 5, 0, 0, 0, MANY * WIDE);
    pare_normal_fill(p->mean, 5, 0, 1, 0, WIDE);
    pare_normal_fill(p->variance, 5, 0, 2, 0, WIDE);
    for (int j = 0; j < WIDE; j++) {
        p->variance[j] = fabsf(p->variance[j]) + 0.1f;
        p->norm[j] = sqrtf(p->variance[j] + p->mean[j] * p->mean[j]);
    }
    p->inputs = (pare_dsnot_inputs){p->mean, p->variance, p->norm};
    assert_int_equal(pare_element_mask_new(MANY, WIDE, &p->mask), PARE_OK);
    assert_int_equal(pare_element_mask_new(MANY, WIDE, &p->start), PARE_OK);
    for (int64_t i = 0; i < MANY; i++)
        for (int64_t j = 0; j < WIDE; j++)
            pare_element_keep(&p->start, i, j,
                              j % of < (WIDE - j + j % of < of ? (WIDE % of * keep + of - 1) / of : keep));
    pare_element_mask_copy(&p->start, &p->mask);
}

static void problem_free(problem *p) {
    pare_element_mask_free(&p->mask);
    pare_element_mask_free(&p->start);
}

static pare_dsnot_result refine(problem *p, const pare_dsnot *options) {
    pare_dsnot_result result;
    pare_element_mask_copy(&p->start, &p->mask);
    assert_int_equal(pare_dsnot_refine(p->weights, NULL, &p->inputs, options, &p->mask, &result), PARE_OK);
    return result;
}

static double row_error(const problem *p, const pare_element_mask *mask, int64_t row) {
    double e = 0.0;
    for (int64_t j = 0; j < WIDE; j++)
        if (!pare_element_kept(mask, row, j)) e += (double)p->weights[row * WIDE + j] * (double)p->mean[j];
    return e;
}

/* |e| is what a direct sum over the mask gives; 1e-9 is far above the rounding of 70 terms. */
static void errors_are_those_of_the_mask(void **state) {
    (void)state;
    problem p;
    problem_new(&p, 1, 2);
    pare_dsnot_result result = refine(&p, &published);
    double before = 0.0, after = 0.0;
    int64_t active = 0;
    for (int64_t i = 0; i < MANY; i++) {
        int64_t kept = 0;
        before += fabs(row_error(&p, &p.start, i)) / (double)MANY;
        after += fabs(row_error(&p, &p.mask, i)) / (double)MANY;
        active += fabs(row_error(&p, &p.start, i)) > 0.1;
        for (int64_t j = 0; j < WIDE; j++)
            kept += pare_element_kept(&p.mask, i, j);
        assert_int_equal(kept, WIDE / 2);
    }
    assert_true(fabs(before - result.before) < 1e-9 && fabs(after - result.after) < 1e-9);
    assert_int_equal(active, result.active_rows);
    assert_true(result.swaps > 0);
    problem_free(&p);
}

static void refused_swaps_freeze_the_row(void **state) {
    (void)state;
    problem p;
    pare_dsnot options = published;
    problem_new(&p, 1, 2);
    options.keep_sign = true;
    pare_dsnot_result result = refine(&p, &options);
    for (int64_t i = 0; i < MANY; i++)
        assert_true(row_error(&p, &p.start, i) * row_error(&p, &p.mask, i) > 0.0);
    assert_true(result.swaps > 0 && result.swaps < refine(&p, &published).swaps);
    options = published;
    options.only_better = true;
    refine(&p, &options);
    for (int64_t i = 0; i < MANY; i++)
        assert_true(fabs(row_error(&p, &p.mask, i)) <= fabs(row_error(&p, &p.start, i)) + 1e-9);
    problem_free(&p);
}

/* 70 is no multiple of 4 or 8: the last group is shorter. */
static void the_pattern_is_guarded(void **state) {
    (void)state;
    static const int64_t patterns[][2] = {{2, 4}, {4, 8}, {1, 4}, {3, 4}, {0, 4}, {4, 4}};
    for (size_t i = 0; i < sizeof patterns / sizeof *patterns; i++) {
        problem p;
        pare_dsnot options = published;
        problem_new(&p, patterns[i][0], patterns[i][1]);
        options.keep = patterns[i][0];
        options.of = patterns[i][1];
        options.epsilon = 1e-3;
        pare_dsnot_result result = refine(&p, &options);
        assert_true(pare_element_mask_is_pattern(&p.mask, options.keep, options.of));
        assert_int_equal(result.swaps > 0, options.keep > 0 && options.keep < options.of);
        problem_free(&p);
    }
}

/* With a pattern the group's kept weight of the lowest initial score goes, whatever else speaks for it. */
static void initial_scores_decide_inside_a_group(void **state) {
    (void)state;
    float weights[] = {3.0f, 1.0f, 2.0f, 1.0f}, ones[] = {1.0f, 1.0f, 1.0f, 1.0f};
    float initial[2][4] = {{0.5f, 9.0f, 9.0f, 0.1f}, {9.0f, 0.5f, 9.0f, 0.1f}};
    pare_dsnot_inputs inputs = {ones, ones, ones};
    pare_dsnot options = published;
    pare_element_mask mask;
    pare_dsnot_result result;
    options.cycles = 1;
    options.keep = 2;
    options.of = 4;
    assert_int_equal(pare_element_mask_new(1, 4, &mask), PARE_OK);
    for (int i = 0; i < 2; i++) {
        mask_read(&mask, 0, "0011");
        assert_int_equal(pare_dsnot_refine(weights, initial[i], &inputs, &options, &mask, &result), PARE_OK);
        assert_row(&mask, 0, i ? "0101" : "1001");
    }
    pare_element_mask_free(&mask);
}

/* R2-DSnoT with everything off is DSnoT; each option alone changes what is chosen. */
static void every_option_of_the_second_version_counts(void **state) {
    (void)state;
    problem p;
    problem_new(&p, 1, 2);
    pare_element_mask plain;
    refine(&p, &published);
    assert_int_equal(pare_element_mask_new(MANY, WIDE, &plain), PARE_OK);
    pare_element_mask_copy(&p.mask, &plain);
    pare_dsnot variants[6];
    for (int i = 0; i < 6; i++)
        variants[i] = published;
    variants[0].reweight = PARE_REWEIGHT_GROW;
    variants[1].reweight = PARE_REWEIGHT_PRUNE;
    variants[2].gamma_grow = 1.0;
    variants[3].gamma_prune = 1.0;
    variants[4].alpha = 0.5;
    variants[5].power = 0.0;
    size_t bytes = (size_t)(plain.rows * plain.stride) * sizeof *plain.word;
    for (int i = 0; i < 6; i++) {
        refine(&p, &variants[i]);
        assert_memory_not_equal(p.mask.word, plain.word, bytes);
    }
    variants[0] = published;
    variants[0].norm = 7.0; /* without a gamma it means nothing */
    refine(&p, &variants[0]);
    assert_memory_equal(p.mask.word, plain.word, bytes);
    pare_element_mask_free(&plain);
    problem_free(&p);
}

/* By hand: e = 2, one of two equal candidates comes back. Column sums 3 and 1, so rho prefers the second. */
static void reweighting_prefers_the_relatively_important(void **state) {
    (void)state;
    float weights[] = {1.0f, 1.0f, -1.0f, -1.0f, 2.0f, 0.0f, -1.0f, -1.0f}, ones[] = {1.0f, 1.0f, 1.0f, 1.0f};
    pare_dsnot_inputs inputs = {ones, ones, ones};
    pare_dsnot options = published;
    pare_element_mask mask;
    pare_dsnot_result result;
    options.cycles = 1;
    assert_int_equal(pare_element_mask_new(2, 4, &mask), PARE_OK);
    for (int i = 0; i < 2; i++) {
        mask_read(&mask, 0, "1100");
        mask_read(&mask, 1, "0000");
        options.reweight = i ? PARE_REWEIGHT_GROW : PARE_REWEIGHT_NONE;
        assert_int_equal(pare_dsnot_refine(weights, NULL, &inputs, &options, &mask, &result), PARE_OK);
        assert_row(&mask, 0, i ? "1010" : "0110");
    }
    pare_element_mask_free(&mask);
}

static void degenerate_shapes_are_left_alone(void **state) {
    (void)state;
    float weight[2] = {2.0f, 0.0f}, zero[2] = {0.0f, 0.0f};
    pare_dsnot_inputs inputs = {zero, zero, zero};
    pare_element_mask mask;
    pare_dsnot_result result;
    assert_int_equal(pare_element_mask_new(1, 1, &mask), PARE_OK);
    assert_int_equal(pare_dsnot_refine(weight, NULL, &inputs, &published, &mask, &result), PARE_OK);
    assert_int_equal(result.swaps + result.active_rows, 0);
    float one = 1.0f;
    inputs = (pare_dsnot_inputs){&one, zero, &one}; /* pruned alone: active, but nothing to prune in its place */
    assert_int_equal(pare_dsnot_refine(weight, NULL, &inputs, &published, &mask, &result), PARE_OK);
    assert_int_equal(result.active_rows, 1);
    assert_int_equal(result.swaps, 0);
    assert_false(pare_element_kept(&mask, 0, 0));
    pare_element_mask_free(&mask);
}

static void threads_give_the_same_mask(void **state) {
    (void)state;
    problem p;
    pare_element_mask one;
    int threads = omp_get_max_threads();
    problem_new(&p, 1, 2);
    assert_int_equal(pare_element_mask_new(MANY, WIDE, &one), PARE_OK);
    omp_set_num_threads(1);
    pare_dsnot_result a = refine(&p, &published);
    pare_element_mask_copy(&p.mask, &one);
    omp_set_num_threads(3);
    pare_dsnot_result b = refine(&p, &published);
    omp_set_num_threads(threads);
    assert_memory_equal(p.mask.word, one.word, (size_t)(one.rows * one.stride) * sizeof *one.word);
    assert_memory_equal(&a.after, &b.after, sizeof a.after);
    pare_element_mask_free(&one);
    problem_free(&p);
}

static void unusable_numbers_are_refused(void **state) {
    (void)state;
    problem p;
    pare_dsnot_result result;
    pare_dsnot options = published;
    problem_new(&p, 1, 2);
    float *where[] = {&p.weights[MANY * WIDE - 1], &p.mean[3], &p.variance[WIDE - 1], &p.norm[0]};
    for (int i = 0; i < 4; i++) {
        float before = *where[i];
        *where[i] = NAN;
        assert_int_equal(pare_dsnot_refine(p.weights, NULL, &p.inputs, &published, &p.mask, &result),
                         PARE_NUMERIC_ERROR);
        assert_non_null(strstr(pare_message(), "DSnoT"));
        *where[i] = before;
    }
    options.of = 2;
    options.keep = 3;
    assert_int_equal(pare_dsnot_refine(p.weights, NULL, &p.inputs, &options, &p.mask, &result), PARE_BAD_ARGUMENT);
    problem_free(&p);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(the_golden_swaps_are_made),
                                       cmocka_unit_test(errors_are_those_of_the_mask),
                                       cmocka_unit_test(refused_swaps_freeze_the_row),
                                       cmocka_unit_test(the_pattern_is_guarded),
                                       cmocka_unit_test(initial_scores_decide_inside_a_group),
                                       cmocka_unit_test(every_option_of_the_second_version_counts),
                                       cmocka_unit_test(reweighting_prefers_the_relatively_important),
                                       cmocka_unit_test(degenerate_shapes_are_left_alone),
                                       cmocka_unit_test(threads_give_the_same_mask),
                                       cmocka_unit_test(unusable_numbers_are_refused)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
