/* Activations alone and as gates: exact values, the default backend against the reference, and what they are made of.
 */
#include "backend/compare.h"
#include "backend/cpu/vector_math.h"

enum { KNOWN = 12 };

/* From torch in double. */
static const double inputs[KNOWN] = {-20, -6, -3, -1.5, -0.75, -0.1, 0, 0.2, 1, 2.5, 5, 12};
static const struct {
    double value[KNOWN], slope[KNOWN];
} known[PARE_ACTIVATIONS] = {
    [PARE_ACTIVATION_SILU] = {{-4.12230723638e-08, -0.0148357389398, -0.142277619533, -0.27363828571, -0.240615975618,
                               -0.0475020812521, 0, 0.109966799462, 0.73105857863, 2.31035454995, 4.96653574538,
                               11.9999262699},
                              {-3.91619186606e-08, -0.0123264325915, -0.0881041060152, -0.0412941542991, 0.157400055503,
                               0.450083208502, 0.5, 0.599337311855, 0.927670511871, 1.09940111134, 1.02654743243,
                               1.00006758547}},
    [PARE_ACTIVATION_GELU] = {{0, -5.91952586948e-09, -0.00404969409489, -0.100210801903, -0.169970514283,
                               -0.0460172162723, 0, 0.115851941888, 0.841344746069, 2.48447583669, 4.99999856674, 12},
                              {-1.10418967243e-86, -3.5468709454e-08, -0.0119456472042, -0.12746919223,
                               0.000774278260765, 0.420476907975, 0.5, 0.657468248234, 1.08331547059, 1.03761108591,
                               1.00000714695, 1}},
    [PARE_ACTIVATION_GELU_TANH] = {{0, -8.43964897967e-11, -0.00363739208177, -0.10042842302, -0.170039444834,
                                    -0.0460172489546, 0, 0.115851429782, 0.841191990608, 2.48491573391, 4.99999977082,
                                    12},
                                   {0, -7.70997601284e-10, -0.011584166631, -0.127710793151, 0.00106174386259,
                                    0.420478210728, 0.5, 0.657458149196, 1.08296408385, 1.03795157621, 1.00000154636,
                                    1}},
    [PARE_ACTIVATION_RELU] = {{0, 0, 0, 0, 0, 0, 0, 0.2, 1, 2.5, 5, 12}, {0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1}},
    [PARE_ACTIVATION_RELU2] = {{0, 0, 0, 0, 0, 0, 0, 0.04, 1, 6.25, 25, 144}, {0, 0, 0, 0, 0, 0, 0, 0.4, 2, 5, 10, 24}},
    /* within 7 */
    [PARE_ACTIVATION_CLAMPED] = {{-3.2934102414e-14, -0.000220353549787, -0.0180713097078, -0.108337801553,
                                  -0.163609942465, -0.0457552419164, 0, 0.116857536889, 0.845795765933, 2.46501383495,
                                  4.99899298373, 6.9999531283},
                                 {-5.44071371879e-14, -0.000338302376477, -0.0245483239057, -0.0988480646241,
                                  0.000428466533143, 0.415309085033, 0.5, 0.666969342004, 1.06777960656, 1.04471866608,
                                  1.00151219324, 0}},
};

static pare_gating gating_of(int activation) {
    return (pare_gating){.activation = (pare_activation)activation, .limit = 7.0f};
}

/* The inputs are rounded to fp32, which moves a value by up to 2^-24 |x slope|, and the result rounds once more. */
static void known_values(void **state) {
    const pare_backend *r = backends_of(state)->reference;
    float x[KNOWN], ones[KNOWN], out[KNOWN], gated[KNOWN], dgate[KNOWN], dup[KNOWN], alone[KNOWN];
    for (int i = 0; i < KNOWN; i++)
        x[i] = (float)inputs[i], ones[i] = 1.0f;
    for (int a = 0; a < PARE_ACTIVATIONS; a++) {
        float times = a == PARE_ACTIVATION_CLAMPED ? 2.0f : 1.0f; /* 1 + up */
        r->operations->gated_forward(r, gating_of(a), NULL, x, KNOWN, out);
        r->operations->gated_forward(r, gating_of(a), x, ones, KNOWN, gated);
        r->operations->gated_backward(r, gating_of(a), x, ones, ones, KNOWN, dgate, dup);
        r->operations->gated_backward(r, gating_of(a), NULL, x, ones, KNOWN, NULL, alone);
        for (int i = 0; i < KNOWN; i++) {
            double bound =
                1e-7 * (1.0 + fabs(inputs[i])) * fmax(fabs(known[a].value[i]), fabs(known[a].slope[i])) + 1e-40;
            check_near((double)out[i], known[a].value[i], bound, "value", i);
            check_near((double)alone[i], known[a].slope[i], bound, "slope", i);
            check_near((double)(dgate[i] / times), known[a].slope[i], bound, "gate's slope", i);
            assert_true(gated[i] == times * out[i] && dup[i] == out[i]);
        }
    }
}

/* From very negative to very positive: what saturates there is 0 or x, never a NaN. */
static float *inputs_new(int64_t n) {
    float *x = random_floats(n, 1, 4.0f, PARE_DTYPE_F32);
    const float extremes[] = {0.0f, -0.0f, 30.0f, -30.0f, 13.0f, -13.0f, 100.0f, -100.0f, 1e4f, -1e4f, 1e15f, -1e15f};
    for (int64_t i = 0; i < n && i < LENGTH(extremes); i++)
        x[i] = extremes[i];
    return x;
}

/* The exponential is good to 3e-7 relative, and what follows rounds a few times: 1e-6. What an exponential's argument
 * rounds by adds to that, relative to the tail. Inputs below -87 give silu below 1e-28 times what the others multiply
 * in, where the exponential is clamped. */
static double value_error(pare_activation activation, double x) {
    double argument = activation == PARE_ACTIVATION_GELU ? 0.5 * x * x : fabs(x) * (1.6 + 0.0714 * x * x);
    if (activation == PARE_ACTIVATION_RELU || activation == PARE_ACTIVATION_RELU2) return 2.0 * UNIT_FP32;
    if (activation == PARE_ACTIVATION_SILU) argument = 0.0;
    return 1e-6 + 4.0 * UNIT_FP32 * fmin(argument, 90.0);
}

/* |terms| of the slope */
static double slope_size(pare_activation activation, double x) {
    double s = 1.0 / (1.0 + exp(-x)), below = 0.5 * erfc(-x * sqrt(0.5)), u = 1.59576912 * (x + 0.044715 * x * x * x);
    double g = 1.0 / (1.0 + exp(-u)), bent = fabs(x) < 20.0 ? fabs(x) * (1.6 + 0.2141 * x * x) : 0.0;
    switch (activation) {
    case PARE_ACTIVATION_SILU:
        return s * (1.0 + fmin(fabs(x), 100.0));
    case PARE_ACTIVATION_GELU:
        return below + fabs(x) * 0.4 * exp(-0.5 * x * x);
    case PARE_ACTIVATION_GELU_TANH:
        return g * (1.0 + bent);
    case PARE_ACTIVATION_RELU:
        return 1.0;
    case PARE_ACTIVATION_CLAMPED:
        return (1.0 + fmin(1.702 * fabs(x), 100.0)) / (1.0 + exp(-1.702 * x));
    default:
        return 2.0 * fabs(x);
    }
}

static const double clamped = 1e-28;

static void check_forward(const backends *b, pare_activation activation, const float *gate, const float *up,
                          int64_t n) {
    const pare_backend *t = b->tested, *r = b->reference;
    float *expected = floats(n);
    void *out = buffer(n, pare_operand_size(t));
    t->operations->gated_forward(t, gating_of((int)activation), gate, up, n, out);
    r->operations->gated_forward(r, gating_of((int)activation), gate, up, n, expected);
    float *actual = floats_of(t, out, n);
    for (int64_t i = 0; i < n; i++) {
        double x = (double)(gate ? gate : up)[i], size = fabs((double)expected[i]);
        check_near((double)actual[i], (double)expected[i],
                   (value_error(activation, x) + b->unit) * size + clamped * (1.0 + fabs(x)), "activation", i);
    }
    RELEASE(expected, out, actual);
}

static void check_backward(const backends *b, pare_activation activation, const float *gate, const float *up,
                           const float *dout, int64_t n) {
    const pare_backend *t = b->tested, *r = b->reference;
    float *dgate = floats(n), *dup = floats(n);
    void *dgate_out = operand_of(t, dgate, n), *dup_out = buffer(n, pare_operand_size(t));
    t->operations->gated_backward(t, gating_of((int)activation), gate, up, dout, n, gate ? dgate_out : NULL, dup_out);
    r->operations->gated_backward(r, gating_of((int)activation), gate, up, dout, n, dgate, dup);
    float *actual_dgate = floats_of(t, dgate_out, n), *actual_dup = floats_of(t, dup_out, n);
    for (int64_t i = 0; i < n; i++) {
        double x = (double)(gate ? gate : up)[i], error = value_error(activation, x), given = fabs((double)dout[i]);
        double slope = error * slope_size(activation, x) * given, small = clamped * (1.0 + fabs(x));
        double times = fabs((double)up[i]) + (activation == PARE_ACTIVATION_CLAMPED ? 1.0 : 0.0);
        double through = gate ? slope * times : slope;
        float actual = gate ? actual_dgate[i] : actual_dup[i], expected = gate ? dgate[i] : dup[i];
        check_near((double)actual, (double)expected, through + b->unit * fabs((double)expected) + small, "slope", i);
        if (!gate) continue;
        check_near((double)actual_dup[i], (double)dup[i], (error + b->unit) * fabs((double)dup[i]) + small, "dup", i);
    }
    RELEASE(dgate, dup, dgate_out, dup_out, actual_dgate, actual_dup);
}

static void like_the_reference(void **state) {
    const backends *b = backends_of(state);
    const int64_t lengths[] = {1, 10, 1023, 1025, 20001};
    for (int64_t i = 0; i < LENGTH(lengths) * PARE_ACTIVATIONS; i++) {
        pare_activation activation = (pare_activation)(i % PARE_ACTIVATIONS);
        int64_t n = lengths[i / PARE_ACTIVATIONS];
        float *x = inputs_new(n), *up = random_floats(n, 2, 1.0f, PARE_DTYPE_F32);
        float *dout = random_floats(n, 3, 1.0f, PARE_DTYPE_F32);
        check_forward(b, activation, x, up, n);
        check_forward(b, activation, NULL, x, n);
        check_backward(b, activation, x, up, dout, n);
        check_backward(b, activation, NULL, x, dout, n);
        RELEASE(x, up, dout);
    }
}

static void nan_is_not_lost(void **state) {
    const pare_backend *t = backends_of(state)->tested;
    enum { N = 37 };
    float x[N], ones[N];
    for (int i = 0; i < N; i++)
        x[i] = ones[i] = 1.0f;
    for (int i = 0; i < N * PARE_ACTIVATIONS; i++) {
        int bad = i % N;
        x[bad] = NAN;
        void *out = buffer(N, pare_operand_size(t));
        t->operations->gated_forward(t, gating_of(i / N), x, ones, N, out);
        float *gated = floats_of(t, out, N);
        t->operations->gated_forward(t, gating_of(i / N), NULL, x, N, out);
        float *alone = floats_of(t, out, N);
        for (int j = 0; j < N; j++)
            assert_true((isnan(gated[j]) != 0) == (j == bad) && (isnan(alone[j]) != 0) == (j == bad));
        RELEASE(out, gated, alone);
        x[bad] = 1.0f;
    }
}

/* 10^-6 relative, beside what the square's rounding moves the tail by. */
static void made_of(void **state) {
    (void)state;
    for (int i = -130000; i <= 130000; i++) {
        float x = (float)i * 1e-4f, density;
        double exact = (double)x, square = exact * exact, below = 0.5 * erfc(-exact * sqrt(0.5));
        double tail = x < 0.0f ? square * 0x1p-24 : 0.0;
        check_near((double)pare_tanh(x), tanh(exact), 1e-6 * fabs(tanh(exact)), "tanh", i);
        check_near((double)pare_normal_below(x, &density), below, (1e-6 + tail) * below, "normal", i);
        double bell = exp(-0.5 * square) / sqrt(2.0 * 3.14159265358979323846);
        check_near((double)density, bell, (1e-6 + square * 0x1p-24) * bell, "density", i);
    }
    assert_true(pare_tanh(INFINITY) == 1.0f && pare_tanh(-INFINITY) == -1.0f && isnan(pare_tanh(NAN)));
}

int main(void) {
    const struct CMUnitTest tests[] = {WITH_FP32(known_values),       WITH_FP32(like_the_reference),
                                       WITH_BF16(like_the_reference), WITH_FP32(nan_is_not_lost),
                                       WITH_BF16(nan_is_not_lost),    cmocka_unit_test(made_of)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
