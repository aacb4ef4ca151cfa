/* bf16 products made of fp32 ones, as on CPUs without their own: every layout, and shapes of several tiles, on any
 * CPU. */
#include "backend/cpu/matmul.h"
#include "backend/products.h"

/* A tile takes 1024 of k and 2^18 elements in all. */
static const layout layouts[] = {
    {1, 1, 1, 1, 0, 0},       {1, 5, 7, 300, 0, 0},    {1, 47, 31, 65, 3, 2},    {1, 3, 1100, 2100, 0, 1},
    {1, 1100, 3, 1030, 7, 0}, {70, 128, 4, 130, 0, 0}, {2, 1100, 2, 1000, 0, 0}, {3, 2, 1050, 1001, 0, 0},
};

static pare_status run_widened(const pare_backend *backend, const pare_matmul *shape, const void *a, const void *b,
                               float *c) {
    return pare_matmul_run_widened(backend->state, shape, a, b, c);
}

static const pare_backend_operations widened = {.matmul = run_widened};

static void every_layout(void **state) {
    (void)state;
    pare_matmul_cache *cache;
    backends b = {0};
    assert_int_equal(pare_matmul_cache_new(true, &cache), PARE_OK);
    assert_int_equal(pare_backend_open_reference(&b.reference), PARE_OK);
    b.tested = &(pare_backend){.operations = &widened, .operand = PARE_DTYPE_BF16, .state = cache};
    for (int64_t i = 0; i < LENGTH(layouts); i++)
        for (int flags = 0; flags < 8; flags++)
            check_product(&b, &layouts[i], flags & 1, flags & 2, flags & 4, false);
    pare_backend_close(b.reference);
    pare_matmul_cache_free(cache);
}

/* Where the CPU has bf16 products, they and the widened ones may differ by the order of the sums alone. */
static void as_the_backend_computes(void **state) {
    (void)state;
    enum { M = 60, N = 70, K = 1500 };
    pare_matmul shape = {.batch = 1, .m = M, .n = N, .k = K, .transpose_b = true};
    pare_backend *backend = open_cpu(PARE_COMPUTE_BF16, 2), *reference;
    assert_int_equal(pare_backend_open_reference(&reference), PARE_OK);
    float *x = stored_matrix(M, K, 0, 1, PARE_DTYPE_BF16), *y = stored_matrix(N, K, 0, 2, PARE_DTYPE_BF16);
    void *a = operand_of(backend, x, M * K), *b = operand_of(backend, y, N * K);
    float *x_size = absolute(x, M * K), *y_size = absolute(y, N * K);
    float *one = floats(M * N), *other = floats(M * N), *terms = floats(M * N);
    assert_int_equal(backend->operations->matmul(backend, &shape, a, b, one), PARE_OK);
    assert_int_equal(pare_matmul_run_widened(backend->state, &shape, a, b, other), PARE_OK);
    assert_int_equal(reference->operations->matmul(reference, &shape, x_size, y_size, terms), PARE_OK);
    check_all(one, other, terms, M * N, 2.0 * (K + 2) * UNIT_FP32, UNIT_FP32, "product");
    pare_backend_close(reference);
    pare_backend_close(backend);
    RELEASE(x, y, a, b, x_size, y_size, one, other, terms);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(every_layout), cmocka_unit_test(as_the_backend_computes)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
