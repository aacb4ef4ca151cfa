/* Gradients of what is trained against differences of the loss. */
#ifndef PARE_TESTS_TINY_SLOPES_H
#define PARE_TESTS_TINY_SLOPES_H

#include "tiny_trained.h"

typedef struct slopes {
    const tiny_pass *t;
    pare_trained *trained;
    pare_pass *pass;
    float *start; /* [count] values between the steps */
} slopes;

static inline double loss_along(const slopes *s, size_t begin, size_t count, const float *direction, double step) {
    for (size_t i = 0; i < count; i++)
        s->trained->value[begin + i] = (float)((double)s->start[begin + i] + step * (double)direction[i]);
    assert_int_equal(s->trained->refresh(s->trained), PARE_OK);
    double sum;
    assert_int_equal(pare_pass_forward(s->pass, &s->trained->source, s->t->ids, s->t->sequences), PARE_OK);
    assert_int_equal(pare_pass_loss(s->pass, &s->trained->source, NULL, &sum), PARE_OK);
    memcpy(s->trained->value + begin, s->start + begin, count * sizeof *s->start);
    return sum / (double)(s->t->sequences * (s->t->length - 1));
}

static inline double slope_along(const slopes *s, size_t begin, size_t count, const float *direction, double step) {
    return (loss_along(s, begin, count, direction, step) - loss_along(s, begin, count, direction, -step)) /
           (2.0 * step);
}

/* Random sizes with the gradient's signs (of numbers whose gradient is zero, a random one: they must not matter, or the
 * zero is wrong). Differences at h and h / 2, extrapolated, are good to h^4, and to the rounding of the loss (about
 * 1e-7 per token's logit and of the weights that change) over the step. */
static inline void check_slope(const slopes *s, size_t begin, size_t count, const char *what) {
    const double bound = 1e-3, loss_step = 7e-3, rounding = 2e-6;
    const float *gradient = s->trained->gradient + begin;
    float *direction = malloc((count + 1) * sizeof *direction);
    double expected = 0.0;
    pare_normal_fill(direction, 3, 0, begin, 0, count);
    for (size_t i = 0; i < count; i++) {
        assert_true(isfinite(gradient[i]));
        if (gradient[i] < 0.0f) direction[i] = -fabsf(direction[i]);
        if (gradient[i] > 0.0f) direction[i] = fabsf(direction[i]);
        expected += (double)gradient[i] * (double)direction[i];
    }
    double step = fmin(loss_step / fmax(expected, 1e-9), 0.05);
    double actual =
        (4.0 * slope_along(s, begin, count, direction, step / 2.0) - slope_along(s, begin, count, direction, step)) /
        3.0;
    free(direction);
    if (!(fabs(actual - expected) <= bound * expected + rounding / step) || !(expected > 10.0 * rounding / step))
        fail_msg("%s: gradient along a direction %.8g, by differences %.8g", what, expected, actual);
}

static inline double tiny_gradient(const slopes *s) {
    double loss;
    assert_int_equal(pare_pass_gradient(s->pass, &s->trained->source, s->t->ids, s->trained->sink, &loss), PARE_OK);
    return loss;
}

/* With the gradient of one batch in trained->gradient. */
static inline slopes slopes_open(const tiny_pass *t, pare_trained *trained) {
    slopes s = {.t = t, .trained = trained, .pass = tiny_trained_pass(t, true)};
    s.start = malloc(trained->count * sizeof *s.start);
    memcpy(s.start, trained->value, trained->count * sizeof *s.start);
    tiny_gradient(&s);
    return s;
}

static inline void slopes_close(slopes *s) {
    pare_pass_free(s->pass);
    free(s->start);
    pare_trained_free(s->trained);
}

/* The same batch once more: what was there doubles. */
static inline void check_gradients_add_up(const slopes *s) {
    float *once = malloc(s->trained->count * sizeof *once);
    memcpy(once, s->trained->gradient, s->trained->count * sizeof *once);
    assert_int_equal(s->trained->refresh(s->trained), PARE_OK);
    tiny_gradient(s);
    for (size_t i = 0; i < s->trained->count; i++)
        if (fabsf(s->trained->gradient[i] - 2.0f * once[i]) > 1e-5f * fabsf(once[i]) + 1e-7f)
            fail_msg("number %zu: %g after one batch, %g after two", i, once[i], s->trained->gradient[i]);
    free(once);
}

#endif
