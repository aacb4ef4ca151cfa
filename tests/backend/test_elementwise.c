/* RMSNorm, the gated activation, and whole-buffer conversions. */
#include "backend/compare.h"

static const int64_t sizes[][2] = {{1, 1}, {1, 7}, {3, 16}, {2, 1023}, {2, 1025}, {5, 172}, {130, 257}};

/* The mean of d squares rounds d times, the root halves that; a few more roundings follow. */
static void rmsnorm_forward(void **state) {
    const backends *b = backends_of(state);
    for (int64_t i = 0; i < LENGTH(sizes); i++) {
        int64_t n = sizes[i][0], d = sizes[i][1];
        float *x = random_floats(n * d, 1, 3.0f, PARE_DTYPE_F32), *weight = random_floats(d, 2, 1.0f, PARE_DTYPE_F32);
        float *expected = floats(n * d), *inverse = floats(n), *expected_inverse = floats(n);
        void *out = buffer(n * d, pare_operand_size(b->tested));
        const pare_norm norm_of = {.weight = weight, .eps = 1e-5};
        b->tested->operations->norm_forward(b->tested, &norm_of, x, n, d, out, false, inverse);
        b->reference->operations->norm_forward(b->reference, &norm_of, x, n, d, expected, false, expected_inverse);
        float *actual = floats_of(b->tested, out, n * d);
        double relative = (double)(d + 8) * UNIT_FP32;
        for (int64_t j = 0; j < n * d; j++)
            check_near((double)actual[j], (double)expected[j], (relative + b->unit) * fabs((double)expected[j]), "norm",
                       j);
        for (int64_t t = 0; t < n; t++)
            check_near((double)inverse[t], (double)expected_inverse[t], relative * (double)expected_inverse[t],
                       "inverse", t);
        RELEASE(x, weight, expected, inverse, expected_inverse, out, actual);
    }
}

/* |terms| of dx: r (|w dy| + |x| r^2 mean |dy w x|) and what was there before. */
static void backward_terms(const float *x, const float *weight, const float *inverse, const float *dy, int64_t n,
                           int64_t d, float *terms) {
    for (int64_t t = 0; t < n; t++) {
        double mean = 0.0, r = (double)inverse[t];
        for (int64_t i = 0; i < d; i++)
            mean += fabs((double)dy[t * d + i] * (double)weight[i] * (double)x[t * d + i]) / (double)d;
        for (int64_t i = 0; i < d; i++)
            terms[t * d + i] += (float)(r * (fabs((double)weight[i] * (double)dy[t * d + i]) +
                                             fabs((double)x[t * d + i]) * r * r * mean));
    }
}

static void check_rmsnorm_backward(const backends *b, int64_t n, int64_t d) {
    float *x = random_floats(n * d, 1, 3.0f, PARE_DTYPE_F32), *weight = random_floats(d, 2, 1.0f, PARE_DTYPE_F32);
    float *dy = random_floats(n * d, 3, 1.0f, PARE_DTYPE_F32), *inverse = floats(n), *ignored = floats(n * d);
    float *dx = random_floats(n * d, 4, 1.0f, PARE_DTYPE_F32),
          *expected = random_floats(n * d, 4, 1.0f, PARE_DTYPE_F32);
    float *again = random_floats(n * d, 4, 1.0f, PARE_DTYPE_F32), *terms = absolute(dx, n * d);
    double *dweight = buffer(d, sizeof *dweight), *expected_dweight = buffer(d, sizeof *dweight);
    const pare_backend *t = b->tested, *r = b->reference;
    for (int64_t i = 0; i < d; i++)
        dweight[i] = expected_dweight[i] = 0.5;
    const pare_norm norm_of = {.weight = weight, .eps = 1e-5};
    r->operations->norm_forward(r, &norm_of, x, n, d, ignored, false, inverse);
    t->operations->norm_backward(t, &norm_of, x, inverse, dy, n, d, dx, true, dweight, NULL);
    t->operations->norm_backward(t, &norm_of, x, inverse, dy, n, d, again, true, NULL, NULL);
    r->operations->norm_backward(r, &norm_of, x, inverse, dy, n, d, expected, true, expected_dweight, NULL);
    backward_terms(x, weight, inverse, dy, n, d, terms);
    check_all(dx, expected, terms, n * d, (double)(d + 8) * UNIT_FP32, 0.0, "dx");
    assert_memory_equal(dx, again, (size_t)(n * d) * sizeof *dx);
    for (int64_t i = 0; i < d; i++) {
        double size = 0.0; /* each term rounds twice; the sum is in double */
        for (int64_t row = 0; row < n; row++)
            size += fabs((double)dy[row * d + i] * (double)x[row * d + i] * (double)inverse[row]);
        check_near(dweight[i], expected_dweight[i], 3.0 * UNIT_FP32 * size + 1e-15, "dweight", i);
    }
    RELEASE(x, weight, dy, inverse, ignored, dx, expected, again, terms, dweight, expected_dweight);
}

static void rmsnorm_backward(void **state) {
    const backends *b = backends_of(state);
    for (int64_t i = 0; i < LENGTH(sizes); i++)
        check_rmsnorm_backward(b, sizes[i][0], sizes[i][1]);
}

/* Gates from very negative to very positive: the sigmoid there is 0 or 1, never a NaN. */
static float *gates_new(int64_t n) {
    float *gate = random_floats(n, 1, 4.0f, PARE_DTYPE_F32);
    const float extremes[] = {0.0f, -0.0f, 30.0f, -30.0f, 100.0f, -100.0f, 1e4f, -1e4f};
    for (int64_t i = 0; i < n && i < LENGTH(extremes); i++)
        gate[i] = extremes[i];
    return gate;
}

/* The exponential is good to 3e-7 relative, and what follows rounds a few times: 1e-6. Gates below -87 give results
 * below 1e-28 times what the others multiply in, where the exponential is clamped. */
static const double sigmoid_error = 1e-6, clamped = 1e-28;

static void check_swiglu(const backends *b, int64_t n) {
    const pare_backend *t = b->tested, *r = b->reference;
    float *gate = gates_new(n), *up = random_floats(n, 2, 1.0f, PARE_DTYPE_F32);
    float *dout = random_floats(n, 3, 1.0f, PARE_DTYPE_F32), *expected = floats(n), *dgate = floats(n),
          *dup = floats(n);
    void *out = buffer(n, pare_operand_size(t)), *dgate_out = buffer(n, pare_operand_size(t));
    void *dup_out = buffer(n, pare_operand_size(t));
    t->operations->gated_forward(t, PARE_ACTIVATION_SILU, gate, up, n, out);
    r->operations->gated_forward(r, PARE_ACTIVATION_SILU, gate, up, n, expected);
    t->operations->gated_backward(t, PARE_ACTIVATION_SILU, gate, up, dout, n, dgate_out, dup_out);
    r->operations->gated_backward(r, PARE_ACTIVATION_SILU, gate, up, dout, n, dgate, dup);
    float *actual = floats_of(t, out, n), *actual_dgate = floats_of(t, dgate_out, n);
    float *actual_dup = floats_of(t, dup_out, n);
    for (int64_t i = 0; i < n; i++) {
        double x = (double)gate[i], s = 1.0 / (1.0 + exp(-x)), relative = sigmoid_error + b->unit;
        double spread = fabs((double)dout[i] * (double)up[i]) * s * (1.0 + fmin(fabs(x), 100.0));
        check_near((double)actual[i], (double)expected[i], relative * fabs((double)expected[i]) + clamped, "swiglu", i);
        check_near((double)actual_dup[i], (double)dup[i], relative * fabs((double)dup[i]) + clamped, "dup", i);
        check_near((double)actual_dgate[i], (double)dgate[i],
                   sigmoid_error * spread + b->unit * fabs((double)dgate[i]) + clamped, "dgate", i);
    }
    RELEASE(gate, up, dout, expected, dgate, dup, out, dgate_out, dup_out, actual, actual_dgate, actual_dup);
}

static void swiglu(void **state) {
    const backends *b = backends_of(state);
    const int64_t lengths[] = {1, 10, 1023, 1025, 20001};
    for (int64_t i = 0; i < LENGTH(lengths); i++)
        check_swiglu(b, lengths[i]);
}

/* To an operand and back: exactly one rounding of the stored type, over the stride of the threads. */
static void conversions(void **state) {
    const backends *b = backends_of(state);
    const int64_t lengths[] = {0, 1, 17, 16384, 16385, 40000};
    for (int64_t i = 0; i < LENGTH(lengths); i++) {
        int64_t n = lengths[i];
        float *x = random_floats(n, 1, 1.0f, PARE_DTYPE_F32), *rounded = random_floats(n, 1, 1.0f, b->tested->operand);
        float *back = filled(n + 1, 77.0f);
        void *operand = buffer(n, pare_operand_size(b->tested));
        b->tested->operations->to_operand(b->tested, x, n, operand);
        b->tested->operations->from_operand(b->tested, operand, n, back);
        assert_memory_equal(back, rounded, (size_t)n * sizeof *back);
        assert_true(back[n] == 77.0f);
        RELEASE(x, rounded, back, operand);
    }
}

static void nan_is_not_lost(void **state) {
    const backends *b = backends_of(state);
    const pare_backend *t = b->tested;
    enum { N = 37 };
    float x[N], weight[N], inverse[1];
    for (int i = 0; i < N; i++)
        x[i] = weight[i] = 1.0f;
    for (int bad = 0; bad < N; bad++) {
        x[bad] = NAN;
        void *out = buffer(N, pare_operand_size(t));
        t->operations->norm_forward(t, &(pare_norm){.weight = weight, .eps = 1e-5}, x, 1, N, out, false, inverse);
        float *normed = floats_of(t, out, N);
        t->operations->gated_forward(t, PARE_ACTIVATION_SILU, x, weight, N, out);
        float *gated = floats_of(t, out, N);
        for (int i = 0; i < N; i++) {
            assert_true(isnan(normed[i]));
            assert_int_equal(isnan(gated[i]) != 0, i == bad);
        }
        RELEASE(out, normed, gated);
        x[bad] = 1.0f;
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        WITH_FP32(rmsnorm_forward), WITH_BF16(rmsnorm_forward), WITH_FP32(rmsnorm_backward),
        WITH_FP32(swiglu),          WITH_BF16(swiglu),          WITH_FP32(conversions),
        WITH_BF16(conversions),     WITH_FP32(nan_is_not_lost), WITH_BF16(nan_is_not_lost)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
