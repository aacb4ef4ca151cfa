/* What attention may ask for beside the causal mask: a scale, a cap, a window, slopes over distances, both directions;
 * alone, together, in packed layouts and over a cache. */
#include "backend/attention_problem.h"

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
int main(void) {
    const struct CMUnitTest tests[] = {
        WITH_FP32(every_option),   WITH_BF16(every_option),          WITH_FP32(packed_layouts),
        WITH_BF16(packed_layouts), WITH_FP32(packed_is_alone),       WITH_FP32(over_a_cache),
        WITH_BF16(over_a_cache),   WITH_FP32(far_tiles_are_skipped), WITH_BF16(far_tiles_are_skipped)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
