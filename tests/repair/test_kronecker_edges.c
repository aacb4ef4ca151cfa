/* What may go wrong around the fit: dead inputs and outputs, matrices that say nothing or cannot be factored, values
 * that are not finite, shapes and shares at their ends, masks of every kind, numbers of threads. */
#include "kronecker_problem.h"

#include "support/memory.h"

#include <omp.h>

static pare_status run(const k_problem *p, pare_kronecker *k, float *weights, pare_element_mask *mask,
                       pare_kronecker_result *result) {
    memcpy(weights, p->weights, K_SIZE * sizeof *weights);
    assert_int_equal(pare_element_mask_new(K_ROWS, K_COLUMNS, mask), PARE_OK);
    return pare_kronecker_run(k, weights, mask, result);
}

/* Exact counts where they are promised, exact zeros, and never more error than the target under the mask. */
static void every_mask(void **state) {
    (void)state;
    const pare_element_target targets[] = {
        {.sparsity = 0.5, .compare = PARE_COMPARE_ROW},
        {.sparsity = 0.37, .compare = PARE_COMPARE_MATRIX},
        {.sparsity = 0.7, .compare = PARE_COMPARE_SLAB, .slab = 12},
        {.sparsity = 0.7, .compare = PARE_COMPARE_SLAB, .slab = 1000},
        {.keep = 2, .of = 4},
        {.keep = 1, .of = 5},
        {.keep = 3, .of = 200},
        {.keep = 0, .of = 4},
    };
    k_problem p;
    k_make(&p, -1, -1);
    for (size_t i = 0; i < sizeof targets / sizeof *targets; i++)
        for (int way = 0; way < 6; way++) {
            float weights[K_SIZE];
            pare_element_mask mask;
            pare_kronecker_result result;
            pare_kronecker k = k_default(&p);
            k.choose = &targets[i];
            k.sweep = way % 2;
            k.slab = 7;
            if (way / 2 == 1) k.fisher_diagonal = p.diagonal;
            if (way / 2) k.fisher = NULL;
            assert_int_equal(run(&p, &k, weights, &mask, &result), PARE_OK);
            assert_int_equal(K_SIZE - pare_element_mask_kept(&mask),
                             pare_element_target_count(&targets[i], K_ROWS, K_COLUMNS));
            assert_true(!targets[i].of || pare_element_mask_is_pattern(&mask, targets[i].keep, targets[i].of));
            k_pruned_are_zero(weights, &mask);
            assert_true(isfinite(result.after) && result.after <= result.before);
            pare_element_mask_free(&mask);
        }
}

/* Nothing to prune: the target, bit by bit. Everything pruned: zeros. */
static void ends_of_the_share(void **state) {
    (void)state;
    k_problem p;
    k_make(&p, 3, -1);
    for (int way = 0; way < 4; way++) {
        float weights[K_SIZE];
        pare_element_mask mask;
        pare_kronecker_result result;
        pare_element_target target = {.sparsity = way / 2, .compare = PARE_COMPARE_SLAB, .slab = 10};
        pare_kronecker k = k_default(&p);
        k.choose = &target;
        k.sweep = way % 2;
        assert_int_equal(run(&p, &k, weights, &mask, &result), PARE_OK);
        assert_int_equal(pare_element_mask_kept(&mask), way / 2 ? 0 : K_SIZE);
        if (way / 2 == 0) assert_memory_equal(weights, p.weights, sizeof weights);
        if (way / 2 == 0) assert_true(result.after == 0.0);
        if (way / 2) k_pruned_are_zero(weights, &mask);
        pare_element_mask_free(&mask);
    }
}

/* An input that was always 0: its weights go first, and what stays of it stays as it was. */
static void dead_input(void **state) {
    (void)state;
    k_problem p;
    k_make(&p, 5, -1);
    for (int way = 0; way < 8; way++) {
        float weights[K_SIZE];
        pare_element_mask mask;
        pare_kronecker_result result;
        pare_element_target target = {.sparsity = 0.5, .compare = PARE_COMPARE_SLAB, .slab = 16};
        pare_kronecker k = k_default(&p);
        k.damping = way / 4 ? 0.0 : 0.01;
        k.sweep = way % 2;
        k.choose = way / 2 % 2 ? &target : NULL;
        memcpy(weights, p.weights, sizeof weights);
        k_mask(&mask);
        assert_int_equal(pare_kronecker_run(&k, weights, &mask, &result), PARE_OK);
        assert_int_equal(result.gram.dead, 1);
        for (int o = 0; o < K_ROWS; o++) {
            bool kept = pare_element_kept(&mask, o, 5);
            assert_true(!k.choose || !kept);
            assert_true(weights[o * K_COLUMNS + 5] == (kept ? p.weights[o * K_COLUMNS + 5] : 0.0f));
        }
        assert_true(result.after < result.before);
        pare_element_mask_free(&mask);
    }
}

/* An output that the loss does not feel: damping makes it count a little; without any, its weights go first and what
 * stays of it stays as it was. */
static void dead_output(void **state) {
    (void)state;
    k_problem p;
    k_make(&p, -1, 4);
    for (int way = 0; way < 8; way++) {
        float weights[K_SIZE];
        pare_element_mask mask;
        pare_kronecker_result result;
        pare_element_target target = {.sparsity = 0.5, .compare = PARE_COMPARE_SLAB, .slab = 16};
        pare_kronecker k = k_default(&p);
        bool damped = way / 4;
        k.sweep = way % 2;
        k.choose = &target;
        k.fisher_damping = damped ? 0.1 : 0.0;
        if (way / 2 % 2) {
            k.fisher = NULL;
            k.fisher_diagonal = p.diagonal;
        }
        assert_int_equal(run(&p, &k, weights, &mask, &result), PARE_OK);
        assert_int_equal(result.fisher.dead, damped ? 0 : 1);
        int64_t kept = 0;
        for (int i = 0; i < K_COLUMNS; i++)
            kept += pare_element_kept(&mask, 4, i);
        assert_true(damped || kept == 0);
        assert_true(result.after < result.before);
        pare_element_mask_free(&mask);
        if (damped) continue;
        memcpy(weights, p.weights, sizeof weights);
        k_mask(&mask);
        k.choose = NULL;
        assert_int_equal(pare_kronecker_run(&k, weights, &mask, &result), PARE_OK);
        for (int i = 0; i < K_COLUMNS; i++)
            assert_true(weights[4 * K_COLUMNS + i] ==
                        (pare_element_kept(&mask, 4, i) ? p.weights[4 * K_COLUMNS + i] : 0.0f));
        pare_element_mask_free(&mask);
    }
}

/* Matrices of zeros: no inputs cost nothing at all; an F that says nothing is the unit matrix. */
static void nothing_known(void **state) {
    (void)state;
    k_problem p, zero;
    k_make(&p, -1, -1);
    zero = p;
    memset(zero.gram, 0, sizeof zero.gram);
    memset(zero.fisher, 0, sizeof zero.fisher);
    memset(zero.diagonal, 0, sizeof zero.diagonal);
    pare_element_target target = {.sparsity = 0.5, .compare = PARE_COMPARE_MATRIX};
    for (int way = 0; way < 2; way++) {
        float weights[3][K_SIZE];
        pare_element_mask mask;
        pare_kronecker_result result;
        for (int f = 0; f < 3; f++) {
            pare_kronecker k = k_default(&p);
            k.sweep = way;
            k.choose = &target;
            k.fisher = f == 1 ? zero.fisher : NULL;
            if (f == 2) k.fisher_diagonal = zero.diagonal;
            assert_int_equal(run(&p, &k, weights[f], &mask, &result), PARE_OK);
            assert_memory_equal(weights[0], weights[f], sizeof weights[f]);
            pare_element_mask_free(&mask);
        }
        pare_kronecker k = k_default(&zero);
        k.fisher = p.fisher;
        k.sweep = way;
        k.choose = &target;
        assert_int_equal(run(&p, &k, weights[0], &mask, &result), PARE_OK);
        assert_int_equal(result.gram.dead, K_COLUMNS);
        assert_int_equal(pare_element_mask_kept(&mask), K_SIZE / 2);
        for (int i = 0; i < K_SIZE; i++)
            assert_true(weights[0][i] ==
                        (pare_element_kept(&mask, i / K_COLUMNS, i % K_COLUMNS) ? p.weights[i] : 0.0f));
        pare_element_mask_free(&mask);
    }
}

/* One token: matrices of rank one. Without damping it is raised until they can be factored. */
static void rank_one(void **state) {
    (void)state;
    k_problem p;
    k_make(&p, -1, -1);
    for (int i = 0; i < K_COLUMNS * K_COLUMNS; i++)
        p.gram[i] = (float)((1 + i / K_COLUMNS % 5) * (1 + i % K_COLUMNS % 5));
    for (int i = 0; i < K_ROWS * K_ROWS; i++)
        p.fisher[i] = (float)((1 + i / K_ROWS % 3) * (1 + i % K_ROWS % 3));
    pare_element_target target = {.keep = 2, .of = 4};
    for (int way = 0; way < 2; way++) {
        float weights[K_SIZE];
        pare_element_mask mask;
        pare_kronecker_result result;
        pare_kronecker k = k_default(&p);
        k.sweep = way;
        k.choose = &target;
        k.damping = k.fisher_damping = 0.0;
        assert_int_equal(run(&p, &k, weights, &mask, &result), PARE_OK);
        assert_true(result.gram.raised > 0 && result.fisher.raised > 0);
        assert_true(result.after <= result.before);
        for (int i = 0; i < K_SIZE; i++)
            assert_true(isfinite(weights[i]));
        pare_element_mask_free(&mask);
    }
}

static void not_finite(void **state) {
    (void)state;
    pare_element_target target = {.sparsity = 0.5, .compare = PARE_COMPARE_SLAB, .slab = 16};
    for (int where = 0; where < 8; where++) {
        k_problem p;
        float weights[K_SIZE];
        pare_element_mask mask;
        pare_kronecker_result result;
        k_make(&p, -1, -1);
        pare_kronecker k = k_default(&p);
        k.choose = &target;
        k.sweep = where % 2;
        float bad = where < 4 ? NAN : INFINITY;
        if (where % 4 == 0) p.weights[77] = bad;
        if (where % 4 == 1) p.gram[K_COLUMNS + 2] = bad;
        if (where % 4 == 2) p.fisher[K_ROWS + 2] = bad;
        if (where % 4 == 3) {
            p.diagonal[3] = bad;
            k.fisher = NULL;
            k.fisher_diagonal = p.diagonal;
        }
        assert_int_equal(run(&p, &k, weights, &mask, &result), PARE_NUMERIC_ERROR);
        pare_element_mask_free(&mask);
    }
}

static void refused(void **state) {
    (void)state;
    k_problem p;
    k_make(&p, -1, -1);
    const pare_element_target targets[] = {{.compare = PARE_COMPARE_GLOBAL},
                                           {.sparsity = 1.5},
                                           {.keep = 5, .of = 4},
                                           {.sparsity = 0.5, .compare = PARE_COMPARE_SLAB},
                                           {.sparsity = 0.5}};
    for (int way = 0; way < 10; way++) {
        float weights[K_SIZE];
        pare_element_mask mask;
        pare_kronecker_result result;
        pare_kronecker k = k_default(&p);
        k.choose = &targets[way / 2];
        k.sweep = way % 2;
        if (way == 8) k.rho = 0.0;
        if (way == 9) k.slab = 0;
        assert_int_equal(run(&p, &k, weights, &mask, &result), PARE_BAD_ARGUMENT);
        pare_element_mask_free(&mask);
    }
}

/* One row, one column, none. */
static void small_shapes(void **state) {
    (void)state;
    k_problem p;
    k_make(&p, -1, -1);
    const int64_t shapes[][2] = {{1, 1}, {1, K_COLUMNS}, {K_ROWS, 1}, {0, K_COLUMNS}, {K_ROWS, 0}};
    pare_element_target target = {.sparsity = 0.5, .compare = PARE_COMPARE_MATRIX};
    for (int way = 0; way < 10; way++) {
        int64_t rows = shapes[way / 2][0], columns = shapes[way / 2][1];
        float weights[K_SIZE];
        pare_element_mask mask;
        pare_kronecker_result result;
        pare_kronecker k = k_default(&p);
        float gram[] = {2.0f}, fisher[] = {3.0f};
        if (rows == 1) k.fisher = fisher;
        if (columns == 1) k.gram = gram;
        k.choose = &target;
        k.sweep = way % 2;
        memcpy(weights, p.weights, sizeof weights);
        assert_int_equal(pare_element_mask_new(rows, columns, &mask), PARE_OK);
        assert_int_equal(pare_kronecker_run(&k, weights, &mask, &result), PARE_OK);
        assert_int_equal(rows * columns - pare_element_mask_kept(&mask), rows * columns / 2);
        pare_element_mask_free(&mask);
    }
}

/* The same bits each time, the same mask for one thread and three, and no more memory than announced. */
static void repeatable(void **state) {
    (void)state;
    k_problem p;
    k_make(&p, -1, -1);
    pare_element_target target = {.sparsity = 0.5, .compare = PARE_COMPARE_SLAB, .slab = 16};
    int threads = omp_get_max_threads();
    for (int way = 0; way < 2; way++) {
        float weights[3][K_SIZE];
        pare_element_mask mask[3];
        pare_kronecker_result result[3];
        pare_kronecker k = k_default(&p);
        k.sweep = way;
        k.choose = &target;
        for (int i = 0; i < 3; i++) {
            omp_set_num_threads(i < 2 ? 1 : 3);
            uint64_t held = pare_memory_current();
            pare_memory_peak_reset();
            assert_int_equal(run(&p, &k, weights[i], &mask[i], &result[i]), PARE_OK);
            assert_true(pare_memory_peak() - held <=
                        pare_kronecker_bytes(&k, k.fisher ? K_ROWS : 0, K_ROWS, K_COLUMNS) + 4096);
        }
        assert_memory_equal(weights[0], weights[1], sizeof *weights);
        for (int i = 1; i < 3; i++)
            assert_memory_equal(mask[0].word, mask[i].word, K_ROWS * (size_t)mask[0].stride * sizeof(uint64_t));
        assert_true(fabs(result[0].after - result[2].after) < 0.03 * result[0].after);
        for (int i = 0; i < 3; i++)
            pare_element_mask_free(&mask[i]);
    }
    omp_set_num_threads(threads);
}

int main(void) {
    omp_set_num_threads(1); /* small problems */
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_mask),  cmocka_unit_test(ends_of_the_share), cmocka_unit_test(dead_input),
        cmocka_unit_test(dead_output), cmocka_unit_test(nothing_known),     cmocka_unit_test(rank_one),
        cmocka_unit_test(not_finite),  cmocka_unit_test(refused),           cmocka_unit_test(small_shapes),
        cmocka_unit_test(repeatable),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
