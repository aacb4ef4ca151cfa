/* Moments of the inputs of linear layers: the golden vectors of the specification, plain sums in both layouts and both
 * operand types, and the edges. */
#include "backend/backend.h"
#include "calibrate/input_moments.h"
#include "golden.h"
#include "support/memory.h"
#include "support/random.h"

#include <omp.h>

enum { ROWS = 3, WIDTH = 8, LENGTH = 6, SEQUENCES = 2 };

/* The specification's inputs, [tokens, WIDTH], and weights, [ROWS, WIDTH]. */
static void make_golden(float *x, float *w) {
    for (int t = 0; t < SEQUENCES * LENGTH; t++)
        for (int i = 0; i < WIDTH; i++)
            x[t * WIDTH + i] = (float)(((t * 19 + 23 * i + 5) * 29 % 37 - 18) / 9.0);
    for (int o = 0; o < ROWS; o++)
        for (int i = 0; i < WIDTH; i++)
            w[o * WIDTH + i] = (float)(((31 * o + 17 * i + 7) * 13 % 41 - 20) / 10.0);
}

static void *operands(const pare_backend *backend, const float *x, int64_t rows, int64_t columns, bool transpose) {
    float *moved = malloc((size_t)(rows * columns) * sizeof *moved);
    void *out;
    for (int64_t i = 0; i < rows; i++)
        for (int64_t j = 0; j < columns; j++)
            moved[transpose ? j * rows + i : i * columns + j] = x[i * columns + j];
    assert_int_equal(pare_alloc(&out, (size_t)(rows * columns), sizeof(float), "operands"), PARE_OK);
    backend->operations->to_operand(backend, moved, rows * columns, out);
    free(moved);
    return out;
}

/* Printed with six digits behind the point; fp32 inputs are off by 1e-7. */
static void assert_printed(const float *actual, const double *expected, int n) {
    for (int i = 0; i < n; i++)
        if (!(fabs((double)actual[i] - expected[i]) < 1.5e-6)) {
            fprintf(stderr, "element %d: %.8f, printed %.6f\n", i, (double)actual[i], expected[i]);
            fail();
        }
}

static void golden_vectors(void **state) {
    (void)state;
    static const double s[WIDTH] = {9.253086,  9.808642,  10.283951, 10.450617,
                                    10.537037, 10.771605, 10.925926, 10.771605};
    static const double m[WIDTH] = {2.166667, 2.833333, 1.444444, 0.055556, 0.722222, 1.388889, 0, -1.388889};
    static const double v[WIDTH] = {1.318416, 1.318416, 1.235940, 1.648320, 1.648320, 1.648320, 1.400892, 1.648320};
    static const double y[ROWS] = {15.118299, 13.504110, 6.494347};
    float x[SEQUENCES * LENGTH * WIDTH], w[ROWS * WIDTH], out[WIDTH];
    pare_backend *backend;
    make_golden(x, w);
    assert_int_equal(pare_backend_open_cpu(PARE_COMPUTE_FP32, 1, &backend), PARE_OK);
    void *weight = operands(backend, w, ROWS, WIDTH, false);
    for (int by_feature = 0; by_feature < 2; by_feature++) {
        void *laid = operands(backend, x, SEQUENCES * LENGTH, WIDTH, by_feature);
        pare_inputs inputs = {.x = laid, .tokens = SEQUENCES * LENGTH, .width = WIDTH, .by_feature = by_feature};
        pare_input_moments moments;
        double squares[ROWS] = {0}, expected[WIDTH];
        float gram[WIDTH * WIDTH];
        assert_int_equal(pare_input_moments_new(WIDTH, true, &moments), PARE_OK);
        assert_int_equal(pare_input_moments_add(backend, &inputs, LENGTH, &moments), PARE_OK);
        assert_int_equal(moments.sequences, SEQUENCES);
        pare_input_moments_norm(&moments, out);
        for (int i = 0; i < WIDTH; i++)
            expected[i] = sqrt(s[i]);
        assert_printed(out, expected, WIDTH);
        pare_input_moments_mean(&moments, out);
        assert_printed(out, m, WIDTH);
        pare_input_moments_variance(&moments, out);
        assert_printed(out, v, WIDTH);
        /* SparseGPT's H = (2 / N) sum x x^T has 2 s_i on its diagonal. */
        assert_int_equal(pare_gram_add(backend, &inputs, true, gram), PARE_OK);
        for (int i = 0; i < WIDTH; i++)
            assert_true(fabs(2.0 / (double)SEQUENCES * (double)gram[i * WIDTH + i] - 2.0 * s[i]) < 1e-5);
        assert_int_equal(pare_output_norms_add(backend, &inputs, weight, ROWS, squares), PARE_OK);
        for (int o = 0; o < ROWS; o++)
            out[o] = (float)sqrt(squares[o]);
        assert_printed(out, y, ROWS);
        pare_input_moments_free(&moments);
        pare_free(laid);
    }
    pare_free(weight);
    pare_backend_close(backend);
}

typedef struct plain_sums {
    double squares, sums, within;
} plain_sums;

/* The variance by its definition. */
static plain_sums plain(const float *x, int64_t tokens, int64_t width, int64_t length, int64_t j) {
    plain_sums p = {0};
    for (int64_t begin = 0; begin < tokens; begin += length) {
        double mean = 0.0;
        for (int64_t t = begin; t < begin + length; t++)
            mean += (double)x[t * width + j] / (double)length;
        for (int64_t t = begin; t < begin + length; t++) {
            double value = (double)x[t * width + j];
            p.squares += value * value;
            p.sums += value;
            p.within += (value - mean) * (value - mean);
        }
    }
    return p;
}

static void check(pare_compute compute, bool by_feature, int64_t length, int64_t sequences, int64_t width) {
    int64_t tokens = length * sequences, n = tokens * width;
    float *x = malloc((size_t)n * sizeof *x);
    pare_random random = {.seed = 3};
    pare_backend *backend;
    pare_input_moments one, two;
    assert_int_equal(pare_backend_open_cpu(compute, 2, &backend), PARE_OK);
    for (int64_t i = 0; i < n; i++) {
        x[i] = (float)(pare_random_uniform(&random) - 0.3) * (float)(1 + i % 7);
        if (backend->operand == PARE_DTYPE_BF16) x[i] = pare_bf16_to_float(pare_float_to_bf16(x[i]));
    }
    void *laid = operands(backend, x, tokens, width, by_feature);
    pare_inputs inputs = {.x = laid, .tokens = tokens, .width = width, .by_feature = by_feature};
    assert_int_equal(pare_input_moments_new(width, true, &one), PARE_OK);
    assert_int_equal(pare_input_moments_new(width, true, &two), PARE_OK);
    for (int repeat = 0; repeat < 2; repeat++) {
        omp_set_num_threads(1);
        assert_int_equal(pare_input_moments_add(backend, &inputs, length, &one), PARE_OK);
        omp_set_num_threads(3);
        assert_int_equal(pare_input_moments_add(backend, &inputs, length, &two), PARE_OK);
    }
    assert_int_equal(one.tokens, 2 * tokens);
    assert_int_equal(one.sequences, 2 * sequences);
    assert_memory_equal(one.squares, two.squares, (size_t)width * sizeof(double));
    assert_memory_equal(one.sums, two.sums, (size_t)width * sizeof(double));
    assert_memory_equal(one.within, two.within, (size_t)width * sizeof(double));
    for (int64_t j = 0; j < width; j++) {
        plain_sums p = plain(x, tokens, width, length, j);
        assert_true(fabs(one.squares[j] - 2.0 * p.squares) <= 1e-13 * 2.0 * p.squares);
        assert_true(fabs(one.sums[j] - 2.0 * p.sums) <= 1e-12 * (1.0 + p.squares));
        assert_true(fabs(one.within[j] - 2.0 * p.within) <= 1e-12 * (1.0 + p.squares));
    }
    pare_input_moments_clear(&one);
    for (int64_t j = 0; j < width; j++)
        assert_true(one.squares[j] == 0.0 && one.sums[j] == 0.0 && one.within[j] == 0.0);
    pare_input_moments_free(&one);
    pare_input_moments_free(&two);
    pare_free(laid);
    free(x);
    pare_backend_close(backend);
}

/* Widths and lengths below, at and above what a tile holds. */
static void sums_are_plain_sums(void **state) {
    (void)state;
    for (int compute = PARE_COMPUTE_BF16; compute <= PARE_COMPUTE_FP32; compute++)
        for (int by_feature = 0; by_feature < 2; by_feature++) {
            check((pare_compute)compute, by_feature, 37, 3, 1040);
            check((pare_compute)compute, by_feature, 8200, 2, 5);
            check((pare_compute)compute, by_feature, 16, 1, 512);
            check((pare_compute)compute, by_feature, 1, 4, 1);
        }
}

static void edges_are_defined(void **state) {
    (void)state;
    float x[4 * 3] = {2, NAN, 0, 2, 1, 0, 2, 1, 0, 2, 1, 0}, out[3];
    pare_backend *backend;
    pare_input_moments moments;
    assert_int_equal(pare_backend_open_cpu(PARE_COMPUTE_FP32, 1, &backend), PARE_OK);
    pare_inputs inputs = {.x = x, .tokens = 4, .width = 3};
    assert_int_equal(pare_input_moments_new(3, true, &moments), PARE_OK);
    pare_input_moments_norm(&moments, out);
    assert_true(out[0] == 0.0f && out[1] == 0.0f && out[2] == 0.0f);
    assert_int_equal(pare_input_moments_add(backend, &inputs, 3, &moments), PARE_BAD_ARGUMENT);
    assert_int_equal(pare_input_moments_add(backend, &inputs, 0, &moments), PARE_BAD_ARGUMENT);
    inputs.width = 2;
    assert_int_equal(pare_input_moments_add(backend, &inputs, 2, &moments), PARE_BAD_ARGUMENT);
    inputs.width = 3;
    inputs.tokens = 0;
    assert_int_equal(pare_input_moments_add(backend, &inputs, 2, &moments), PARE_OK);
    inputs.tokens = 4;
    assert_int_equal(pare_input_moments_add(backend, &inputs, 2, &moments), PARE_OK);
    pare_input_moments_norm(&moments, out);
    assert_true(fabsf(out[0] - sqrtf(8.0f)) < 1e-6f && isnan(out[1]) && out[2] == 0.0f);
    pare_input_moments_variance(&moments, out);
    assert_true(out[0] == 0.0f && isnan(out[1]) && out[2] == 0.0f);
    pare_input_moments_free(&moments);
    pare_backend_close(backend);
}

/* More tokens than one piece of outputs holds. */
static void outputs_come_in_pieces(void **state) {
    (void)state;
    enum { TOKENS = 1100, IN = 40, OUT = 7 };
    static float x[TOKENS * IN], w[OUT * IN];
    pare_random random = {.seed = 9};
    pare_backend *backend;
    for (int i = 0; i < TOKENS * IN; i++)
        x[i] = (float)pare_random_uniform(&random) - 0.4f;
    for (int i = 0; i < OUT * IN; i++)
        w[i] = (float)pare_random_uniform(&random) - 0.5f;
    assert_int_equal(pare_backend_open_cpu(PARE_COMPUTE_FP32, 1, &backend), PARE_OK);
    for (int by_feature = 0; by_feature < 2; by_feature++) {
        void *laid = operands(backend, x, TOKENS, IN, by_feature);
        pare_inputs inputs = {.x = laid, .tokens = TOKENS, .width = IN, .by_feature = by_feature};
        double squares[OUT] = {0};
        for (int repeat = 0; repeat < 2; repeat++)
            assert_int_equal(pare_output_norms_add(backend, &inputs, w, OUT, squares), PARE_OK);
        for (int o = 0; o < OUT; o++) {
            double expected = 0.0;
            for (int t = 0; t < TOKENS; t++) {
                double y = 0.0;
                for (int i = 0; i < IN; i++)
                    y += (double)x[t * IN + i] * (double)w[o * IN + i];
                expected += 2.0 * y * y;
            }
            assert_close("output norm", squares[o], expected, 1e-5);
        }
        pare_free(laid);
    }
    assert_int_equal(pare_output_norms_bytes(TOKENS, OUT), 512 * OUT * 4);
    pare_backend_close(backend);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(golden_vectors), cmocka_unit_test(sums_are_plain_sums),
                                       cmocka_unit_test(edges_are_defined), cmocka_unit_test(outputs_come_in_pieces)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
