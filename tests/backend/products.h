/* A product of any layout against the definition. */
#ifndef PARE_TESTS_BACKEND_PRODUCTS_H
#define PARE_TESTS_BACKEND_PRODUCTS_H

#include "backend/compare.h"

typedef struct layout {
    int64_t batch, m, n, k, pad_a,
        pad_b; /* pad: unused elements after each stored row; pad_a: of C, too, in batches of one */
} layout;

/* Stored matrix of `rows` rows with NaN in the padding, which no product may read. */
static inline float *stored_matrix(int64_t rows, int64_t columns, int64_t pad, uint64_t stream, pare_dtype dtype) {
    float *x = random_floats(rows * (columns + pad), stream, 1.0f, dtype);
    for (int64_t row = 0; row < rows; row++)
        for (int64_t i = columns; i < columns + pad; i++)
            x[row * (columns + pad) + i] = NAN;
    return x;
}

/* Products of two bf16 numbers are exact in fp32, so for both operand types the only errors are those of k additions
 * in fp32 in any order: at most (k + 2) 2^-24 times the sum of the absolute products. */
static inline void check_product(const backends *b, const layout *l, bool ta, bool tb, bool accumulate, bool slim) {
    int64_t a_columns = ta ? l->m : l->k, b_columns = tb ? l->k : l->n;
    int64_t a_rows = l->batch * (ta ? l->k : l->m), b_rows = l->batch * (tb ? l->n : l->k);
    int64_t pad_c = l->batch == 1 ? l->pad_a : 0, size = l->batch * l->m * (l->n + pad_c);
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
                         pad_c ? l->n + pad_c : 0,
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

#endif
