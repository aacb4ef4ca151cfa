/* Matrix products of every layout against the definition. */
#include "backend/compare.h"

typedef struct layout {
    int64_t batch, m, n, k, pad_a, pad_b; /* pad: unused elements after each stored row */
} layout;

static const layout layouts[] = {
    {1, 1, 1, 1, 0, 0},    {1, 1, 33, 17, 0, 0},   {1, 4, 64, 100, 0, 0},  {1, 5, 7, 300, 0, 0},
    {1, 47, 31, 65, 3, 0}, {1, 48, 48, 48, 0, 5},  {1, 129, 40, 77, 1, 2}, {1, 64, 128, 96, 8, 16},
    {6, 17, 19, 23, 0, 0}, {3, 128, 33, 16, 0, 0}, {2, 1, 130, 80, 0, 0},  {5, 8, 1, 9, 0, 0},
};

/* Stored matrix of `rows` rows with NaN in the padding, which no product may read. */
static float *stored_matrix(int64_t rows, int64_t columns, int64_t pad, uint64_t stream, pare_dtype dtype) {
    float *x = random_floats(rows * (columns + pad), stream, 1.0f, dtype);
    for (int64_t row = 0; row < rows; row++)
        for (int64_t i = columns; i < columns + pad; i++)
            x[row * (columns + pad) + i] = NAN;
    return x;
}

/* Products of two bf16 numbers are exact in fp32, so for both operand types the only errors are those of k additions
 * in fp32 in any order: at most (k + 2) 2^-24 times the sum of the absolute products. */
static void check_product(const backends *b, const layout *l, bool ta, bool tb, bool accumulate, bool slim) {
    int64_t a_columns = ta ? l->m : l->k, b_columns = tb ? l->k : l->n;
    int64_t a_rows = l->batch * (ta ? l->k : l->m), b_rows = l->batch * (tb ? l->n : l->k),
            size = l->batch * l->m * l->n;
    int64_t a_size = a_rows * (a_columns + l->pad_a), b_size = b_rows * (b_columns + l->pad_b);
    pare_matmul shape = {l->batch,
                         l->m,
                         l->n,
                         l->k,
                         ta,
                         tb,
                         accumulate,
                         l->pad_a ? a_columns + l->pad_a : 0,
                         l->pad_b ? b_columns + l->pad_b : 0,
                         slim};
    float *x = stored_matrix(a_rows, a_columns, l->pad_a, 1, b->tested->operand);
    float *y = stored_matrix(b_rows, b_columns, l->pad_b, 2, b->tested->operand);
    float *x_size = absolute(x, a_size), *y_size = absolute(y, b_size);
    void *x_operand = operand_of(b->tested, x, a_size), *y_operand = operand_of(b->tested, y, b_size);
    float *actual = random_floats(size, 3, 1.0f, PARE_DTYPE_F32),
          *expected = random_floats(size, 3, 1.0f, PARE_DTYPE_F32);
    float *terms = absolute(expected, size);

    assert_int_equal(b->tested->operations->matmul(b->tested, &shape, x_operand, y_operand, actual), PARE_OK);
    assert_int_equal(b->reference->operations->matmul(b->reference, &shape, x, y, expected), PARE_OK);
    assert_int_equal(b->reference->operations->matmul(b->reference, &shape, x_size, y_size, terms), PARE_OK);
    check_all(actual, expected, terms, size, (double)(l->k + 2) * UNIT_FP32, UNIT_FP32, "product");
    RELEASE(x, y, x_size, y_size, x_operand, y_operand, actual, expected, terms);
}

static void every_layout(void **state) {
    const backends *b = backends_of(state);
    for (int64_t i = 0; i < LENGTH(layouts); i++)
        for (int flags = 0; flags < 16; flags++)
            check_product(b, &layouts[i], flags & 1, flags & 2, flags & 4, flags & 8);
}

/* More shapes than the cache of primitives has slots, twice over: an evicted shape must come back right. */
static void many_shapes(void **state) {
    const backends *b = backends_of(state);
    for (int round = 0; round < 2; round++)
        for (int64_t m = 1; m <= 600; m++) {
            float ones[600], row[2] = {0};
            for (int64_t i = 0; i < m; i++)
                ones[i] = 1.0f;
            void *operand = operand_of(b->tested, ones, m);
            pare_matmul shape = {.batch = 1, .m = 1, .n = 1, .k = m};
            assert_int_equal(b->tested->operations->matmul(b->tested, &shape, operand, operand, row), PARE_OK);
            assert_true(row[0] == (float)m && row[1] == 0.0f);
            free(operand);
        }
}

static void empty_products(void **state) {
    const backends *b = backends_of(state);
    const int64_t sizes[][4] = {{0, 2, 3, 4}, {1, 0, 3, 4}, {1, 2, 0, 4}, {1, 2, 3, 0}};
    for (int64_t i = 0; i < LENGTH(sizes); i++)
        for (int accumulate = 0; accumulate < 2; accumulate++) {
            float c[6] = {1, 2, 3, 4, 5, 6};
            unsigned char nothing[64] = {0};
            const int64_t *s = sizes[i];
            pare_matmul shape = {.batch = s[0], .m = s[1], .n = s[2], .k = s[3], .accumulate = accumulate};
            assert_int_equal(b->tested->operations->matmul(b->tested, &shape, nothing, nothing, c), PARE_OK);
            bool cleared = i == 3 && !accumulate;
            for (int j = 0; j < 6; j++)
                assert_true(c[j] == (cleared ? 0.0f : (float)(j + 1)));
        }
}

int main(void) {
    const struct CMUnitTest tests[] = {WITH_FP32(every_layout), WITH_BF16(every_layout), WITH_FP32(many_shapes),
                                       WITH_FP32(empty_products), WITH_BF16(empty_products)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
