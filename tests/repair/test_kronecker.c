/* Errors in the metric of the loss: against an independent implementation in double, against the exact fit on the
 * support, and against each other. */
#include "kronecker_problem.h"

#include "repair/layer_error.h"
#include "repair/masked_cg.h"

#include "support/memory.h"

#include <omp.h>

enum { BLOCK = K_ROWS / 4 };

static const pare_element_target half = {.sparsity = 0.5, .compare = PARE_COMPARE_SLAB, .slab = 16};
static const pare_element_target two_of_four = {.keep = 2, .of = 4};
static const pare_element_target matrix60 = {.sparsity = 0.6, .compare = PARE_COMPARE_MATRIX};

typedef struct expected {
    const pare_element_target *choose;
    bool sweep;
    int32_t refine;
    double tolerance;     /* of `after`, relative */
    double before, after; /* of the independent implementation */
    int64_t places;       /* sum of the kept weights' indices */
} expected;

static void agrees(const expected *e) {
    k_problem p;
    k_metric m;
    float weights[K_SIZE];
    pare_element_mask mask;
    pare_kronecker_result result;
    int64_t places = 0;
    k_make(&p, -1, -1);
    k_metric_of(&p, p.fisher, &m);
    memcpy(weights, p.weights, sizeof weights);
    assert_int_equal(pare_element_mask_new(K_ROWS, K_COLUMNS, &mask), PARE_OK);
    pare_kronecker k = k_default(&p);
    k.choose = e->choose;
    k.sweep = e->sweep;
    k.slab = 16;
    k.inner = 2;
    k.growth = 1.3;
    k.refine = e->refine;
    assert_int_equal(pare_kronecker_run(&k, weights, &mask, &result), PARE_OK);
    for (int i = 0; i < K_SIZE; i++)
        places += pare_element_kept(&mask, i / K_COLUMNS, i % K_COLUMNS) ? i : 0;
    k_pruned_are_zero(weights, &mask);
    assert_int_equal(places, e->places);
    assert_int_equal(K_SIZE - pare_element_mask_kept(&mask), pare_element_target_count(e->choose, K_ROWS, K_COLUMNS));
    assert_true(fabs(result.before - e->before) < 1e-5 * e->before);
    assert_true(fabs(result.after - e->after) < e->tolerance * e->after);
    assert_true(fabs(result.after - k_error(&m, p.weights, weights)) < 1e-5 * result.after);
    pare_element_mask_free(&mask);
}

/* By tests/oracle/kronecker.py. Steps in single precision lag behind those in double by what conjugacy they lose. */
static void admm_as_elsewhere(void **state) {
    (void)state;
    agrees(&(expected){&half, false, 0, 1e-4, 2.15295927e6, 1.13523409e5, 105545});
    agrees(&(expected){&half, false, 5, 2e-3, 2.15295927e6, 1.07366596e5, 105545});
    agrees(&(expected){&half, false, 20, 2e-2, 2.15295927e6, 9.97941531e4, 105545});
    agrees(&(expected){&two_of_four, false, 5, 2e-3, 5.80955610e6, 1.13279910e5, 102224});
    agrees(&(expected){&matrix60, false, 5, 2e-3, 3.82984169e6, 2.98582468e5, 86407});
}

static void sweep_as_elsewhere(void **state) {
    (void)state;
    agrees(&(expected){&half, true, 0, 1e-4, 4.96170083e6, 5.63477115e5, 118310});
    agrees(&(expected){&half, true, 5, 1e-4, 4.96170083e6, 4.06866539e5, 118310});
    agrees(&(expected){&two_of_four, true, 0, 1e-4, 1.54495760e7, 6.35166844e5, 102369});
    agrees(&(expected){&two_of_four, true, 5, 1e-4, 1.54495760e7, 4.36929650e5, 102369});
}

/* The kind of metric: fisher in full, its diagonal, or none. */
static const float *metric_of(int kind, k_problem *p, pare_kronecker *k, float *full) {
    memset(full, 0, K_ROWS * K_ROWS * sizeof *full);
    for (int o = 0; o < K_ROWS; o++)
        full[o * (K_ROWS + 1)] = p->diagonal[o];
    k->fisher = kind == 0 ? p->fisher : NULL;
    k->fisher_diagonal = kind == 1 ? p->diagonal : NULL;
    return kind == 0 ? p->fisher : kind == 1 ? full : NULL;
}

/* Under a given mask, from ADMM or from the sweep, many steps reach the exact least squares on the support to 1e-4 of
 * its error. */
static void given_mask_is_exact(void **state) {
    (void)state;
    k_problem p;
    k_make(&p, -1, -1);
    for (int kind = 0; kind < 3; kind++)
        for (int sweep = 0; sweep < 2; sweep++) {
            float weights[K_SIZE], full[K_ROWS * K_ROWS];
            k_metric m;
            pare_element_mask mask;
            pare_kronecker_result result;
            pare_kronecker k = k_default(&p);
            k_metric_of(&p, metric_of(kind, &p, &k, full), &m);
            k_mask(&mask);
            k.sweep = sweep;
            k.refine = 600;
            memcpy(weights, p.weights, sizeof weights);
            assert_int_equal(pare_kronecker_run(&k, weights, &mask, &result), PARE_OK);
            k_pruned_are_zero(weights, &mask);
            double least = k_least(&m, p.weights, &mask), error = k_error(&m, p.weights, weights);
            assert_true(error >= least * (1.0 - 1e-9) && error <= least * (1.0 + 1e-4));
            assert_true(fabs(result.after - error) < 1e-5 * error);
            assert_true(result.after < result.before);
            pare_element_mask_free(&mask);
        }
}

/* Steps never raise the error but by rounding, and never end under the exact one. */
static void monotone(void **state) {
    (void)state;
    k_problem p;
    k_metric m;
    pare_element_mask mask;
    float gram[K_COLUMNS * K_COLUMNS], fisher[K_ROWS * K_ROWS];
    k_make(&p, -1, -1);
    k_metric_of(&p, p.fisher, &m);
    k_mask(&mask);
    for (int i = 0; i < K_COLUMNS * K_COLUMNS; i++)
        gram[i] = (float)m.gram[i];
    for (int i = 0; i < K_ROWS * K_ROWS; i++)
        fisher[i] = (float)m.fisher[i];
    const pare_blocks whole = pare_blocks_of(K_ROWS, 0);
    double before = INFINITY, least = k_least(&m, p.weights, &mask);
    for (int32_t steps = 0; steps < 60; steps++) {
        float weights[K_SIZE];
        memcpy(weights, p.weights, sizeof weights);
        assert_int_equal(pare_masked_cg_metric(NULL, p.weights, gram, fisher, whole, &mask, steps, weights), PARE_OK);
        double error = k_error(&m, p.weights, weights);
        assert_true(error <= before * (1.0 + 1e-6) && error >= least * (1.0 - 1e-9));
        before = error;
    }
    assert_true(before < 1.06 * least);
    pare_element_mask_free(&mask);
}

/* A diagonal F, given as such or in full, is one and the same problem, whose rows are independent. */
static void diagonal_is_diagonal(void **state) {
    (void)state;
    k_problem p;
    k_make(&p, -1, -1);
    for (int sweep = 0; sweep < 2; sweep++) {
        float weights[2][K_SIZE], full[K_ROWS * K_ROWS];
        pare_element_mask mask[2];
        pare_kronecker_result result[2];
        for (int way = 0; way < 2; way++) {
            pare_kronecker k = k_default(&p);
            const float *whole = metric_of(1, &p, &k, full);
            if (way) {
                k.fisher = whole;
                k.fisher_diagonal = NULL;
            }
            k.choose = &matrix60;
            k.sweep = sweep;
            memcpy(weights[way], p.weights, sizeof *weights);
            assert_int_equal(pare_element_mask_new(K_ROWS, K_COLUMNS, &mask[way]), PARE_OK);
            assert_int_equal(pare_kronecker_run(&k, weights[way], &mask[way], &result[way]), PARE_OK);
        }
        assert_memory_equal(weights[0], weights[1], sizeof *weights);
        assert_true(result[0].after == result[1].after && result[0].after < result[0].before);
        k_metric m;
        k_metric_of(&p, full, &m);
        assert_true(fabs(result[0].after - k_error(&m, p.weights, weights[0])) < 1e-5 * result[0].after);
        pare_element_mask_free(&mask[0]);
        pare_element_mask_free(&mask[1]);
    }
}

/* F with nothing outside of BLOCK rows along its diagonal, given as such or in full: the same problem. Columns of
 * single rows are summed in another order, and masks hang on single bits, so that they are given. */
static void blocks_are_blocks(void **state) {
    (void)state;
    k_problem p;
    k_metric m;
    k_make(&p, -1, -1);
    for (int i = 0; i < K_ROWS * K_ROWS; i++)
        if (i / K_ROWS / BLOCK != i % K_ROWS / BLOCK) p.fisher[i] = 0.0f;
    k_metric_of(&p, p.fisher, &m);
    float blocks[K_ROWS * BLOCK];
    for (int i = 0; i < K_ROWS * BLOCK; i++)
        blocks[i] = p.fisher[i / BLOCK * K_ROWS + i / BLOCK / BLOCK * BLOCK + i % BLOCK];
    for (int way = 0; way < 4; way++) {
        float weights[2][K_SIZE];
        pare_kronecker_result result[2];
        for (int given = 0; given < 2; given++) {
            pare_element_mask mask;
            pare_kronecker k = k_default(&p);
            k.sweep = way % 2;
            k.refine = way / 2 ? 8 : 0;
            k.fisher = given ? blocks : p.fisher;
            k.block = given ? BLOCK : 0;
            k_mask(&mask);
            memcpy(weights[given], p.weights, sizeof *weights);
            uint64_t held = pare_memory_current();
            pare_memory_peak_reset();
            assert_int_equal(pare_kronecker_run(&k, weights[given], &mask, &result[given]), PARE_OK);
            assert_true(pare_memory_peak() - held <=
                        pare_kronecker_bytes(&k, given ? BLOCK : K_ROWS, K_ROWS, K_COLUMNS) + 4096);
            k_pruned_are_zero(weights[given], &mask);
            pare_element_mask_free(&mask);
        }
        double error = k_error(&m, p.weights, weights[1]);
        assert_true(result[1].after < result[1].before);
        assert_true(fabs(result[1].after - error) < 1e-5 * error);
        assert_true(fabs(result[1].before - result[0].before) < 1e-5 * result[0].before);
        assert_true(fabs(result[1].after - result[0].after) < 1e-4 * result[0].after);
        assert_true(result[1].fisher.lambda == result[0].fisher.lambda);
    }
}

/* The metric matters: F in the fit leaves less of the error that F measures, and the whole method less still. */
static void metric_pays(void **state) {
    (void)state;
    k_problem p;
    k_metric m;
    double error[3];
    k_make(&p, -1, -1);
    k_metric_of(&p, p.fisher, &m);
    for (int kind = 0; kind < 3; kind++) {
        float weights[K_SIZE], full[K_ROWS * K_ROWS];
        pare_element_mask mask;
        pare_kronecker_result result;
        pare_kronecker k = k_default(&p);
        metric_of(kind, &p, &k, full);
        k.choose = &half;
        memcpy(weights, p.weights, sizeof weights);
        assert_int_equal(pare_element_mask_new(K_ROWS, K_COLUMNS, &mask), PARE_OK);
        assert_int_equal(pare_kronecker_run(&k, weights, &mask, &result), PARE_OK);
        error[kind] = k_error(&m, p.weights, weights);
        pare_element_mask_free(&mask);
    }
    assert_true(error[0] < error[1] && error[0] < error[2]);
}

int main(void) {
    omp_set_num_threads(1); /* small problems */
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(admm_as_elsewhere), cmocka_unit_test(sweep_as_elsewhere),
        cmocka_unit_test(monotone),          cmocka_unit_test(given_mask_is_exact),
        cmocka_unit_test(metric_pays),       cmocka_unit_test(diagonal_is_diagonal),
        cmocka_unit_test(blocks_are_blocks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
