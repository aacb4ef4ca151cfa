/* The optimiser, the norm of the gradient and the schedule against torch 2 and transformers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "support/random.h"
#include "train/adamw.h"

#include <math.h>
#include <omp.h>
#include <stdlib.h>
#include <string.h>

static void expect_near(double value, double expected, double share) {
    if (fabs(value - expected) > share * fabs(expected)) fail_msg("%.9g where %.9g is expected", value, expected);
}

/* torch.optim.AdamW, betas 0.9 and 0.999, eps 1e-8, weight decay 0.1. A few roundings of fp32 apart. */
static void steps_are_those_of_torch(void **state) {
    (void)state;
    static const float gradients[3][5] = {
        {0.1f, -0.2f, 0.3f, 1e-4f, 0.0f}, {-0.5f, 0.25f, 0.125f, -2e-4f, 0.0f}, {0.05f, 0.0f, -1.0f, 3e-4f, 1e-9f}};
    static const double rates[3] = {1e-2, 2e-2, 5e-3};
    static const double expected[3][5] = {{0.489500016, -1.23874998, 1.98800004, -0.0109979995, 0.749249995},
                                          {0.500488102, -1.23952711, 1.96592808, -0.00365439523, 0.747751534},
                                          {0.502227545, -1.23953629, 1.96690297, -0.0053686942, 0.747203231}};
    float w[5] = {0.5f, -1.25f, 2.0f, -0.001f, 0.75f};
    pare_adamw optimizer;
    assert_int_equal(pare_adamw_new(5, 0.9, 0.999, 1e-8, 0.1, &optimizer), PARE_OK);
    for (int step = 0; step < 3; step++) {
        pare_adamw_step(&optimizer, rates[step], gradients[step], w);
        for (int i = 0; i < 5; i++)
            expect_near((double)w[i], expected[step][i], 1e-6);
    }
    assert_int_equal(optimizer.steps, 3);
    pare_adamw_free(&optimizer);
}

/* torch.nn.utils.clip_grad_norm_(..., 1.0) */
static void clipping_is_that_of_torch(void **state) {
    (void)state;
    static const double expected[6] = {0.0352933556,  -0.0470578074,  0.141173422,
                                       0.00588222593, -0.00294111297, 0.988213956};
    float g[6] = {3.0f, -4.0f, 12.0f, 0.5f, -0.25f, 84.0f}, kept[6];
    memcpy(kept, g, sizeof g);
    expect_near(pare_gradient_clip(g, 6, 0.0), 85.0018387, 1e-7);
    expect_near(pare_gradient_clip(g, 6, 86.0), 85.0018387, 1e-7);
    assert_memory_equal(g, kept, sizeof g);
    expect_near(pare_gradient_clip(g, 6, 1.0), 85.0018387, 1e-7);
    for (int i = 0; i < 6; i++)
        expect_near((double)g[i], expected[i], 1e-6);
    assert_true(pare_gradient_clip(g, 0, 1.0) == 0.0);
}

static void norms_that_are_no_numbers_change_nothing(void **state) {
    (void)state;
    float g[3] = {1.0f, INFINITY, 2.0f};
    assert_true(isinf(pare_gradient_clip(g, 3, 1.0)));
    assert_true(g[0] == 1.0f && g[2] == 2.0f);
    g[1] = NAN;
    assert_true(isnan(pare_gradient_clip(g, 3, 1.0)));
    assert_true(g[0] == 1.0f && g[2] == 2.0f);
}

/* Clip and step of many numbers with so many threads. */
static float *update_with(int threads, size_t count, double *norm) {
    float *value = calloc(count, sizeof *value), *gradient = calloc(count, sizeof *gradient);
    pare_adamw optimizer;
    omp_set_num_threads(threads);
    assert_int_equal(pare_adamw_new(count, 0.9, 0.999, 1e-8, 0.01, &optimizer), PARE_OK);
    pare_normal_fill(value, 1, 0, 0, 0, count);
    for (uint64_t step = 0; step < 3; step++) {
        pare_normal_fill(gradient, 2, step, 0, 0, count);
        *norm = pare_gradient_clip(gradient, count, 1.0);
        pare_adamw_step(&optimizer, 1e-2, gradient, value);
    }
    pare_adamw_free(&optimizer);
    free(gradient);
    return value;
}

static void threads_do_not_matter(void **state) {
    (void)state;
    enum { COUNT = 200003 };
    double norm[2];
    float *one = update_with(1, COUNT, &norm[0]), *three = update_with(3, COUNT, &norm[1]);
    assert_memory_equal(one, three, COUNT * sizeof *one);
    assert_true(norm[0] == norm[1]);
    expect_near(norm[0], sqrt((double)COUNT), 0.02); /* of standard normal numbers */
    free(one);
    free(three);
}

/* transformers.get_linear_schedule_with_warmup and get_cosine_schedule_with_warmup; their first step has the rate 0. */
static void the_schedule_is_that_of_transformers(void **state) {
    (void)state;
    static const double fall[] = {1e-4, 8e-5, 6e-5, 4e-5, 2e-5};
    static const double both[] = {0.0,
                                  3.33333333e-05,
                                  6.66666667e-05,
                                  1e-4,
                                  8.57142857e-05,
                                  7.14285714e-05,
                                  5.71428571e-05,
                                  4.28571429e-05,
                                  2.85714286e-05,
                                  1.42857143e-05};
    static const double cosine[] = {
        0.0,           3.3333333e-05, 6.6666667e-05, 1e-4, 9.5048443e-05, 8.1174490e-05, 6.1126046e-05,
        3.8873953e-05, 1.8825510e-05, 4.9515566e-06, 0.0};
    pare_schedule plain = {.peak = 1e-4, .decay = 5, .total = 5};
    pare_schedule warm = {.peak = 1e-4, .warmup = 3, .decay = 7, .total = 10};
    pare_schedule flat = {.peak = 1e-4, .warmup = 2, .total = 6}, late = {.peak = 1e-4, .decay = 2, .total = 6};
    for (uint64_t i = 0; i < 5; i++)
        expect_near(pare_schedule_rate(&plain, i), fall[i], 1e-8);
    for (uint64_t i = 0; i < 10; i++)
        expect_near(pare_schedule_rate(&warm, i), both[i], 1e-8);
    pare_schedule round = {.peak = 1e-4, .warmup = 3, .decay = 7, .total = 10, .cosine = true};
    for (uint64_t i = 0; i < 11; i++)
        expect_near(pare_schedule_rate(&round, i), cosine[i], 1e-7);
    expect_near(pare_schedule_rate(&flat, 1), 5e-5, 1e-12);
    expect_near(pare_schedule_rate(&flat, 5), 1e-4, 1e-12);
    expect_near(pare_schedule_rate(&late, 3), 1e-4, 1e-12);
    expect_near(pare_schedule_rate(&late, 4), 1e-4, 1e-12);
    expect_near(pare_schedule_rate(&late, 5), 5e-5, 1e-12);
    pare_schedule published = {.peak = 1e-4, .warmup = 100, .decay = 1455, .total = 1555};
    assert_true(pare_schedule_rate(&published, 0) == 0.0);
    expect_near(pare_schedule_rate(&published, 10), 1e-5, 1e-12);
    expect_near(pare_schedule_rate(&published, 100), 1e-4, 1e-12);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(steps_are_those_of_torch),
        cmocka_unit_test(clipping_is_that_of_torch),
        cmocka_unit_test(norms_that_are_no_numbers_change_nothing),
        cmocka_unit_test(threads_do_not_matter),
        cmocka_unit_test(the_schedule_is_that_of_transformers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
