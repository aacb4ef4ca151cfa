/* What attention may ask for beside the causal mask: a scale, a cap, a window, slopes over distances, both directions;
 * alone, together, in packed layouts and over a cache. */
#include "backend/compare.h"

typedef struct option {
    const char *what;
    float scale, cap;
    int64_t window;
    bool slopes, rounded, bidirectional, sinks, chunked;
} option;

static const option options[] = {
    {.what = "scale", .scale = 0.3f},
    {.what = "cap", .cap = 2.0f},
    {.what = "loose cap", .cap = 50.0f},
    {.what = "tight cap", .scale = 3.0f, .cap = 1.0f},
    {.what = "window of 1", .window = 1},
    {.what = "window of 5", .window = 5},
    {.what = "window of 128", .window = 128},
    {.what = "window of 130", .window = 130},
    {.what = "window beyond the sequence", .window = 1000},
    {.what = "chunks of 7", .window = 7, .chunked = true},
    {.what = "chunks of 100, slopes", .window = 100, .chunked = true, .slopes = true},
    {.what = "slopes", .slopes = true},
    {.what = "slopes in a window", .slopes = true, .window = 40},
    {.what = "rounded slopes", .slopes = true, .rounded = true},
    {.what = "rounded slopes, a cap and a window", .slopes = true, .rounded = true, .cap = 3.0f, .window = 40},
    {.what = "both directions", .bidirectional = true},
    {.what = "both directions, slopes", .bidirectional = true, .slopes = true},
    {.what = "sinks", .sinks = true},
    {.what = "sinks in a window", .sinks = true, .window = 40},
    {.what = "all", .sinks = true, .scale = 0.4f, .cap = 3.0f, .window = 70, .slopes = true},
};

/* batch, groups, shared, head, tokens */
static const int64_t shapes[][5] = {
    {1, 1, 1, 8, 1},    {2, 2, 3, 16, 5},  {1, 1, 7, 12, 33}, {1, 1, 71, 64, 6}, {1, 2, 1, 80, 40},
    {1, 1, 2, 256, 20}, {1, 1, 1, 96, 20}, {1, 1, 2, 8, 131}, {1, 1, 1, 8, 260},
};

typedef struct problem {
    pare_attention shape;
    int32_t *start, *prefix;
    float *q, *k, *v, *dout, *slopes, *sinks;
    int64_t rows, keys; /* over all heads and sequences */
    double score_error;
} problem;

/* 2^-1, 2^-2 and so on, 3/4 of them from the fifth on: numbers of heads need not be powers of two. */
static float *slopes_new(int64_t heads) {
    float *slopes = floats(heads);
    for (int64_t i = 0; i < heads; i++)
        slopes[i] = (i < 4 ? 1.0f : 0.75f) * ldexpf(1.0f, -(int)(i % 8) - 1);
    return slopes;
}

/* The bound of test_attention.c times what the scale is over head^-1/2; what the cap's tanh (1e-6 of itself) and the
 * slope's product over the farthest key round is beside it. */
static void set_error(problem *p) {
    const pare_attention *s = &p->shape;
    double scale = s->scale > 0.0f ? (double)s->scale : 1.0 / sqrt((double)s->head),
           largest = 4.0 * (double)s->head * scale;
    p->score_error = (double)(s->head + 2) * UNIT_FP32 * largest;
    if (s->cap > 0.0f) p->score_error += 2e-6 * fmin(largest, (double)s->cap);
    if (s->slopes) p->score_error += 2.0 * UNIT_FP32 * (largest + 0.5 * (double)s->keys);
}

static problem problem_new(const pare_backend *backend, const option *o, const int64_t x[5], int64_t queries,
                           int64_t capacity) {
    problem p = {.shape = {.batch = x[0],
                           .groups = x[1],
                           .shared = x[2],
                           .head = x[3],
                           .queries = queries,
                           .keys = x[4],
                           .key_capacity = capacity,
                           .scale = o->scale,
                           .cap = o->cap,
                           .window = o->window,
                           .chunked = o->chunked,
                           .rounded_slopes = o->rounded,
                           .bidirectional = o->bidirectional},
                 .slopes = slopes_new(x[1] * x[2]),
                 .sinks = random_floats(x[1] * x[2], 5, 6.0f, PARE_DTYPE_F32),
                 .rows = x[0] * x[1] * x[2] * queries,
                 .keys = x[0] * x[1] * capacity};
    p.shape.slopes = o->slopes ? p.slopes : NULL;
    p.shape.sinks = o->sinks ? p.sinks : NULL;
    p.q = random_floats(p.rows * x[3], 1, 1.0f, backend->operand);
    p.k = random_floats(p.keys * x[3], 2, 1.0f, backend->operand);
    p.v = random_floats(p.keys * x[3], 3, 1.0f, backend->operand);
    p.dout = random_floats(p.rows * x[3], 4, 1.0f, backend->operand);
    set_error(&p);
    return p;
}

static void problem_free(problem *p) {
    RELEASE(p->start, p->prefix, p->q, p->k, p->v, p->dout, p->slopes, p->sinks);
}

typedef struct results {
    float *out, *logsum, *dq, *dk, *dv;
    double *dsinks;
} results;

static results results_of(const pare_backend *backend, const problem *p, const float *v, const float *dout,
                          bool backward) {
    const pare_backend_operations *ops = backend->operations;
    int64_t size = p->rows * p->shape.head, key_size = p->keys * p->shape.head;
    results r = {filled(size, NAN),     filled(p->rows, NAN),
                 filled(size, NAN),     filled(key_size, NAN),
                 filled(key_size, NAN), buffer(p->shape.groups * p->shape.shared, sizeof(double))};
    void *q = operand_of(backend, p->q, size), *k = operand_of(backend, p->k, key_size);
    void *values = operand_of(backend, v, key_size), *gradient = operand_of(backend, dout, size);
    assert_int_equal(ops->attention_forward(backend, &p->shape, q, k, values, r.out, r.logsum), PARE_OK);
    if (backward)
        assert_int_equal(
            ops->attention_backward(backend, &p->shape, q, k, values, r.out, r.logsum, gradient, r.dq, r.dk, r.dv),
            PARE_OK);
    if (backward && p->shape.sinks) ops->sinks_backward(backend, &p->shape, r.out, r.logsum, gradient, r.dsinks);
    RELEASE(q, k, values, gradient);
    return r;
}

static void results_free(results *r) {
    RELEASE(r->out, r->logsum, r->dq, r->dk, r->dv, r->dsinks);
}

/* The bounds of test_attention.c and test_attention_backward.c. */
static void check(const backends *b, const problem *p, bool backward, const char *what) {
    int64_t head = p->shape.head;
    float *v_size = absolute(p->v, p->keys * head), *dout_size = absolute(p->dout, p->rows * head);
    results actual = results_of(b->tested, p, p->v, p->dout, backward);
    results expected = results_of(b->reference, p, p->v, p->dout, backward);
    results terms = results_of(b->reference, p, v_size, dout_size, backward);
    double sums = (double)(p->shape.keys * p->shape.shared + 8) * UNIT_FP32, scores = 2.0 * p->score_error;
    check_all(actual.out, expected.out, terms.out, p->rows * head, b->unit + scores + sums + 3e-7, 0.0, what);
    for (int64_t row = 0; row < p->rows; row++) {
        double size = fabs((double)expected.logsum[row]);
        check_near((double)actual.logsum[row], (double)expected.logsum[row],
                   p->score_error + sums + 3e-7 + 2.0 * UNIT_FP32 * size, what, row);
    }
    if (backward) {
        double relative = b->unit == UNIT_FP32 ? 1e-4 : 4.0 * UNIT_BF16;
        /* exp(-87) stands for whatever is smaller, as where a slope keeps everyone from a key. */
        for (int64_t i = 0; i < p->keys * head; i++)
            terms.dv[i] += 1e-28f;
        check_all(actual.dv, expected.dv, terms.dv, p->keys * head, b->unit + 2.0 * (scores + sums + 3e-7), 0.0, what);
        /* Where a query sees one key alone the gradients are zero, made of dout.v - dout.out: sums of head terms. */
        double scale = p->shape.scale > 0.0f ? (double)p->shape.scale : 1.0 / sqrt((double)head);
        double least = fmax(1e-6, 4.0 * UNIT_FP32 * (double)head * scale), shared = (double)p->shape.shared;
        check_rows_beside(actual.dq, expected.dq, p->rows, head, relative, least, what);
        check_rows_beside(actual.dk, expected.dk, p->keys, head, relative, least * sqrt(shared), what);
    }
    /* What errs relatively in out, and exp(sink - logsum): of sums of terms that are all of one sign in `terms`. */
    for (int64_t i = 0; backward && p->shape.sinks && i < p->shape.groups * p->shape.shared; i++)
        check_near(actual.dsinks[i], expected.dsinks[i],
                   (b->unit + 2.0 * (scores + sums + 3e-7)) * fabs(terms.dsinks[i]), what, i);
    results_free(&actual);
    results_free(&expected);
    results_free(&terms);
    RELEASE(v_size, dout_size);
}

static void every_option(void **state) {
    const backends *b = backends_of(state);
    for (int64_t i = 0; i < LENGTH(options) * LENGTH(shapes); i++) {
        const option *o = &options[i % LENGTH(options)];
        const int64_t *x = shapes[i / LENGTH(options)];
        problem p = problem_new(b->tested, o, x, x[4], x[4]);
        check(b, &p, true, o->what);
        problem_free(&p);
    }
}

/* Three examples, then a question with three answers: where each token's example or answer begins, and how many tokens
 * it shares. */
static void hang_together(problem *p) {
    int64_t tokens = p->shape.queries, cut = tokens * 2 / 3, question = tokens * 3 / 5,
            step = (tokens - question + 2) / 3;
    p->start = buffer(2 * tokens, sizeof *p->start), p->prefix = buffer(2 * tokens, sizeof *p->prefix);
    for (int64_t t = 0; t < tokens; t++) {
        p->start[t] = (int32_t)(t < tokens / 3 ? 0 : t < cut ? tokens / 3 : cut);
        if (t < question) continue;
        p->start[tokens + t] = (int32_t)(question + (t - question) / step * step);
        p->prefix[tokens + t] = (int32_t)question;
    }
    p->shape.start = p->start, p->shape.prefix = p->prefix;
}

static void packed_layouts(void **state) {
    const backends *b = backends_of(state);
    const int64_t lengths[] = {4, 60, 260};
    for (int64_t i = 0; i < LENGTH(options) * LENGTH(lengths); i++) {
        const option *o = &options[i % LENGTH(options)];
        const int64_t x[] = {2, 1, 2, 4, lengths[i / LENGTH(options)]};
        if (o->bidirectional) continue;
        problem p = problem_new(b->tested, o, x, x[4], x[4]);
        hang_together(&p);
        check(b, &p, true, o->what);
        problem_free(&p);
    }
}

/* Every example and every question with one answer gives, as a sequence of its own, what it gives when packed. */
static void check_packed(const pare_backend *r, const option *o) {
    const int64_t x[] = {2, 1, 2, 8, 24}, head = 16; /* of a token's queries; its key has half */
    problem p = problem_new(r, o, x, 24, 24);
    hang_together(&p);
    results packed = results_of(r, &p, p.v, p.dout, false);
    for (int64_t at = 0; at < 48; at++) {
        int64_t sequence = at / 24, start = p.start[at], prefix = p.prefix[at], own = at % 24 - start + 1;
        const int64_t alone_shape[] = {1, 1, 2, 8, prefix + own};
        problem alone = problem_new(r, o, alone_shape, prefix + own, prefix + own);
        for (int64_t t = 0; t < prefix + own; t++) {
            int64_t from = sequence * 24 + (t < prefix ? t : start + t - prefix);
            memcpy(alone.q + t * head, p.q + from * head, (size_t)head * sizeof(float));
            memcpy(alone.k + t * 8, p.k + from * 8, 8 * sizeof(float));
            memcpy(alone.v + t * 8, p.v + from * 8, 8 * sizeof(float));
        }
        results expected = results_of(r, &alone, alone.v, alone.dout, false);
        for (int64_t i = 0; i < head; i++)
            check_near((double)packed.out[at * head + i], (double)expected.out[(prefix + own - 1) * head + i], 1e-6,
                       "packed", at);
        results_free(&expected);
        problem_free(&alone);
    }
    results_free(&packed);
    problem_free(&p);
}

static void packed_is_alone(void **state) {
    const pare_backend *r = backends_of(state)->reference;
    check_packed(r, &(option){.scale = 0.4f, .cap = 3.0f, .window = 4, .slopes = true});
    check_packed(r, &(option){.scale = 0.4f, .window = 4, .slopes = true, .rounded = true});
    check_packed(r, &(option){.window = 4, .chunked = true});
    check_packed(r, &(option){.window = 3, .chunked = true, .slopes = true});
}

/* One query, and chunks of them, behind the keys of a cache, whose free slots and keys out of reach hold NaN. */
static void over_a_cache(void **state) {
    const backends *b = backends_of(state);
    const int64_t cached[][7] = {/* batch, groups, shared, head, keys, queries, capacity */
                                 {1, 1, 1, 8, 1, 1, 4},       {2, 2, 3, 16, 77, 1, 90},   {1, 1, 71, 64, 60, 1, 60},
                                 {2, 1, 2, 256, 300, 1, 300}, {1, 2, 1, 12, 700, 1, 800}, {1, 2, 2, 8, 130, 7, 160},
                                 {1, 1, 2, 16, 400, 70, 410}};
    for (int64_t i = 0; i < LENGTH(options) * LENGTH(cached); i++) {
        const option *o = &options[i % LENGTH(options)];
        const int64_t *x = cached[i / LENGTH(options)];
        if (o->bidirectional && x[4] != x[5]) continue;
        problem p = problem_new(b->tested, o, x, x[5], x[6]);
        int64_t slot = x[4] - x[5], reach = o->window ? slot + 1 - o->window : 0; /* of the first query */
        if (o->chunked) reach = slot / o->window * o->window;
        if (x[5] > 1) reach = reach / 128 * 128; /* tiles are read as a whole */
        for (int64_t key = 0; key < p.keys; key++)
            for (int64_t j = 0; j < x[3] && (key % x[6] >= x[4] || key % x[6] < reach); j++)
                p.k[key * x[3] + j] = p.v[key * x[3] + j] = NAN;
        check(b, &p, false, o->what);
        problem_free(&p);
    }
}

/* A long sequence costs its length times the window: what no query of a tile of 128 sees is not even read, or a NaN
 * there would, times a weight of zero, be one in all their gradients. */
static void far_tiles_are_skipped(void **state) {
    const backends *b = backends_of(state);
    const option narrow = {.window = 20};
    const int64_t x[] = {1, 1, 2, 8, 300}, row = 16;
    problem p = problem_new(b->tested, &narrow, x, 300, 300);
    p.k[0] = NAN;
    results r = results_of(b->tested, &p, p.v, p.dout, true);
    assert_true(isnan(r.out[0]) && isnan(r.dq[0]));
    for (int64_t i = 256 * row; i < 300 * row; i++)
        assert_true(isfinite(r.out[i]) && isfinite(r.dq[i]));
    results_free(&r);
    problem_free(&p);
}

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
    const struct CMUnitTest tests[] = {
        WITH_FP32(known_values),          WITH_FP32(every_option),        WITH_BF16(every_option),
        WITH_FP32(packed_layouts),        WITH_BF16(packed_layouts),      WITH_FP32(packed_is_alone),
        WITH_FP32(over_a_cache),          WITH_BF16(over_a_cache),        WITH_FP32(far_tiles_are_skipped),
        WITH_BF16(far_tiles_are_skipped), WITH_FP32(capped_large_scores), WITH_BF16(capped_large_scores),
        WITH_FP32(nothing_asked_for),     WITH_BF16(nothing_asked_for)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
