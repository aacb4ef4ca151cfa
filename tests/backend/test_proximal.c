/* The proximal gradient step on a displacement: rows, elements, no threshold, in place, and its sums. */
#include "backend/compare.h"

static const int64_t sizes[][2] = {{1, 1}, {3, 17}, {64, 16}, {65, 100}, {200, 257}, {2, 5000}};

/* Elements round three times; row norms are sums of `columns` squares in fp32, and the factor 1 - threshold / norm
 * inherits half their relative error. Soft thresholds subtract, so their error is that of the moved element. */
static void check_step(const backends *b, const pare_proximal *step, int64_t rows, int64_t columns) {
    int64_t size = rows * columns;
    float *base = random_floats(size, 1, 1e-3f, PARE_DTYPE_F32), *next = floats(size), *expected = floats(size);
    float *gradient = random_floats(size, 2, 1.0f, PARE_DTYPE_F32);
    for (int64_t i = 0; i < columns; i++)
        base[(rows - 1) * columns + i] = gradient[(rows - 1) * columns + i] = 0.0f;
    pare_displacement_sums sums = {.squares = 2.0, .zero_rows = 5}, expected_sums = sums, in_place_sums = {0};
    b->tested->operations->proximal_step(b->tested, step, rows, columns, base, gradient, next, &sums);
    b->reference->operations->proximal_step(b->reference, step, rows, columns, base, gradient, expected,
                                            &expected_sums);
    double relative = (double)(columns + 8) * UNIT_FP32;
    for (int64_t i = 0; i < size; i++) {
        double terms =
            fabs((double)step->base_factor * (double)base[i]) + fabs((double)step->gamma * (double)gradient[i]);
        check_near((double)next[i], (double)expected[i], 4.0 * UNIT_FP32 * terms + relative * terms, "next", i);
    }
    check_near(sums.squares, expected_sums.squares, 4.0 * relative * expected_sums.squares, "squares", 0);
    assert_int_equal(sums.zero_rows, expected_sums.zero_rows);
    b->tested->operations->proximal_step(b->tested, step, rows, columns, base, gradient, base, &in_place_sums);
    assert_memory_equal(base, next, (size_t)size * sizeof *base);
    assert_int_equal(in_place_sums.zero_rows + 5, sums.zero_rows);
    RELEASE(base, next, expected, gradient);
}

/* Thresholds near the usual size of a row (about 1.4e-3 sqrt(columns)), so that some rows vanish and some stay. */
static void every_step(void **state) {
    const backends *b = backends_of(state);
    for (int64_t i = 0; i < LENGTH(sizes); i++) {
        int64_t rows = sizes[i][0], columns = sizes[i][1];
        float typical = 1.4e-3f * sqrtf((float)columns);
        const pare_proximal steps[] = {
            {1.0f, 1e-3f, 0.0f, true},   {0.9f, 1e-3f, 0.0f, false},           {0.9f, 1e-3f, typical, true},
            {1.0f, 1e-3f, 1e-3f, false}, {0.0f, 1e-3f, 0.9f * typical, true},  {1.0f, 1e-3f, 1e3f, true},
            {1.0f, 1e-3f, 1e3f, false},  {0.5f, 1e-3f, 1e-2f * typical, true},
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
    pare_proximal step = {.base_factor = 1.0f, .gamma = 1.0f, .threshold = 1.0f, .group_rows = true};
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

/* A NaN gradient is not something to shrink to zero: it must show in the result and in the sum. */
static void nan_is_not_lost(void **state) {
    const backends *b = backends_of(state);
    for (int kind = 0; kind < 3; kind++)
        for (int bad = 0; bad < 37; bad++) {
            float base[37] = {0}, gradient[37] = {0}, next[37];
            gradient[bad] = NAN;
            pare_displacement_sums sums = {0};
            pare_proximal step = {1.0f, 1.0f, kind == 0 ? 0.0f : 1.0f, kind == 1};
            b->tested->operations->proximal_step(b->tested, &step, 1, 37, base, gradient, next, &sums);
            assert_true(isnan(next[bad]));
            assert_true(isnan(sums.squares));
            assert_int_equal(sums.zero_rows, 0);
        }
}

int main(void) {
    const struct CMUnitTest tests[] = {WITH_FP32(every_step), WITH_FP32(known_values), WITH_FP32(nan_is_not_lost)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
