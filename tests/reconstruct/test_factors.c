/* Changes of a low rank: they begin with the weights as they are, their gradients are differences of a loss, zeros
 * stay, and what factors would not make smaller is trained as it is. */
#include "../counted.h"
#include "reconstruct/factors.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { ROWS = 9, COLUMNS = 12, RANK = 3, VECTOR = 7, ELEMENTS = ROWS * COLUMNS + VECTOR };

typedef struct scene {
    pare_factors factors;
    float start[ELEMENTS], value[ELEMENTS], gradient[ELEMENTS], target[ELEMENTS];
} scene;

static void open_scene(scene *s, bool keep_zeros) {
    memset(s, 0, sizeof *s);
    for (uint32_t i = 0; i < ELEMENTS; i++) {
        s->start[i] = keep_zeros && i < ROWS * COLUMNS && i % 4 == 0 ? 0.0f : counted(1, i);
        s->target[i] = counted(2, i);
    }
    assert_int_equal(pare_factors_numbers(ROWS, COLUMNS, RANK), RANK * (ROWS + COLUMNS));
    assert_int_equal(pare_factors_numbers(VECTOR, 1, RANK), VECTOR);
    assert_int_equal(pare_factors_new(2, RANK * (ROWS + COLUMNS) + VECTOR, RANK * COLUMNS, RANK, &s->factors), PARE_OK);
    s->factors.slot[0] = (pare_factored){.chosen = true,
                                         .keep_zeros = keep_zeros,
                                         .rows = ROWS,
                                         .columns = COLUMNS,
                                         .start = s->start,
                                         .gradient = s->gradient,
                                         .value = s->value};
    s->factors.slot[1] = (pare_factored){.chosen = true,
                                         .rows = VECTOR,
                                         .columns = 1,
                                         .draw = 1,
                                         .start = s->start + ROWS * COLUMNS,
                                         .gradient = s->gradient + ROWS * COLUMNS,
                                         .value = s->value + ROWS * COLUMNS};
    pare_factors_begin(&s->factors, 5);
    assert_int_equal(s->factors.count, RANK * (ROWS + COLUMNS) + VECTOR);
}

/* 1/2 sum (W - target)^2, and its gradient by W: with zeros that stay, only of what may move. */
static double loss(scene *s) {
    double sum = 0.0;
    pare_factors_apply(&s->factors);
    for (size_t i = 0; i < ELEMENTS; i++) {
        s->gradient[i] = s->value[i] - s->target[i];
        sum += (double)s->gradient[i] * (double)s->gradient[i] / 2;
        if (s->factors.slot[0].keep_zeros && s->start[i] == 0.0f) s->gradient[i] = 0.0f;
    }
    return sum;
}

static void they_begin_with_the_weights(void **state) {
    (void)state;
    scene s, again;
    open_scene(&s, false);
    open_scene(&again, false);
    pare_factors_apply(&s.factors);
    assert_memory_equal(s.value, s.start, sizeof s.start);
    assert_memory_equal(s.factors.values, again.factors.values, s.factors.count * sizeof(float));
    double squares = 0.0;
    for (size_t i = 0; i < RANK * COLUMNS; i++)
        squares +=
            (double)s.factors.values[s.factors.slot[0].a + i] * (double)s.factors.values[s.factors.slot[0].a + i];
    double size = squares / (RANK * COLUMNS) * RANK;
    if (!(size > 0.5 && size < 2.0)) fail_msg("A's numbers have squares of %g / rank", size);
    pare_factors_free(&s.factors);
    pare_factors_free(&again.factors);
}

/* From a place where neither factor is zero; the loss is a polynomial of degree 4, differences are in fp32. */
static void gradients_are_differences(bool keep_zeros) {
    scene s;
    double worst = 0.0;
    open_scene(&s, keep_zeros);
    for (uint32_t i = 0; i < s.factors.count; i++)
        s.factors.values[i] += 0.3f * counted(7, i);
    loss(&s);
    pare_factors_gradient(&s.factors);
    for (size_t i = 0; i < s.factors.count; i++) {
        float at = s.factors.values[i];
        s.factors.values[i] = at + 1e-2f;
        double above = loss(&s);
        s.factors.values[i] = at - 1e-2f;
        double below = loss(&s);
        s.factors.values[i] = at;
        worst = fmax(worst, fabs((above - below) / 2e-2 - (double)s.factors.gradient[i]));
    }
    if (!(worst < 1e-3)) fail_msg("a gradient is %g beside its difference", worst);
    for (size_t i = 0; keep_zeros && i < ELEMENTS - VECTOR; i += 4)
        assert_true(s.value[i] == 0.0f);
    pare_factors_free(&s.factors);
}

static void gradients(void **state) {
    (void)state;
    gradients_are_differences(false);
    gradients_are_differences(true);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(they_begin_with_the_weights),
        cmocka_unit_test(gradients),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
