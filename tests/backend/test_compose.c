/* What the pass sees of a weight: stored values of any type and alignment, displacement, noise, column masks. */
#include "backend/compare.h"

#include <string.h>

enum { ROWS = 8, FIRST = 3, COUNT = 4, RANK = 3 };

typedef struct matrix {
    unsigned char *memory; /* holds `stored` one byte off any alignment */
    float *values, *delta, *mask;
    float *a, *b; /* [RANK, columns], [ROWS, RANK] */
    int64_t columns;
} matrix;

static matrix matrix_new(pare_dtype dtype, int64_t columns) {
    int64_t size = ROWS * columns;
    matrix m = {.columns = columns};
    m.values = random_floats(size, 1, 0.05f, dtype);
    m.delta = random_floats(size, 2, 0.01f, PARE_DTYPE_F32);
    m.mask = filled(columns, 1.0f);
    for (int64_t i = 0; i < columns; i += 3)
        m.mask[i] = 0.0f;
    m.a = random_floats(RANK * columns, 3, 0.5f, PARE_DTYPE_F32);
    m.b = random_floats(ROWS * RANK, 4, 0.5f, PARE_DTYPE_F32);
    for (int64_t i = 0; i < size; i += 4)
        m.values[i] = 0.0f;
    m.memory = buffer(size * 4 + 1, 1);
    pare_from_float(m.memory + 1, dtype, m.values, (size_t)size);
    return m;
}

static void matrix_free(matrix *m) {
    RELEASE(m->memory, m->values, m->delta, m->mask, m->a, m->b);
}

/* Sum of the sizes of its terms. */
static double size_of_low_rank(const matrix *m, int64_t at) {
    double sum = 0.0;
    for (int64_t k = 0; k < RANK; k++)
        sum += fabs((double)m->b[at / m->columns * RANK + k] * (double)m->a[k * m->columns + at % m->columns]);
    return sum;
}

/* fp32: a product, two sums and a factor; operands round once more. The bound is relative to the sizes of the terms. */
static void check_view(const backends *b, const pare_weight_view *view, const matrix *m) {
    int64_t size = COUNT * m->columns;
    float *expected = floats(size), *as_float = filled(size + 1, 77.0f);
    void *out = buffer(size, pare_operand_size(b->tested));
    b->reference->operations->compose_float(b->reference, view, FIRST, COUNT, m->columns, expected);
    b->tested->operations->compose_float(b->tested, view, FIRST, COUNT, m->columns, as_float);
    b->tested->operations->compose(b->tested, view, FIRST, COUNT, m->columns, out);
    float *as_operand = floats_of(b->tested, out, size);
    for (int64_t i = 0; i < size; i++) {
        int64_t at = FIRST * m->columns + i;
        double terms = fabs((double)m->values[at]) * (1.0 + 6.0 * (double)view->sigma) + fabs((double)m->delta[at]);
        terms += view->low_rank ? 0.5 * size_of_low_rank(m, at) : 0.0;
        double bound = (4.0 + (double)RANK) * UNIT_FP32 * terms;
        check_near((double)as_float[i], (double)expected[i], bound, "float", i);
        check_near((double)as_operand[i], (double)expected[i], bound + b->unit * fabs((double)expected[i]), "operand",
                   i);
        if (view->column_scale && i % m->columns % 3 == 0) assert_true(as_operand[i] == 0.0f && as_float[i] == 0.0f);
    }
    assert_true(as_float[size] == 77.0f);
    RELEASE(expected, as_float, out, as_operand);
}

static void every_view(void **state) {
    const backends *b = backends_of(state);
    const pare_dtype dtypes[] = {PARE_DTYPE_F32, PARE_DTYPE_F16, PARE_DTYPE_BF16};
    const int64_t widths[] = {1, 65, 1100};
    for (int64_t d = 0; d < LENGTH(dtypes); d++)
        for (int64_t w = 0; w < LENGTH(widths); w++) {
            matrix m = matrix_new(dtypes[d], widths[w]);
            for (int parts = 0; parts < 32; parts++) {
                pare_low_rank low_rank = {
                    .rank = RANK, .a = m.a, .b = m.b, .scale = 0.5f, .keep_zeros = (parts & 16) != 0};
                pare_weight_view view = {.stored = m.memory + 1,
                                         .dtype = dtypes[d],
                                         .delta = parts & 1 ? m.delta : NULL,
                                         .sigma = parts & 2 ? 0.05f : 0.0f,
                                         .seed = 42,
                                         .draw = 7,
                                         .tensor = 11,
                                         .column_scale = parts & 4 ? m.mask : NULL,
                                         .low_rank = parts & 8 ? &low_rank : NULL};
                check_view(b, &view, &m);
            }
            matrix_free(&m);
        }
}

/* The plain formula, W + s B A, and zeros that stay. */
static void a_low_rank_term_is_added_where_it_should_be(void **state) {
    const backends *b = backends_of(state);
    enum { COLUMNS = 301 };
    matrix m = matrix_new(PARE_DTYPE_F32, COLUMNS);
    float *out = floats(ROWS * COLUMNS);
    for (int keep = 0; keep < 2; keep++) {
        pare_low_rank low_rank = {.rank = RANK, .a = m.a, .b = m.b, .scale = 2.0f, .keep_zeros = keep};
        pare_weight_view view = {.stored = m.memory + 1, .dtype = PARE_DTYPE_F32, .low_rank = &low_rank};
        b->tested->operations->compose_float(b->tested, &view, 0, ROWS, COLUMNS, out);
        for (int64_t at = 0; at < ROWS * COLUMNS; at++) {
            double expected = (double)m.values[at];
            for (int64_t k = 0; k < RANK && !(keep && m.values[at] == 0.0f); k++)
                expected += 2.0 * (double)m.b[at / COLUMNS * RANK + k] * (double)m.a[k * COLUMNS + at % COLUMNS];
            double bound = 4.0 * UNIT_FP32 * (fabs((double)m.values[at]) + 2.0 * size_of_low_rank(&m, at));
            check_near((double)out[at], expected, bound, "element", at);
        }
    }
    RELEASE(out);
    matrix_free(&m);
}

/* Without noise and displacement, float output of a stored float is the stored bits. */
static void plain_weights_are_copied(void **state) {
    const backends *b = backends_of(state);
    matrix m = matrix_new(PARE_DTYPE_F32, 33);
    pare_weight_view view = {.stored = m.memory + 1, .dtype = PARE_DTYPE_F32};
    float *out = floats(ROWS * 33);
    b->tested->operations->compose_float(b->tested, &view, 0, ROWS, 33, out);
    assert_memory_equal(out, m.values, ROWS * 33 * sizeof *out);
    RELEASE(out);
    matrix_free(&m);
}

/* Rows composed one by one carry the same noise as rows composed together. */
static void noise_depends_on_the_place_only(void **state) {
    const backends *b = backends_of(state);
    matrix m = matrix_new(PARE_DTYPE_BF16, 101);
    pare_weight_view view = {.stored = m.memory + 1, .dtype = PARE_DTYPE_BF16, .sigma = 0.05f, .seed = 1, .tensor = 2};
    float *together = floats(ROWS * 101), *apart = floats(ROWS * 101);
    b->tested->operations->compose_float(b->tested, &view, 0, ROWS, 101, together);
    for (int64_t row = 0; row < ROWS; row++)
        b->tested->operations->compose_float(b->tested, &view, row, 1, 101, apart + row * 101);
    assert_memory_equal(together, apart, ROWS * 101 * sizeof *apart);
    RELEASE(together, apart);
    matrix_free(&m);
}

int main(void) {
    const struct CMUnitTest tests[] = {WITH_FP32(every_view), WITH_BF16(every_view),
                                       WITH_FP32(a_low_rank_term_is_added_where_it_should_be),
                                       WITH_FP32(plain_weights_are_copied), WITH_FP32(noise_depends_on_the_place_only)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
