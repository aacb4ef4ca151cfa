/* What the pass sees of a weight: stored values of any type and alignment, displacement, noise, column masks. */
#include "backend/compare.h"

#include <string.h>

enum { ROWS = 8, FIRST = 3, COUNT = 4 };

typedef struct matrix {
    unsigned char *memory; /* holds `stored` one byte off any alignment */
    float *values, *delta, *mask;
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
    m.memory = buffer(size * 4 + 1, 1);
    pare_from_float(m.memory + 1, dtype, m.values, (size_t)size);
    return m;
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
        double bound = 4.0 * UNIT_FP32 * terms;
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
            for (int parts = 0; parts < 8; parts++) {
                pare_weight_view view = {.stored = m.memory + 1,
                                         .dtype = dtypes[d],
                                         .delta = parts & 1 ? m.delta : NULL,
                                         .sigma = parts & 2 ? 0.05f : 0.0f,
                                         .seed = 42,
                                         .draw = 7,
                                         .tensor = 11,
                                         .column_scale = parts & 4 ? m.mask : NULL};
                check_view(b, &view, &m);
            }
            RELEASE(m.memory, m.values, m.delta, m.mask);
        }
}

/* Without noise and displacement, float output of a stored float is the stored bits. */
static void plain_weights_are_copied(void **state) {
    const backends *b = backends_of(state);
    matrix m = matrix_new(PARE_DTYPE_F32, 33);
    pare_weight_view view = {.stored = m.memory + 1, .dtype = PARE_DTYPE_F32};
    float *out = floats(ROWS * 33);
    b->tested->operations->compose_float(b->tested, &view, 0, ROWS, 33, out);
    assert_memory_equal(out, m.values, ROWS * 33 * sizeof *out);
    RELEASE(out, m.memory, m.values, m.delta, m.mask);
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
    RELEASE(together, apart, m.memory, m.values, m.delta, m.mask);
}

int main(void) {
    const struct CMUnitTest tests[] = {WITH_FP32(every_view), WITH_BF16(every_view),
                                       WITH_FP32(plain_weights_are_copied), WITH_FP32(noise_depends_on_the_place_only)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
