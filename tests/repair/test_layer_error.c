/* The layer's error against what its outputs change by, token after token: shapes with and without whole tiles, an
 * error that fp32 sums would lose, golden values of spec 13. */
#include "backend/backend.h"
#include "element_vectors.h"
#include "repair/layer_energy.h"
#include "repair/layer_error.h"

static void golden_two_of_four(void **state) {
    (void)state;
    float before[VECTOR_ROWS * VECTOR_COLUMNS], after[VECTOR_ROWS * VECTOR_COLUMNS];
    float gram[VECTOR_COLUMNS * VECTOR_COLUMNS];
    double error;
    const char *pruned = "010110100101101001101001";
    vector_weights(before);
    vector_gram(gram);
    for (int i = 0; i < VECTOR_ROWS * VECTOR_COLUMNS; i++)
        after[i] = pruned[i] == '1' ? 0.0f : before[i];
    assert_int_equal(pare_layer_error(before, after, gram, VECTOR_ROWS, VECTOR_COLUMNS, &error, NULL), PARE_OK);
    assert_close("error of Wanda's 2:4", error / (double)VECTOR_SCALE, 70.320123, 1e-7);
}

/* The Gram matrix is rounded, which the bound has room for. */
static void compare(int64_t rows, int64_t columns) {
    enum { TOKENS = 50 };
    float *weights, *gram, *x, *after = calloc((size_t)(rows * columns) + 1, sizeof *after);
    double error, energy, *of_rows = malloc((size_t)rows * sizeof *of_rows), sum = 0.0;
    random_layer(rows, columns, TOKENS, 3, 4, &weights, &gram, &x);
    float *zero = calloc((size_t)(rows * columns) + 1, sizeof *zero);
    for (int64_t i = 0; i < rows * columns; i++)
        after[i] = i % 3 ? weights[i] * 1.01f : weights[i];
    assert_int_equal(pare_layer_error(weights, after, gram, rows, columns, &error, &energy), PARE_OK);
    assert_close("error", error, measured_error(weights, after, x, TOKENS, rows, columns), 1e-6);
    assert_close("energy", energy, measured_error(weights, zero, x, TOKENS, rows, columns), 1e-6);
    assert_int_equal(pare_layer_error_rows(weights, after, gram, rows, columns, of_rows), PARE_OK);
    for (int64_t row = 0; row < rows; row++)
        sum += of_rows[row];
    assert_true(sum == error);
    assert_int_equal(pare_layer_error(weights, weights, gram, rows, columns, &error, NULL), PARE_OK);
    assert_true(error == 0.0);
    free(weights);
    free(gram);
    free(x);
    free(after);
    free(zero);
    free(of_rows);
}

static void outputs_change_by_as_much(void **state) {
    (void)state;
    compare(1, 1);
    compare(3, 70);
    compare(2, 513);
    compare(1100, 9);
    compare(2, 1200);
}

/* A large common direction that the change avoids, and what is left next to it. In fp32 partial sums are whole numbers
 * below 2^24, in whatever order a BLAS adds. */
static void small_errors_next_to_large_inputs(void **state) {
    (void)state;
    enum { N = 600 };
    float *gram = malloc(N * N * sizeof *gram), before[N] = {0.0f}, after[N];
    double error;
    for (int i = 0; i < N * N; i++)
        gram[i] = 4e4f + (i / N == i % N ? 1.0f : 0.0f);
    for (int i = 0; i < N; i++)
        after[i] = i % 2 ? 1.0f : -1.0f;
    assert_int_equal(pare_layer_error(before, after, gram, 1, N, &error, NULL), PARE_OK);
    assert_close("error", error, N, 1e-9);
    free(gram);
}

/* Of bf16 weights as of others, with both kinds of operands, against what tokens make of them. */
static void energy_of(pare_compute compute, int64_t rows, int64_t columns, bool bf16) {
    enum { TOKENS = 30 };
    pare_backend *backend;
    float *weights, *gram, *x, *zero = calloc((size_t)(rows * columns), sizeof *zero);
    double energy;
    random_layer(rows, columns, TOKENS, 3, 5, &weights, &gram, &x);
    for (int64_t i = 0; i < rows * columns; i++)
        weights[i] = i % 2 ? 0.0f : bf16 ? pare_bf16_to_float(pare_float_to_bf16(weights[i])) : weights[i];
    assert_int_equal(pare_backend_open_cpu(compute, 1, &backend), PARE_OK);
    assert_int_equal(pare_layer_energy(backend, weights, gram, rows, columns, &energy), PARE_OK);
    assert_close("energy", energy, measured_error(zero, weights, x, TOKENS, rows, columns), 1e-6);
    pare_backend_close(backend);
    free(weights);
    free(gram);
    free(x);
    free(zero);
}

static void energies_are_those_of_outputs(void **state) {
    (void)state;
    for (int bf16 = 0; bf16 < 2; bf16++) {
        energy_of(PARE_COMPUTE_BF16, 5, 70, bf16);
        energy_of(PARE_COMPUTE_BF16, 40, 1100, bf16);
        energy_of(PARE_COMPUTE_FP32, 40, 600, bf16);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(golden_two_of_four),
        cmocka_unit_test(outputs_change_by_as_much),
        cmocka_unit_test(small_errors_next_to_large_inputs),
        cmocka_unit_test(energies_are_those_of_outputs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
