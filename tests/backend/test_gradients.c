/* The reference's gradients against finite differences of its own forward operations.
 *
 * Five points, f'(x) ~ (f(x - 2h) - 8 f(x - h) + 8 f(x + h) - f(x + 2h)) / 12h with h = 1/16: the formula itself is off
 * by h^4 f'''''/30, about 5e-7 for these functions, and outputs rounded to fp32 by about 2^-24 sqrt(outputs) / h, 1e-5.
 * The tolerance of 2e-4 is far below any wrong term. */
#include "backend/compare.h"

static const double tolerance = 2e-4;

typedef double (*objective)(const pare_backend *backend, const void *context);

static void check_gradient(const pare_backend *backend, objective f, const void *context, float *x, int64_t n,
                           const float *gradient, const char *what) {
    const float h = 0.0625f;
    for (int64_t i = 0; i < n; i++) {
        float kept = x[i];
        double slope = 0.0;
        const double weights[] = {1, -8, 0, 8, -1};
        for (int point = 0; point < 5; point++) {
            x[i] = kept + (float)(point - 2) * h;
            if (point != 2) slope += weights[point] * f(backend, context);
        }
        double step = ((double)(kept + h) - (double)(kept - h)) / 2.0;
        x[i] = kept;
        slope /= 12.0 * step;
        check_near((double)gradient[i], slope, tolerance * (1.0 + fabs(slope)), what, i);
    }
}

static double weighted_sum(const float *x, const float *weights, int64_t n) {
    double sum = 0.0;
    for (int64_t i = 0; i < n; i++)
        sum += (double)x[i] * (double)weights[i];
    return sum;
}

enum { N = 3, D = 11, SIZE = N * D };

typedef struct elementwise {
    float kept[D];
    float x[SIZE], y[SIZE], bias[SIZE], dout[SIZE], out[SIZE], inverse[N];
    pare_norm norm;
    pare_gating gating;
    bool alone;
} elementwise;

static double norm_value(const pare_backend *backend, const void *context) {
    elementwise *c = (elementwise *)(uintptr_t)context;
    backend->operations->norm_forward(backend, &c->norm, c->x, N, D, c->out, true, c->inverse);
    return weighted_sum(c->out, c->dout, SIZE);
}

static double gated_value(const pare_backend *backend, const void *context) {
    elementwise *c = (elementwise *)(uintptr_t)context;
    backend->operations->gated_forward(backend, c->gating, c->alone ? NULL : c->x, c->y, SIZE, c->out);
    return weighted_sum(c->out, c->dout, SIZE);
}

static elementwise elementwise_new(void) {
    elementwise c = {0};
    pare_normal_fill(c.x, 1, 0, 0, 0, SIZE);
    pare_normal_fill(c.y, 2, 0, 0, 0, SIZE);
    pare_normal_fill(c.dout, 3, 0, 0, 0, SIZE);
    pare_normal_fill(c.bias, 4, 0, 0, 0, SIZE);
    return c;
}

static void check_norm(const pare_backend *r, elementwise *c) {
    float dx[SIZE] = {0}, dweight[SIZE], dbias[SIZE];
    double weight_sums[SIZE] = {0}, bias_sums[SIZE] = {0};
    int64_t parameters = D * (c->norm.repeat > 1 ? c->norm.repeat : 1);
    norm_value(r, c);
    r->operations->norm_backward(r, &c->norm, c->x, c->inverse, c->dout, N, D, dx, true, weight_sums, bias_sums);
    for (int i = 0; i < parameters; i++)
        dweight[i] = (float)weight_sums[i], dbias[i] = (float)bias_sums[i];
    check_gradient(r, norm_value, c, c->x, SIZE, dx, "norm dx");
    if (c->norm.weight) check_gradient(r, norm_value, c, c->y, parameters, dweight, "norm dweight");
    if (c->norm.bias) check_gradient(r, norm_value, c, c->bias, parameters, dbias, "norm dbias");
}

static void norms(void **state) {
    const pare_backend *r = backends_of(state)->reference;
    for (int variant = 0; variant < 32; variant++) {
        elementwise c = elementwise_new();
        c.norm = (pare_norm){.kind = variant & 1 ? PARE_NORM_LAYER : PARE_NORM_RMS,
                             .weight = variant & 2 ? c.y : NULL,
                             .bias = variant & 4 ? c.bias : NULL,
                             .eps = 1e-2,
                             .repeat = variant & 8 ? 3 : 0,
                             .kept = variant & 16 ? c.kept : NULL};
        for (int i = 0; i < D; i++) {
            c.kept[i] = i % 3 == 1 ? 0.0f : 1.0f;
            c.norm.kept_count += i % 3 != 1;
        }
        check_norm(r, &c);
    }
}

static const float LIMIT = 0.7f;

/* The piecewise ones have no slope at zero, or at the limit, which the differences straddle: inputs keep away from it.
 */
static void keep_from_edges(float *x) {
    for (int i = 0; i < SIZE; i++) {
        if (fabsf(x[i]) < 0.2f) x[i] = x[i] < 0.0f ? -0.2f : 0.2f;
        if (fabsf(fabsf(x[i]) - LIMIT) < 0.15f) x[i] = x[i] < 0.0f ? -0.85f : 0.85f;
    }
}

static void activations(void **state) {
    const pare_backend *r = backends_of(state)->reference;
    for (int a = 0; a < PARE_ACTIVATIONS; a++) {
        elementwise c = elementwise_new();
        float dgate[SIZE], dup[SIZE];
        keep_from_edges(c.x), keep_from_edges(c.y);
        c.gating = (pare_gating){(pare_activation)a, LIMIT};
        r->operations->gated_backward(r, c.gating, c.x, c.y, c.dout, SIZE, dgate, dup);
        check_gradient(r, gated_value, &c, c.x, SIZE, dgate, "dgate");
        check_gradient(r, gated_value, &c, c.y, SIZE, dup, "dup");
        c.alone = true;
        r->operations->gated_backward(r, c.gating, NULL, c.y, c.dout, SIZE, NULL, dup);
        check_gradient(r, gated_value, &c, c.y, SIZE, dup, "alone");
    }
}

typedef struct attention {
    pare_attention shape;
    float *q, *k, *v, *dout, *out, *logsum;
    int64_t q_size, k_size;
} attention;

static double attention_value(const pare_backend *backend, const void *context) {
    const attention *c = context;
    assert_int_equal(backend->operations->attention_forward(backend, &c->shape, c->q, c->k, c->v, c->out, c->logsum),
                     PARE_OK);
    return weighted_sum(c->out, c->dout, c->q_size);
}

enum { SINKS = 6 };

/* sinks: those of the shape, or NULL. */
static void check_attention(const pare_backend *r, pare_attention shape, float *sinks) {
    int64_t pairs = shape.batch * shape.groups;
    attention c = {.shape = shape,
                   .q_size = pairs * shape.queries * shape.shared * shape.head,
                   .k_size = pairs * shape.keys * shape.head};
    c.q = random_floats(c.q_size, 1, 1.0f, PARE_DTYPE_F32);
    c.k = random_floats(c.k_size, 2, 1.0f, PARE_DTYPE_F32);
    c.v = random_floats(c.k_size, 3, 1.0f, PARE_DTYPE_F32);
    c.dout = random_floats(c.q_size, 4, 1.0f, PARE_DTYPE_F32);
    c.out = floats(c.q_size), c.logsum = floats(c.q_size);
    float *dq = floats(c.q_size), *dk = floats(c.k_size), *dv = floats(c.k_size);
    attention_value(r, &c);
    assert_int_equal(r->operations->attention_backward(r, &c.shape, c.q, c.k, c.v, c.out, c.logsum, c.dout, dq, dk, dv),
                     PARE_OK);
    check_gradient(r, attention_value, &c, c.q, c.q_size, dq, "dq");
    check_gradient(r, attention_value, &c, c.k, c.k_size, dk, "dk");
    check_gradient(r, attention_value, &c, c.v, c.k_size, dv, "dv");
    if (sinks) {
        double sums[SINKS] = {0};
        float dsinks[SINKS];
        attention_value(r, &c);
        r->operations->sinks_backward(r, &c.shape, c.out, c.logsum, c.dout, sums);
        for (int64_t i = 0; i < shape.groups * shape.shared; i++)
            dsinks[i] = (float)sums[i];
        check_gradient(r, attention_value, &c, sinks, shape.groups * shape.shared, dsinks, "dsinks");
    }
    RELEASE(c.q, c.k, c.v, c.dout, c.out, c.logsum, dq, dk, dv);
}

static void attention_gradients(void **state) {
    const pare_backend *r = backends_of(state)->reference;
    const float slopes[] = {0.5f, 0.25f, 0.125f, 0.4f, 0.2f, 0.1f};
    float sinks[SINKS] = {0.5f, -1.0f, 2.0f, 0.0f, -3.0f, 1.0f};
    for (int64_t shared = 1; shared <= 3; shared += 2) {
        pare_attention s = {
            .batch = 2, .groups = 2, .shared = shared, .head = 4, .queries = 6, .keys = 6, .key_capacity = 6};
        check_attention(r, s, NULL);
        s.sinks = sinks;
        check_attention(r, s, sinks);
        s.scale = 0.3f, s.cap = 1.5f, s.window = 3, s.slopes = slopes;
        check_attention(r, s, sinks);
        s.window = 0, s.bidirectional = true;
        check_attention(r, s, sinks);
    }
}

static const int32_t targets[N] = {4, -1, 10};

/* Sum over the rows that count of log-sum-exp minus the target's logit, in two chunks. */
static double loss_value(const pare_backend *backend, const void *context) {
    const elementwise *c = context;
    float maximum[N], target_logit[N] = {0};
    double sum[N] = {0}, loss = 0.0;
    for (int t = 0; t < N; t++)
        maximum[t] = -INFINITY;
    backend->operations->logsum_update(backend, c->x, N, D, 0, targets, maximum, sum, target_logit);
    for (int t = 0; t < N; t++)
        if (targets[t] >= 0) loss += (double)maximum[t] + log(sum[t]) - (double)target_logit[t];
    return loss;
}

static void cross_entropy(void **state) {
    const pare_backend *r = backends_of(state)->reference;
    elementwise c = elementwise_new();
    float logsum[N], gradient[SIZE];
    for (int t = 0; t < N; t++) {
        double sum = 0.0;
        for (int i = 0; i < D; i++)
            sum += exp((double)c.x[t * D + i]);
        logsum[t] = (float)log(sum);
    }
    r->operations->logits_gradient(r, c.x, N, D, 0, targets, logsum, 1.0f, gradient);
    check_gradient(r, loss_value, &c, c.x, SIZE, gradient, "dlogits");
}

/* Splitting rotates and merging rotates back, so each is the other's adjoint: <split(x), y> = <x, merge(y)>. */
static void heads_are_adjoint(void **state) {
    const pare_backend *r = backends_of(state)->reference;
    pare_heads s = {.batch = 2, .tokens = 3, .groups = 2, .shared = 2, .head = 6, .capacity = 3};
    enum { ALL = 2 * 3 * 2 * 2 * 6 };
    float x[ALL], y[ALL], split[ALL], merged[ALL], rotation[3 * 6];
    pare_normal_fill(x, 1, 0, 0, 0, ALL);
    pare_normal_fill(y, 2, 0, 0, 0, ALL);
    for (int turn = 0; turn < 4; turn++) {
        s.rotated = turn & 1 ? 4 : 6, s.interleaved = turn & 2;
        int half = (int)s.rotated / 2;
        for (int i = 0; i < 3 * half; i++) {
            rotation[i / half * 2 * half + i % half] = cosf((float)i);
            rotation[i / half * 2 * half + half + i % half] = sinf((float)i);
        }
        r->operations->split_heads(r, &s, x, rotation, split);
        r->operations->merge_heads(r, &s, y, rotation, merged);
        check_near(weighted_sum(split, y, ALL), weighted_sum(x, merged, ALL), 1e-5, "inner product", turn);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {WITH_FP32(norms), WITH_FP32(activations), WITH_FP32(attention_gradients),
                                       WITH_FP32(cross_entropy), WITH_FP32(heads_are_adjoint)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
