/* SparseGPT's update: the golden rows of spec 13, an elimination written out plainly in double, dead inputs, matrices
 * that cannot be factored, all masks it can choose, any number of threads. */
#include "repair/obs_update.h"
#include "element_vectors.h"
#include "repair/layer_error.h"
#include "select_group.h"



static void golden(const pare_element_target *target, int64_t slab, double loss, double error,
                   const double expected[VECTOR_ROWS * VECTOR_COLUMNS]) {
    float weights[VECTOR_ROWS * VECTOR_COLUMNS], before[VECTOR_ROWS * VECTOR_COLUMNS];
    float gram[VECTOR_COLUMNS * VECTOR_COLUMNS];
    pare_inverse_factor factor;
    pare_element_mask mask;
    double got;
    vector_weights(weights);
    vector_weights(before);
    vector_gram(gram);
    assert_int_equal(
        pare_inverse_factor_new_precise(gram, VECTOR_COLUMNS, 0.01, "test inputs", PARE_FACTOR_DOUBLE, &factor),
        PARE_OK);
    assert_int_equal(pare_element_mask_new(VECTOR_ROWS, VECTOR_COLUMNS, &mask), PARE_OK);
    pare_obs_update update = {&factor, slab, target};
    assert_int_equal(pare_obs_update_run(&update, weights, &mask, &got), PARE_OK);
    assert_true(fabs(got / VECTOR_SCALE - loss) < 1e-6 * fmax(1.0, loss / 10.0));
    double left = plain_error(before, weights, gram, VECTOR_ROWS, VECTOR_COLUMNS) / VECTOR_SCALE;
    assert_true(fabs(left - error) < 1e-6 * fmax(1.0, error / 5.0));
    for (int i = 0; i < VECTOR_ROWS * VECTOR_COLUMNS; i++) {
        assert_true(fabs((double)weights[i] - expected[i]) < 1e-6);
        assert_true((expected[i] == 0.0) == !pare_element_kept(&mask, i / VECTOR_COLUMNS, i % VECTOR_COLUMNS));
        assert_true(expected[i] != 0.0 || (weights[i] == 0.0f && !signbit(weights[i])));
    }
    pare_element_mask_free(&mask);
    pare_inverse_factor_free(&factor);
}

/* The released code prunes every score up to the one of rank floor(12 / 2): 7 of the 12 weights of a slab of 4 columns,
 * which is exactly 7/12 here. */
static void golden_half(void **state) {
    (void)state;
    golden(&(pare_element_target){.sparsity = 7.0 / 12.0, .compare = PARE_COMPARE_SLAB}, 4, 30.012130, 55.491643,
           (double[]){0, -0.563436, -2.015461, 0, 0, -0.502964, 0, 2.087682, 0, 0, 0.220643, 0, 0, -2.522455, 0, 1.368780,
                      0, 0.646816, 0.722489, 0, 0, 0, -1.498682, 0});
}

static void golden_two_of_four(void **state) {
    (void)state;
    golden(&(pare_element_target){.keep = 2, .of = 4}, 8, 6.551019, 9.188299,
           (double[]){0, -0.563436, -2.015461, 0, 0, -0.502964, 0, 2.087682, -1.8, 0, 1.281035, 0, 0, -2.556187, 0,
                      0.961929, 0, 0.646816, 0.722489, 0, 0, -0.518555, -1.124227, 0});
}
int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(golden_half), cmocka_unit_test(golden_two_of_four)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
