/* bf16 products made of fp32 ones, as on CPUs without their own: every layout, and shapes of several tiles, on any
 * CPU. */
#include "backend/compare.h"
#include "backend/cpu/matmul.h"

typedef struct layout {
    int64_t batch, m, n, k, pad_a, pad_b; /* pad: unused elements after each stored row */
} layout;

/* A tile takes 1024 of k and 2^18 elements in all. */
static const layout layouts[] = {
    {1, 1, 1, 1, 0, 0},       {1, 5, 7, 300, 0, 0},    {1, 47, 31, 65, 3, 2},    {1, 3, 1100, 2100, 0, 1},
    {1, 1100, 3, 1030, 7, 0}, {70, 128, 4, 130, 0, 0}, {2, 1100, 2, 1000, 0, 0}, {3, 2, 1050, 1001, 0, 0},
};

/* Stored bf16 matrix with NaN in the padding, which no product may read. */
static uint16_t *stored_matrix(int64_t rows, int64_t columns, int64_t pad, uint64_t stream, float **values) {
    int64_t size = rows * (columns + pad);
    uint16_t *stored = buffer(size, sizeof *stored);
    *values = random_floats(size, stream, 1.0f, PARE_DTYPE_BF16);
    for (int64_t row = 0; row < rows; row++)
        for (int64_t i = columns; i < columns + pad; i++)
            (*values)[row * (columns + pad) + i] = NAN;
    pare_from_float(stored, PARE_DTYPE_BF16, *values, (size_t)size);
    return stored;
}

/* The bound of test_matmul.c: products of two bf16 numbers are exact in fp32, and k additions may round. */
static void check_product(pare_matmul_cache *cache, const pare_backend *reference, const layout *l, bool ta, bool tb,
                          bool accumulate) {
    int64_t a_columns = ta ? l->m : l->k, b_columns = tb ? l->k : l->n, size = l->batch * l->m * l->n;
    int64_t a_rows = l->batch * (ta ? l->k : l->m), b_rows = l->batch * (tb ? l->n : l->k);
    pare_matmul shape = {.batch = l->batch,
                         .m = l->m,
                         .n = l->n,
                         .k = l->k,
                         .transpose_a = ta,
                         .transpose_b = tb,
                         .accumulate = accumulate,
                         .lda = l->pad_a ? a_columns + l->pad_a : 0,
                         .ldb = l->pad_b ? b_columns + l->pad_b : 0};
    float *x, *y;
    uint16_t *x_stored = stored_matrix(a_rows, a_columns, l->pad_a, 1, &x);
    uint16_t *y_stored = stored_matrix(b_rows, b_columns, l->pad_b, 2, &y);
    float *x_size = absolute(x, a_rows * (a_columns + l->pad_a));
    float *y_size = absolute(y, b_rows * (b_columns + l->pad_b));
    float *actual = random_floats(size, 3, 1.0f, PARE_DTYPE_F32);
    float *expected = random_floats(size, 3, 1.0f, PARE_DTYPE_F32), *terms = absolute(expected, size);

    assert_int_equal(pare_matmul_run_widened(cache, &shape, x_stored, y_stored, actual), PARE_OK);
    assert_int_equal(reference->operations->matmul(reference, &shape, x, y, expected), PARE_OK);
    assert_int_equal(reference->operations->matmul(reference, &shape, x_size, y_size, terms), PARE_OK);
    check_all(actual, expected, terms, size, (double)(l->k + 2) * UNIT_FP32, UNIT_FP32, "product");
    RELEASE(x, y, x_stored, y_stored, x_size, y_size, actual, expected, terms);
}

static void every_layout(void **state) {
    (void)state;
    pare_matmul_cache *cache;
    pare_backend *reference;
    assert_int_equal(pare_matmul_cache_new(true, &cache), PARE_OK);
    assert_int_equal(pare_backend_open_reference(&reference), PARE_OK);
    for (int64_t i = 0; i < LENGTH(layouts); i++)
        for (int flags = 0; flags < 8; flags++)
            check_product(cache, reference, &layouts[i], flags & 1, flags & 2, flags & 4);
    pare_backend_close(reference);
    pare_matmul_cache_free(cache);
}

/* Where the CPU has bf16 products, they and the widened ones may differ by the order of the sums alone. */
static void as_the_backend_computes(void **state) {
    (void)state;
    enum { M = 60, N = 70, K = 1500 };
    pare_matmul shape = {.batch = 1, .m = M, .n = N, .k = K, .transpose_b = true};
    pare_backend *backend = open_cpu(PARE_COMPUTE_BF16, 2);
    float *x, *y, *one = buffer(M * N, sizeof *one), *other = buffer(M * N, sizeof *other);
    uint16_t *x_stored = stored_matrix(M, K, 0, 1, &x), *y_stored = stored_matrix(N, K, 0, 2, &y);
    assert_int_equal(backend->operations->matmul(backend, &shape, x_stored, y_stored, one), PARE_OK);
    assert_int_equal(pare_matmul_run_widened(backend->state, &shape, x_stored, y_stored, other), PARE_OK);
    float *x_size = absolute(x, M * K), *y_size = absolute(y, N * K), *terms = buffer(M * N, sizeof *terms);
    pare_backend *reference;
    assert_int_equal(pare_backend_open_reference(&reference), PARE_OK);
    assert_int_equal(reference->operations->matmul(reference, &shape, x_size, y_size, terms), PARE_OK);
    check_all(one, other, terms, M * N, 2.0 * (K + 2) * UNIT_FP32, UNIT_FP32, "product");
    pare_backend_close(reference);
    pare_backend_close(backend);
    RELEASE(x, y, x_stored, y_stored, x_size, y_size, one, other, terms);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(every_layout), cmocka_unit_test(as_the_backend_computes)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
