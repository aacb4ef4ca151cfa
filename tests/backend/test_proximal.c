/* The proximal gradient step on a displacement: rows, elements, no threshold, in place, and its sums. */
#include "backend/compare.h"

static const int64_t sizes[][2] = {{1, 1}, {3, 17}, {64, 16}, {65, 100}, {200, 257}, {2, 5000}};

/* Elements round three times; row norms are sums of `columns` squares in fp32, and the factor 1 - threshold / norm
 * inherits half their relative error, times shrink / norm where that is more than 1. Soft thresholds subtract, so their
 * error is that of the moved element, and one more rounding of the result. */
static double amplified(const pare_proximal *step, float norm) {
    return step->group_rows && norm > step->threshold && step->shrink > norm ? (double)step->shrink / (double)norm
                                                                             : 1.0;
}

static double squares_of(float norm) {
    return (double)norm * (double)norm;
}

/* Rows by themselves come to the bits that they come to among others. whole: the step, with what it has said of all
 * rows; next: what it has made of them. */
static void check_apart(const backends *b, const pare_proximal *step, const pare_proximal *whole, int64_t rows,
                        int64_t columns, const float *base, const float *gradient, const float *next) {
    float *part = floats(columns);
    for (int64_t row = 0; row < rows; row++) {
        float norm;
        double squares;
        pare_proximal one = *step;
        pare_displacement_sums unused = {0};
        one.row_norms = &norm;
        one.row_squares = &squares;
        b->tested->operations->proximal_step(b->tested, &one, 1, columns, base + row * columns,
                                             gradient + row * columns, part, &unused);
        assert_memory_equal(part, next + row * columns, (size_t)columns * sizeof *part);
        assert_memory_equal(&norm, &whole->row_norms[row], sizeof norm);
        assert_memory_equal(&squares, &whole->row_squares[row], sizeof squares);
    }
    RELEASE(part);
}

static void check_step(const backends *b, const pare_proximal *step, int64_t rows, int64_t columns) {
    int64_t size = rows * columns;
    float *base = random_floats(size, 1, 1e-3f, PARE_DTYPE_F32), *next = floats(size), *expected = floats(size);
    float *gradient = random_floats(size, 2, 1.0f, PARE_DTYPE_F32);
    for (int64_t i = 0; i < columns; i++)
        base[(rows - 1) * columns + i] = gradient[(rows - 1) * columns + i] = 0.0f;
    pare_displacement_sums sums = {.squares = 2.0, .zero_rows = 5}, expected_sums = sums, in_place_sums = {0};
    pare_proximal tested = *step, reference = *step;
    float *norms = tested.row_norms = floats(rows), *expected_norms = reference.row_norms = floats(rows);
    double squares[200], expected_squares[200], sum = sums.squares;
    assert_true(rows <= LENGTH(squares));
    tested.row_squares = squares;
    reference.row_squares = expected_squares;
    b->tested->operations->proximal_step(b->tested, &tested, rows, columns, base, gradient, next, &sums);
    b->reference->operations->proximal_step(b->reference, &reference, rows, columns, base, gradient, expected,
                                            &expected_sums);
    double relative = (double)(columns + 8) * UNIT_FP32;
    for (int64_t i = 0; i < size; i++) {
        double terms =
            fabs((double)step->base_factor * (double)base[i]) + fabs((double)step->gamma * (double)gradient[i]);
        check_near((double)next[i], (double)expected[i],
                   4.0 * UNIT_FP32 * (terms + fabs((double)expected[i])) +
                       relative * amplified(step, norms[i / columns]) * terms,
                   "next", i);
    }
    for (int64_t row = 0; row < rows; row++)
        check_near((double)norms[row], (double)expected_norms[row], relative * (double)expected_norms[row], "norm",
                   row);
    for (int64_t row = 0; row < rows; row++) {
        sum += squares[row];
        check_near(squares[row], expected_squares[row],
                   4.0 * relative * amplified(step, norms[row]) * (expected_squares[row] + squares_of(norms[row])),
                   "squares of a row", row);
    }
    check_near(sum, sums.squares, (double)rows * 1e-16 * sum, "squares of all rows", 0);
    check_near(sums.squares, expected_sums.squares, 4.0 * relative * expected_sums.squares, "squares", 0);
    assert_int_equal(sums.zero_rows, expected_sums.zero_rows);
    check_apart(b, step, &tested, rows, columns, base, gradient, next);
    b->tested->operations->proximal_step(b->tested, step, rows, columns, base, gradient, base, &in_place_sums);
    assert_memory_equal(base, next, (size_t)size * sizeof *base);
    assert_int_equal(in_place_sums.zero_rows + 5, sums.zero_rows);
    RELEASE(base, next, expected, gradient, norms, expected_norms);
}

/* Thresholds near the usual size of a row (about 1.4e-3 sqrt(columns)), so that some rows vanish and some stay. */
static void every_step(void **state) {
    const backends *b = backends_of(state);
    for (int64_t i = 0; i < LENGTH(sizes); i++) {
        int64_t rows = sizes[i][0], columns = sizes[i][1];
        float typical = 1.4e-3f * sqrtf((float)columns);
        const pare_proximal steps[] = {
            {1.0f, 1e-3f, 0.0f, 0.0f, true, NULL, NULL},
            {0.9f, 1e-3f, 0.0f, 0.0f, false, NULL, NULL},
            {0.9f, 1e-3f, typical, typical, true, NULL, NULL},
            {1.0f, 1e-3f, 1e-3f, 1e-3f, false, NULL, NULL},
            {0.0f, 1e-3f, 0.9f * typical, 0.9f * typical, true, NULL, NULL},
            {1.0f, 1e-3f, 1e3f, 1e3f, true, NULL, NULL},
            {1.0f, 1e-3f, 1e3f, 1e3f, false, NULL, NULL},
            {0.5f, 1e-3f, 1e-2f * typical, 1e-2f * typical, true, NULL, NULL},
            {1.0f, 1e-3f, 1e-3f * typical, 3.0f * typical, true, NULL, NULL},
            {1.0f, 1e-3f, 1e-5f, 2e-3f, false, NULL, NULL},
        };
        for (int64_t j = 0; j < LENGTH(steps); j++)
            check_step(b, &steps[j], rows, columns);
    }
}

/* By hand: a row of norm 5 under threshold 1 shrinks by 4/5; one of norm 1 vanishes; elements lose the threshold. */
static void known_values(void **state) {
    const backends *b = backends_of(state);
    const float zero[4] = {0}, gradient[4] = {-3, -4, 0.6f, -0.8f};
    float next[4];
    pare_displacement_sums sums = {0};
    pare_proximal step = {.base_factor = 1.0f, .gamma = 1.0f, .threshold = 1.0f, .shrink = 1.0f, .group_rows = true};
    b->tested->operations->proximal_step(b->tested, &step, 2, 2, zero, gradient, next, &sums);
    const double by_rows[] = {2.4, 3.2, 0, 0}, by_elements[] = {2, 3, 0, 0};
    for (int i = 0; i < 4; i++)
        check_near((double)next[i], by_rows[i], 1e-6, "rows", i);
    check_near(sums.squares, 16.0, 1e-5, "squares", 0);
    assert_int_equal(sums.zero_rows, 1);
    step.group_rows = false;
    b->tested->operations->proximal_step(b->tested, &step, 2, 2, zero, gradient, next, &sums);
    for (int i = 0; i < 4; i++)
        check_near((double)next[i], by_elements[i], 1e-6, "elements", i);
    check_near(sums.squares, 29.0, 1e-5, "squares", 0);
    assert_int_equal(sums.zero_rows, 2);
}

/* The released form's numbers (spec of the reference, gamma = 2e-4, eta = 5e-6): root mean squares of rows of two, so
 * thresholds on L2 norms are sqrt(2) times those on root mean squares. The first row turns and grows, the second keeps
 * half of itself, the third vanishes. */
static void a_shrink_above_the_threshold(void **state) {
    const backends *b = backends_of(state);
    const float zero[6] = {0}, minus[6] = {-3e-7f, -4e-7f, -1e-5f, -1e-5f, -1e-9f, -0.9e-9f};
    const double expected[6] = {-3.9426407e-6, -5.2568542e-6, 5e-6, 5e-6, 0, 0};
    float next[6];
    pare_displacement_sums sums = {0};
    pare_proximal step = {1.0f, 1.0f, (float)(1e-9 * sqrt(2)), (float)(5e-6 * sqrt(2)), true, NULL, NULL};
    b->tested->operations->proximal_step(b->tested, &step, 3, 2, zero, minus, next, &sums);
    for (int i = 0; i < 6; i++)
        check_near((double)next[i], expected[i], 1e-6 * fabs(expected[i]), "next", i);
    check_near(sums.squares, 2 * (4.6464466e-6 * 4.6464466e-6 + 25e-12), 1e-16, "squares", 0);
    assert_int_equal(sums.zero_rows, 1);
}

/* base, gradient and next in one place, gamma 0. */
static void shrinking_alone(void **state) {
    const backends *b = backends_of(state);
    enum { ROWS = 66, COLUMNS = 37 };
    for (int group = 0; group < 2; group++) {
        float *x = random_floats(ROWS * COLUMNS, 3, 1.0f, PARE_DTYPE_F32), *expected = floats(ROWS * COLUMNS);
        float *zero = floats(ROWS * COLUMNS), threshold = group ? 6.0f : 0.7f;
        memset(zero, 0, sizeof *zero * ROWS * COLUMNS);
        pare_displacement_sums sums = {0}, expected_sums = {0};
        pare_proximal step = {1.0f, 1.0f, threshold, threshold, group == 1, NULL, NULL};
        b->tested->operations->proximal_step(b->tested, &step, ROWS, COLUMNS, x, zero, expected, &expected_sums);
        step.gamma = 0.0f;
        b->tested->operations->proximal_step(b->tested, &step, ROWS, COLUMNS, x, x, x, &sums);
        for (int64_t i = 0; i < ROWS * COLUMNS; i++)
            assert_true(x[i] == expected[i]);
        assert_true(sums.squares == expected_sums.squares && sums.zero_rows == expected_sums.zero_rows);
        RELEASE(x, expected, zero);
    }
}

/* A NaN gradient is not something to shrink to zero: it must show in the result and in the sum. */
static void nan_is_not_lost(void **state) {
    const backends *b = backends_of(state);
    for (int kind = 0; kind < 3; kind++)
        for (int bad = 0; bad < 37; bad++) {
            float base[37] = {0}, gradient[37] = {0}, next[37];
            gradient[bad] = NAN;
            pare_displacement_sums sums = {0};
            float threshold = kind == 0 ? 0.0f : 1.0f;
            pare_proximal step = {1.0f, 1.0f, threshold, threshold, kind == 1, NULL, NULL};
            b->tested->operations->proximal_step(b->tested, &step, 1, 37, base, gradient, next, &sums);
            assert_true(isnan(next[bad]));
            assert_true(isnan(sums.squares));
            assert_int_equal(sums.zero_rows, 0);
        }
}

int main(void) {
    const struct CMUnitTest tests[] = {WITH_FP32(every_step), WITH_FP32(known_values),
                                       WITH_FP32(a_shrink_above_the_threshold), WITH_FP32(shrinking_alone),
                                       WITH_FP32(nan_is_not_lost)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
