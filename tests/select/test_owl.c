/* OWL (spec 8.3): outliers counted against a plain loop, the formula by hand, and sparsities that would leave [0, 1].
 */
#include "select/element_masks.h"
#include "select/owl.h"

#include <omp.h>

static void outliers_equal_a_plain_loop(void **state) {
    (void)state;
    enum { FIRST = 70001, SECOND = 123 };
    float *a = random_scores(FIRST, 0, 1), *b = random_scores(SECOND, 9, 2);
    double sum = 0.0, sum_of_one = 0.0;
    int64_t beyond = 0;
    for (int i = 0; i < FIRST; i++)
        sum += (double)a[i];
    for (int i = 0; i < SECOND; i++)
        sum += (double)b[i];
    for (int i = 0; i < FIRST; i++)
        beyond += (double)a[i] > 3.0 * sum / (FIRST + SECOND);
    for (int i = 0; i < SECOND; i++)
        beyond += (double)b[i] > 3.0 * sum / (FIRST + SECOND);
    assert_true(beyond > 0 && beyond < FIRST / 2);
    for (int threads = 1; threads <= 3; threads++) {
        pare_outliers layer = {0};
        omp_set_num_threads(threads);
        pare_outliers_sum(&layer, a, FIRST);
        pare_outliers_sum(&layer, b, SECOND);
        pare_outliers_count(&layer, 3.0, a, FIRST);
        pare_outliers_count(&layer, 3.0, b, SECOND);
        if (threads == 1) sum_of_one = layer.sum;
        assert_true(layer.sum == sum_of_one);
        assert_close("sum", layer.sum, sum, 1e-12);
        assert_int_equal(layer.count, FIRST + SECOND);
        assert_int_equal(layer.beyond, beyond);
    }
    free(a);
    free(b);
}

static void assert_sparsities(const int64_t *beyond, uint32_t count, double sparsity, double lambda,
                              const double *expected) {
    pare_outliers layers[8] = {{0}};
    double out[8], mean = 0.0;
    for (uint32_t i = 0; i < count; i++)
        layers[i] = (pare_outliers){.count = 1000, .beyond = beyond[i]};
    pare_owl_sparsities(layers, count, sparsity, lambda, out);
    for (uint32_t i = 0; i < count; i++) {
        assert_true(out[i] >= 0.0 && out[i] <= 1.0);
        assert_true(fabs(out[i] - expected[i]) < 1e-12);
        mean += out[i] / count;
    }
    assert_true(fabs(mean - sparsity) < 1e-12);
}

/* D = 1, 3, 5 percent: r = 0, lambda, 2 lambda; the mean is lambda. */
static void sparsities_follow_the_formula(void **state) {
    (void)state;
    static const int64_t beyond[] = {10, 30, 50}, skewed[] = {20, 0, 0, 5};
    assert_sparsities(beyond, 3, 0.7, 0.08, (double[]){0.78, 0.7, 0.62});
    /* r = 0.16, 0, 0, 0.04, mean 0.05 */
    assert_sparsities(skewed, 4, 0.5, 0.08, (double[]){0.39, 0.55, 0.55, 0.51});
}

static void equal_layers_lose_alike(void **state) {
    (void)state;
    static const int64_t equal[] = {7, 7, 7}, none[] = {0, 0};
    assert_sparsities(equal, 3, 0.6, 0.08, (double[]){0.6, 0.6, 0.6});
    assert_sparsities(none, 2, 0.0, 0.08, (double[]){0.0, 0.0});
    assert_sparsities(equal, 1, 1.0, 0.08, (double[]){1.0});
}

/* Raw 1.02, 0.98, 0.94 - what 1.02 leaves is shared; then all that is left of the others. */
static void sparsities_outside_are_clamped(void **state) {
    (void)state;
    static const int64_t beyond[] = {0, 500, 1000}, two[] = {0, 1000};
    assert_sparsities(beyond, 3, 0.98, 0.04, (double[]){1.0, 0.99, 0.95});
    assert_sparsities(beyond, 3, 0.02, 0.04, (double[]){0.05, 0.01, 0.0});
    assert_sparsities(two, 2, 0.5, 3.0, (double[]){1.0, 0.0});
    assert_sparsities(two, 2, 1.0, 0.08, (double[]){1.0, 1.0});
    assert_sparsities(two, 2, 0.0, 0.08, (double[]){0.0, 0.0});
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(outliers_equal_a_plain_loop),
        cmocka_unit_test(sparsities_follow_the_formula),
        cmocka_unit_test(equal_layers_lose_alike),
        cmocka_unit_test(sparsities_outside_are_clamped),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
