/* Options of attention whose outcome is known: from torch, by formula, or because they ask for what there is anyway. */
#include "backend/attention_problem.h"

/* A cap of 1 on scores of +-10^4: all that is seen weighs e or 1/e, and no gradient passes the cap. */
static void capped_large_scores(void **state) {
    const backends *b = backends_of(state);
    const option capped = {.cap = 1.0f};
    const int64_t x[] = {1, 1, 1, 16, 200};
    problem p = problem_new(b->tested, &capped, x, 200, 200);
    for (int64_t i = 0; i < 200 * 16; i++)
        p.q[i] = i % 16 ? 0.0f : 200.0f, p.k[i] = i % 16 ? 0.0f : i / 16 % 2 ? 200.0f : -200.0f;
    results r = results_of(b->tested, &p, p.v, p.dout, true);
    for (int64_t t = 0; t < 200; t++) {
        double sum = (double)((t + 2) / 2) * exp(-1.0) + (double)((t + 1) / 2) * exp(1.0);
        check_near((double)r.logsum[t], log(sum), 1e-5, "logsum", t);
        for (int64_t i = t * 16; i < (t + 1) * 16; i++)
            assert_true(fabsf(r.dq[i]) < 1e-6f && fabsf(r.dk[i]) < 1e-6f);
    }
    results_free(&r);
    problem_free(&p);
}

enum { T = 4, SHARED = 2, HEAD = 3 };

/* From torch and its autograd, in double. */
static const struct {
    const char *what;
    double out[T * SHARED * HEAD], dq[T * SHARED * HEAD], dk[T * HEAD], dv[T * HEAD];
} known[] = {
    {.what = "scale, cap, window 3 and slopes",
     .out = {0.958851099, 1.61699283,   -1.37553227,  0.958851099,  1.61699283,  -1.37553227, -0.907536699, 1.68746843,
             0.47269467,  -0.272515615, 1.66348976,   -0.156147351, -1.22978912, 0.31228606,  1.14931644,   -1.26555227,
             0.873114197, 1.04056035,   -0.581071356, -1.08519353,  0.860713759, -1.32788707, -0.548658397, 1.46927028},
     .dq = {0,
            0,
            0,
            0,
            0,
            0,
            0.107926741,
            -0.0320993949,
            -0.125099845,
            -0.438422484,
            0.0566863577,
            0.468749563,
            0.183265828,
            0.15472995,
            -0.10048567,
            0.0296369104,
            -0.277346778,
            -0.178016788,
            -0.112737482,
            0.0267701544,
            0.127059455,
            0.103894492,
            0.138592875,
            -0.0297476289},
     .dk = {-0.429282301, -0.741482176, -0.704951418, 0.939529764, 0.899773043, 0.436839019, -0.442942717, -0.016579169,
            0.417581832, -0.0556776015, -0.24411974, -0.317748542},
     .dv = {-0.61380047, -0.262199501, 0.287828873, -0.333659987, -0.624216787, -0.44237879, 0.0832123618, -0.487553774,
            -0.68934892, 0.422956568, 0.392068976, 0.0644714015}},
    {.what = "both directions",
     .out = {-0.26436872,  -0.121608132, 0.2957058,   -0.676870888, 0.226521214,  0.618498878,
             -1.10612492,  0.651728867,  0.938181564, -0.256654888, -0.125961386, 0.289113755,
             -0.691913792, 0.222908642,  0.634472702, -1.10152719,  0.659667973,  0.931538008,
             -0.249023609, -0.129952449, 0.282510929, -0.706892633, 0.21924598,   0.65039537},
     .dq = {0.209238397,   0.148061469,  -0.130025861,   -0.193811802, -0.25956537,   0.0549449395,
            0.214497699,   0.176496998,  -0.120072222,   -0.270350496, -0.0215351833, 0.25882923,
            0.369015686,   0.446195534,  -0.130302128,   0.0295804346, -0.210805911,  -0.142361104,
            -0.0699665611, -0.138489657, -0.00412508181, 0.0140387785, 0.0399585192,  0.00733893628},
     .dk = {-0.169808791, -0.481637239, -0.56694419, 0.464093504, 0.258809935, -0.0681959674, -0.0690087007,
            0.263591899, 0.472221145, -0.225276012, -0.0407645945, 0.162919012},
     .dv = {0.0188853227, -0.031454499, -0.0579901618, -0.334234221, -0.584081788, -0.391907912, 0.0560963012,
            -0.25504629, -0.373174905, -0.182038931, -0.11131851, 0.043645544}},
};

static void check_known(const float *actual, const double *expected, int64_t n, const char *what) {
    for (int64_t i = 0; i < n; i++)
        check_near((double)actual[i], expected[i], 1e-6, what, i);
}

static void known_values(void **state) {
    const pare_backend *r = backends_of(state)->reference;
    const option asked[] = {{.scale = 0.4f, .cap = 0.75f, .window = 3, .slopes = true},
                            {.scale = 0.4f, .bidirectional = true}};
    for (int64_t i = 0; i < LENGTH(known); i++) {
        problem p = problem_new(r, &asked[i], (const int64_t[]){1, 1, SHARED, HEAD, T}, T, T);
        for (int j = 0; j < T * SHARED * HEAD; j++)
            p.q[j] = (float)(2.0 * sin(0.7 * j + 1.0)), p.dout[j] = (float)cos(0.9 * j + 2.0);
        for (int j = 0; j < T * HEAD; j++)
            p.k[j] = (float)cos(1.3 * j), p.v[j] = (float)(2.0 * sin(1.7 * j + 0.5));
        results actual = results_of(r, &p, p.v, p.dout, true);
        check_known(actual.out, known[i].out, T * SHARED * HEAD, known[i].what);
        check_known(actual.dq, known[i].dq, T * SHARED * HEAD, known[i].what);
        check_known(actual.dk, known[i].dk, T * HEAD, known[i].what);
        check_known(actual.dv, known[i].dv, T * HEAD, known[i].what);
        results_free(&actual);
        problem_free(&p);
    }
}

/* Options that ask for what there is anyway do not change a bit. */
static void nothing_asked_for(void **state) {
    const backends *b = backends_of(state);
    const option none = {.what = "none"}, same = {.scale = 0.25f, .window = 300};
    const int64_t x[] = {1, 2, 2, 16, 300};
    problem p = problem_new(b->tested, &none, x, 300, 300), other = problem_new(b->tested, &same, x, 300, 300);
    results with = results_of(b->tested, &other, p.v, p.dout, true),
            without = results_of(b->tested, &p, p.v, p.dout, true);
    size_t size = (size_t)(p.rows * 16) * sizeof(float), key_size = (size_t)(p.keys * 16) * sizeof(float);
    assert_memory_equal(with.out, without.out, size);
    assert_memory_equal(with.dq, without.dq, size);
    assert_memory_equal(with.dk, without.dk, key_size);
    assert_memory_equal(with.dv, without.dv, key_size);
    results_free(&with);
    results_free(&without);
    problem_free(&p);
    problem_free(&other);
}

int main(void) {
    const struct CMUnitTest tests[] = {WITH_FP32(known_values), WITH_FP32(capped_large_scores),
                                       WITH_BF16(capped_large_scores), WITH_FP32(nothing_asked_for),
                                       WITH_BF16(nothing_asked_for)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
