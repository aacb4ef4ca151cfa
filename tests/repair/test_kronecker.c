/* Errors in the metric of the loss: against an independent implementation in double, against the exact fit on the
 * support, and against each other. */
#include "kronecker_problem.h"

#include "repair/layer_error.h"
#include "repair/masked_cg.h"

#include <omp.h>

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

/* Steps in single precision lag behind those in double by what conjugacy they lose. */
static void admm_as_elsewhere(void **state) {
    (void)state;
    agrees(&(expected){&half, false, 0, 1e-4, 2.84776227e6, 1.35232056e5, 105276});
    agrees(&(expected){&half, false, 5, 2e-3, 2.84776227e6, 1.27857462e5, 105276});
    agrees(&(expected){&half, false, 20, 2e-2, 2.84776227e6, 1.18709767e5, 105276});
    agrees(&(expected){&two_of_four, false, 5, 2e-3, 6.52669575e6, 1.16457241e5, 102229});
    agrees(&(expected){&matrix60, false, 5, 2e-3, 4.53351803e6, 2.74110364e5, 85856});
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
    double before = INFINITY, least = k_least(&m, p.weights, &mask);
    for (int32_t steps = 0; steps < 60; steps++) {
        float weights[K_SIZE];
        memcpy(weights, p.weights, sizeof weights);
        assert_int_equal(pare_masked_cg_metric(NULL, p.weights, gram, fisher, &mask, steps, weights), PARE_OK);
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
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
