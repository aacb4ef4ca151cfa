/* Norms: RMS and layer norms, with and without weights and biases, one set for all rows or one per part. */
#include "backend/compare.h"

static const int64_t sizes[][3] = {
    /* n, d, repeat */
    {1, 1, 0}, {1, 7, 1}, {3, 16, 0}, {2, 1023, 1}, {2, 1025, 0}, {130, 257, 1}, {12, 64, 4}, {35, 80, 7}, {1500, 9, 3},
};

/* Sizes of what a row is made of, in double: |x - mean|, r, and the terms of a gradient. */
typedef struct row_sizes {
    double mean, largest, inverse, gradient, projection;
    double centred; /* 1 where a mean is taken off, whose error is relative to the root; else 0 */
} row_sizes;

typedef struct problem {
    pare_norm norm;
    int64_t n, d, parameters;
    float *weight, *bias, *kept, *x, *dy, *before;
    row_sizes *rows;
} problem;

static const float *weights_of(const problem *p, int64_t row) {
    return p->norm.weight ? p->norm.weight + (p->norm.repeat > 1 ? row % p->norm.repeat * p->d : 0) : NULL;
}

static row_sizes sizes_of(const problem *p, int64_t row) {
    row_sizes s = {.centred = p->norm.kind == PARE_NORM_LAYER ? 1.0 : 0.0};
    const float *x = p->x + row * p->d, *dy = p->dy + row * p->d, *weight = weights_of(p, row);
    double squares = 0.0, count = (double)(p->norm.kept ? p->norm.kept_count : p->d);
    for (int64_t i = 0; p->norm.kind == PARE_NORM_LAYER && i < p->d; i++)
        s.mean += (double)x[i] / count;
    for (int64_t i = 0; i < p->d; i++) {
        if (p->norm.kept && p->norm.kept[i] < 1.0f) continue;
        double centred = (double)x[i] - s.mean, g = fabs((double)dy[i] * (weight ? (double)weight[i] : 1.0));
        squares += centred * centred;
        s.largest = fmax(s.largest, fabs((double)x[i]));
        s.gradient += g / count;
        s.projection += g * fabs(centred) / count;
    }
    s.inverse = 1.0 / sqrt(squares / count + p->norm.eps);
    s.projection *= s.inverse;
    return s;
}

/* Every kind with and without weights and biases, over all elements and over two of three, the others being 0. Means
 * are far from zero. */
enum { VARIANTS = 16 };

static problem problem_new(int variant, const int64_t size[3]) {
    problem p = {.n = size[0], .d = size[1], .parameters = size[1] * (size[2] > 1 ? size[2] : 1)};
    p.weight = random_floats(p.parameters, 2, 1.0f, PARE_DTYPE_F32);
    p.bias = random_floats(p.parameters, 5, 1.0f, PARE_DTYPE_F32);
    p.x = random_floats(p.n * p.d, 1, 3.0f, PARE_DTYPE_F32);
    p.dy = random_floats(p.n * p.d, 3, 1.0f, PARE_DTYPE_F32);
    p.before = random_floats(p.n * p.d, 4, 1.0f, PARE_DTYPE_F32);
    p.norm = (pare_norm){.kind = variant & 1 ? PARE_NORM_LAYER : PARE_NORM_RMS,
                         .weight = variant & 2 ? p.weight : NULL,
                         .bias = variant & 4 ? p.bias : NULL,
                         .eps = 1e-5,
                         .repeat = size[2]};
    p.kept = floats(p.d);
    for (int64_t i = 0; i < p.d; i++) {
        p.kept[i] = i % 3 == 1 ? 0.0f : 1.0f;
        p.norm.kept_count += i % 3 != 1;
    }
    if (variant & 8) p.norm.kept = p.kept;
    for (int64_t i = 0; i < p.n * p.d; i++)
        p.x[i] = p.norm.kept && p.kept[i % p.d] < 1.0f ? 0.0f : p.x[i] + 20.0f;
    p.rows = buffer(p.n, sizeof *p.rows);
    for (int64_t row = 0; row < p.n; row++)
        p.rows[row] = sizes_of(&p, row);
    return p;
}

static void problem_free(problem *p) {
    RELEASE(p->weight, p->bias, p->kept, p->x, p->dy, p->before, p->rows);
}

/* The mean is rounded to fp32, so all of a row moves by 2^-24 of it (of the largest element, to be safe), which the
 * root magnifies; the mean of d squares rounds d times, the root halves that; a few more roundings follow. */
static double relative_error(const problem *p, const row_sizes *s) {
    double moved = p->norm.kind == PARE_NORM_LAYER ? 2.0 * UNIT_FP32 * s->largest * s->inverse : 0.0;
    return (double)(p->d + 8) * UNIT_FP32 + moved;
}

static void check_forward(const backends *b, const problem *p, bool as_float) {
    const pare_backend *t = b->tested, *r = b->reference;
    int64_t size = p->n * p->d;
    float *expected = floats(size), *inverse = floats(p->n), *expected_inverse = floats(p->n);
    void *out = buffer(size, as_float ? sizeof(float) : pare_operand_size(t));
    t->operations->norm_forward(t, &p->norm, p->x, p->n, p->d, out, as_float, inverse);
    r->operations->norm_forward(r, &p->norm, p->x, p->n, p->d, expected, as_float, expected_inverse);
    float *actual = floats(size);
    pare_to_float(actual, out, as_float ? PARE_DTYPE_F32 : t->operand, (size_t)size);
    for (int64_t i = 0; i < size; i++) {
        row_sizes s = p->rows[i / p->d];
        const float *weight = weights_of(p, i / p->d);
        double scale = weight ? fabs((double)weight[i % p->d]) : 1.0;
        double normed = fabs((double)p->x[i] - s.mean) * s.inverse + s.centred,
               bias = p->norm.bias ? 6.0 * UNIT_FP32 : 0.0;
        check_near((double)actual[i], (double)expected[i],
                   relative_error(p, &s) * normed * scale + bias +
                       (as_float ? UNIT_FP32 : b->unit) * fabs((double)expected[i]),
                   "norm", i);
        check_near((double)inverse[i / p->d], (double)expected_inverse[i / p->d], relative_error(p, &s) * s.inverse,
                   "inverse", i / p->d);
    }
    if (as_float) {
        memcpy(expected, p->x, (size_t)size * sizeof *expected);
        t->operations->norm_forward(t, &p->norm, expected, p->n, p->d, expected, true, inverse);
        assert_memory_equal(expected, actual, (size_t)size * sizeof *expected);
    }
    RELEASE(expected, inverse, expected_inverse, out, actual);
}

static void check_input_gradient(const problem *p, const float *actual, const float *expected, bool accumulate) {
    for (int64_t i = 0; i < p->n * p->d; i++) {
        row_sizes s = p->rows[i / p->d];
        const float *weight = weights_of(p, i / p->d);
        double g = fabs((double)p->dy[i] * (weight ? (double)weight[i % p->d] : 1.0));
        double normed = fabs((double)p->x[i] - s.mean) * s.inverse + s.centred;
        double terms = s.inverse * (g + s.gradient + normed * (s.projection + s.gradient));
        double kept = accumulate ? UNIT_FP32 * (fabs((double)p->before[i]) + terms) : 0.0;
        check_near((double)actual[i], (double)expected[i], 4.0 * relative_error(p, &s) * terms + kept, "dx", i);
    }
}

static void check_parameters(const problem *p, const double *actual, const double *expected, const float *inverse,
                             bool of_weight) {
    for (int64_t i = 0; i < p->parameters; i++) {
        double size = 0.0;
        for (int64_t row = i / p->d; row < p->n; row += p->parameters / p->d) {
            row_sizes s = p->rows[row];
            double centred = fabs((double)p->x[row * p->d + i % p->d] - s.mean) + s.largest;
            size += fabs((double)p->dy[row * p->d + i % p->d]) * (of_weight ? centred * (double)inverse[row] : 1.0);
        }
        check_near(actual[i], expected[i], (of_weight ? 4.0 * UNIT_FP32 : 1e-15) * size + 1e-15, "parameter", i);
    }
}

static void check_backward(const backends *b, const problem *p) {
    const pare_backend *t = b->tested, *r = b->reference;
    size_t bytes = (size_t)(p->n * p->d) * sizeof(float);
    float *inverse = floats(p->n), *ignored = floats(p->n * p->d), *dx = floats(p->n * p->d);
    float *expected = floats(p->n * p->d), *again = floats(p->n * p->d);
    double *sums[4];
    for (int i = 0; i < 4; i++) {
        sums[i] = buffer(p->parameters, sizeof(double));
        for (int64_t j = 0; j < p->parameters; j++)
            sums[i][j] = 0.5;
    }
    r->operations->norm_forward(r, &p->norm, p->x, p->n, p->d, ignored, true, inverse);
    memcpy(dx, p->before, bytes), memcpy(expected, p->before, bytes), memcpy(again, p->before, bytes);
    t->operations->norm_backward(t, &p->norm, p->x, inverse, p->dy, p->n, p->d, dx, true, sums[0], sums[1]);
    r->operations->norm_backward(r, &p->norm, p->x, inverse, p->dy, p->n, p->d, expected, true, sums[2], sums[3]);
    t->operations->norm_backward(t, &p->norm, p->x, inverse, p->dy, p->n, p->d, again, true, NULL, NULL);
    check_input_gradient(p, dx, expected, true);
    assert_memory_equal(dx, again, bytes);
    check_parameters(p, sums[0], sums[2], inverse, true);
    check_parameters(p, sums[1], sums[3], inverse, false);

    /* over the gradient itself, with sums of their own */
    for (int64_t j = 0; j < p->parameters; j++)
        sums[2][j] = sums[3][j] = 0.5;
    memcpy(again, p->dy, bytes);
    t->operations->norm_backward(t, &p->norm, p->x, inverse, again, p->n, p->d, again, false, sums[2], sums[3]);
    r->operations->norm_backward(r, &p->norm, p->x, inverse, p->dy, p->n, p->d, expected, false, NULL, NULL);
    check_input_gradient(p, again, expected, false);
    assert_memory_equal(sums[0], sums[2], (size_t)p->parameters * sizeof(double));
    assert_memory_equal(sums[1], sums[3], (size_t)p->parameters * sizeof(double));
    RELEASE(inverse, ignored, dx, expected, again, sums[0], sums[1], sums[2], sums[3]);
}

static void every_variant(void **state) {
    const backends *b = backends_of(state);
    for (int64_t i = 0; i < VARIANTS * LENGTH(sizes); i++) {
        problem p = problem_new((int)(i % VARIANTS), sizes[i / VARIANTS]);
        check_forward(b, &p, false);
        check_forward(b, &p, true);
        if (b->unit == UNIT_FP32) check_backward(b, &p);
        problem_free(&p);
    }
}

/* By hand: (1, 2, 3, 6) has mean 3 and variance 3.5; its mean square is 12.5. */
static void known_values(void **state) {
    const pare_backend *r = backends_of(state)->reference;
    const float x[] = {1, 2, 3, 6}, weight[] = {1, 2, -1, 0.5f}, bias[] = {0, 0, 10, -1};
    const pare_norm layer = {.kind = PARE_NORM_LAYER, .weight = weight, .bias = bias, .eps = 0.5};
    const pare_norm rms = {.weight = weight, .eps = 3.5};
    const float layered[] = {-1, -1, 10, -0.25f}, scaled[] = {0.25f, 1, -0.75f, 0.75f};
    float out[4], inverse;
    r->operations->norm_forward(r, &layer, x, 1, 4, out, true, &inverse);
    for (int i = 0; i < 4; i++)
        check_near((double)out[i], (double)layered[i], 1e-6, "layer norm", i);
    r->operations->norm_forward(r, &rms, x, 1, 4, out, true, &inverse);
    for (int i = 0; i < 4; i++)
        check_near((double)out[i], (double)scaled[i], 1e-6, "rms norm", i);
}

/* Rows that are all one number: the layer norm leaves the bias alone, whatever the number. */
static void constant_rows(void **state) {
    const backends *b = backends_of(state);
    const float values[] = {0.0f, 1.0f, 1e3f, -3e4f};
    float bias[100], inverse;
    for (int i = 0; i < 100; i++)
        bias[i] = (float)i;
    for (int64_t i = 0; i < LENGTH(values); i++) {
        float *x = filled(100, values[i]), *out = floats(100);
        const pare_norm norm = {.kind = PARE_NORM_LAYER, .bias = bias, .eps = 1e-5};
        b->tested->operations->norm_forward(b->tested, &norm, x, 1, 100, out, true, &inverse);
        assert_memory_equal(out, bias, sizeof bias);
        RELEASE(x, out);
    }
}

static void nan_is_not_lost(void **state) {
    const pare_backend *t = backends_of(state)->tested;
    enum { N = 37 };
    float x[N], weight[N], inverse[1];
    for (int i = 0; i < N; i++)
        x[i] = weight[i] = 1.0f;
    for (int i = 0; i < 2 * N; i++) {
        const pare_norm norm = {.kind = i < N ? PARE_NORM_RMS : PARE_NORM_LAYER, .weight = weight, .eps = 1e-5};
        x[i % N] = NAN;
        void *out = buffer(N, pare_operand_size(t));
        t->operations->norm_forward(t, &norm, x, 1, N, out, false, inverse);
        float *normed = floats_of(t, out, N);
        for (int j = 0; j < N; j++)
            assert_true(isnan(normed[j]));
        RELEASE(out, normed);
        x[i % N] = 1.0f;
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {WITH_FP32(known_values),    WITH_FP32(every_variant),
                                       WITH_BF16(every_variant),   WITH_FP32(constant_rows),
                                       WITH_FP32(nan_is_not_lost), WITH_BF16(nan_is_not_lost)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
