/* Matrix products of every layout against the definition. */
#include "backend/products.h"

static const layout layouts[] = {
    {1, 1, 1, 1, 0, 0},    {1, 1, 33, 17, 0, 0},   {1, 4, 64, 100, 0, 0},  {1, 5, 7, 300, 0, 0},
    {1, 47, 31, 65, 3, 0}, {1, 48, 48, 48, 0, 5},  {1, 129, 40, 77, 1, 2}, {1, 64, 128, 96, 8, 16},
    {6, 17, 19, 23, 0, 0}, {3, 128, 33, 16, 0, 0}, {2, 1, 130, 80, 0, 0},  {5, 8, 1, 9, 0, 0},
};

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

/* One thread's product of 16 to 64 rows gives each of them the same bits however many others there are, if the number
 * divided by six leaves 0 or 4: text that is written in step relies on it (calibrate/self.c). */
static void rows_round_alike(void **state) {
    const backends *b = backends_of(state);
    const int64_t shapes[][2] = {{128, 128}, {64, 128}, {128, 384}, {1000, 72}, {300, 688}, {96, 1536}};
    enum { ROWS = 64, WIDEST = 1000, DEEPEST = 1536 };
    pare_backend *alone = open_cpu(b->tested->operand == PARE_DTYPE_BF16 ? PARE_COMPUTE_BF16 : PARE_COMPUTE_FP32, 1);
    float *x = random_floats(ROWS * DEEPEST, 1, 1.0f, b->tested->operand);
    float *w = random_floats(WIDEST * DEEPEST, 2, 1.0f, b->tested->operand);
    void *x_operand = operand_of(b->tested, x, ROWS * DEEPEST), *w_operand = operand_of(b->tested, w, WIDEST * DEEPEST);
    float *all = floats(ROWS * WIDEST), *some = floats(ROWS * WIDEST);
    for (int64_t i = 0; i < LENGTH(shapes); i++)
        for (int64_t rows = ROWS; rows >= 16; rows -= rows % 6 == 0 ? 2 : 4)
            for (int accumulate = 0; accumulate < 2; accumulate++) {
                pare_matmul shape = {.batch = 1,
                                     .m = ROWS,
                                     .n = shapes[i][0],
                                     .k = shapes[i][1],
                                     .transpose_b = true,
                                     .accumulate = accumulate};
                memcpy(all, w, (size_t)(ROWS * shape.n) * sizeof *all);
                memcpy(some, w, (size_t)(ROWS * shape.n) * sizeof *some);
                assert_int_equal(alone->operations->matmul(alone, &shape, x_operand, w_operand, all), PARE_OK);
                shape.m = rows;
                assert_int_equal(alone->operations->matmul(alone, &shape, x_operand, w_operand, some), PARE_OK);
                assert_memory_equal(all, some, (size_t)(rows * shape.n) * sizeof *all);
            }
    pare_backend_close(alone);
    RELEASE(x, w, x_operand, w_operand, all, some);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        WITH_FP32(every_layout),   WITH_BF16(every_layout),     WITH_FP32(many_shapes),     WITH_FP32(empty_products),
        WITH_BF16(empty_products), WITH_FP32(rows_round_alike), WITH_BF16(rows_round_alike)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
