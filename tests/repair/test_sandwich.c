/* Products between two sides: of operands against double within the bound that rounding gives, in fp32 within its own;
 * and repairs in the metric of the loss, which come to the same errors with either. */
#include "backend/backend.h"
#include "kronecker_problem.h"
#include "repair/masked_cg.h"
#include "repair/sandwich.h"
#include "support/memory.h"

#include <omp.h>

enum { ROWS = 37, COLUMNS = 70 };

typedef struct numbers {
    float left[ROWS * ROWS], right[COLUMNS * COLUMNS], matrix[ROWS * COLUMNS], product[ROWS * COLUMNS];
} numbers;

static void fill_symmetric(float *out, int64_t n, int seed) {
    for (int64_t i = 0; i < n; i++)
        for (int64_t j = 0; j <= i; j++)
            out[i * n + j] = out[j * n + i] = (float)sin((double)(i * 37 + j * 11 + seed)) + (i == j ? 2.0f : 0.0f);
}

/* At (row, column); *bound: the same of absolute values. */
static double expected(const numbers *n, bool left, int64_t row, int64_t column, double *bound) {
    double sum = 0.0;
    *bound = 0.0;
    for (int64_t o = 0; o < ROWS; o++) {
        double weight = left ? (double)n->left[row * ROWS + o] : o == row;
        for (int64_t j = 0; j < COLUMNS; j++) {
            double term = weight * (double)n->matrix[o * COLUMNS + j] * (double)n->right[j * COLUMNS + column];
            sum += term;
            *bound += fabs(term);
        }
    }
    return sum;
}

/* rounding: of one factor, relative. */
static void multiplies(const pare_backend *backend, bool left, double rounding) {
    numbers *n = calloc(1, sizeof *n);
    pare_sandwich sandwich;
    pare_sandwich_room room;
    fill_symmetric(n->left, ROWS, 1);
    fill_symmetric(n->right, COLUMNS, 2);
    for (int i = 0; i < ROWS * COLUMNS; i++)
        n->matrix[i] = (float)cos((double)i * 1.7);
    uint64_t held = pare_memory_current();
    bool rounds = pare_sandwich_rounds(backend);
    assert_int_equal(pare_sandwich_new(backend, left ? n->left : NULL, ROWS, n->right, COLUMNS, &sandwich), PARE_OK);
    assert_int_equal(pare_sandwich_room_new(&sandwich, &room), PARE_OK);
    assert_true(pare_memory_current() - held <= pare_sandwich_bytes(rounds, left, ROWS, COLUMNS) +
                                                    pare_sandwich_room_bytes(rounds, left, ROWS, COLUMNS) + 1024);
    assert_int_equal(pare_sandwich_run(&sandwich, &room, n->matrix, ROWS, n->product), PARE_OK);
    for (int64_t i = 0; i < ROWS * COLUMNS; i++) {
        double bound, exact = expected(n, left, i / COLUMNS, i % COLUMNS, &bound);
        assert_true(fabs((double)n->product[i] - exact) <= (left ? 4.0 : 2.0) * rounding * bound);
    }
    pare_sandwich_free(&sandwich);
    pare_sandwich_room_free(&room);
    free(n);
}

static void products_are_near_those_in_double(void **state) {
    (void)state;
    pare_backend *backend;
    assert_int_equal(pare_backend_open_cpu(PARE_COMPUTE_BF16, 1, &backend), PARE_OK);
    for (int left = 0; left < 2; left++) {
        multiplies(backend, left, 0x1p-9 * 1.02);
        multiplies(NULL, left, 0x1p-17);
    }
    pare_backend_close(backend);
    assert_int_equal(pare_backend_open_cpu(PARE_COMPUTE_FP32, 1, &backend), PARE_OK);
    assert_false(pare_sandwich_rounds(backend));
    pare_backend_close(backend);
}

/* mask: chosen, or what was. */
static double repaired(const k_problem *p, const pare_kronecker *k, pare_element_mask *mask) {
    float weights[K_SIZE];
    pare_kronecker_result result;
    memcpy(weights, p->weights, sizeof weights);
    uint64_t held = pare_memory_current();
    pare_memory_peak_reset();
    assert_int_equal(pare_kronecker_run(k, weights, mask, &result), PARE_OK);
    assert_true(pare_memory_peak() - held <= pare_kronecker_bytes(k, k->fisher != NULL, K_ROWS, K_COLUMNS) + 4096);
    return result.after;
}

/* Coupled rows and independent ones. Of 640 weights a mask chosen by numbers that are a little different is another,
 * better or worse; under the same mask the weights are as good. */
static void repairs_come_to_the_same_error(void **state) {
    (void)state;
    const pare_element_target targets[] = {{.sparsity = 0.6, .compare = PARE_COMPARE_MATRIX}, {.keep = 2, .of = 4}};
    k_problem p;
    pare_backend *backend;
    pare_element_mask mask;
    k_make(&p, -1, -1);
    assert_int_equal(pare_backend_open_cpu(PARE_COMPUTE_BF16, 1, &backend), PARE_OK);
    assert_int_equal(pare_element_mask_new(K_ROWS, K_COLUMNS, &mask), PARE_OK);
    for (int way = 0; way < 4; way++) {
        pare_kronecker k = pare_kronecker_defaults;
        k.gram = p.gram;
        k.fisher = way / 2 ? p.fisher : NULL;
        k.fisher_diagonal = p.diagonal;
        k.what = "a matrix";
        k.choose = &targets[way % 2];
        k.backend = backend;
        double chosen = repaired(&p, &k, &mask);
        k.choose = NULL;
        double rounded = repaired(&p, &k, &mask);
        k.backend = NULL;
        double exact = repaired(&p, &k, &mask);
        assert_true(rounded != exact);
        assert_true(fabs(rounded - exact) < 0.01 * exact);
        k.choose = &targets[way % 2];
        exact = repaired(&p, &k, &mask);
        assert_true(fabs(chosen - exact) < 0.1 * exact);
    }
    pare_element_mask_free(&mask);
    pare_backend_close(backend);
}

int main(void) {
    omp_set_num_threads(1); /* small problems */
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(products_are_near_those_in_double),
        cmocka_unit_test(repairs_come_to_the_same_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
