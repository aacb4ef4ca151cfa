/* Attention where keys are hidden from queries: packed examples, answers behind one question, any two stretches; over
 * lengths around the tile of 128. */
#include "backend/compare.h"

enum { BATCH = 2, GROUPS = 2, SHARED = 2, HEAD = 8 };

/* Fills start and prefix of one sequence. */
typedef void (*view_fn)(int32_t *start, int32_t *prefix, int64_t tokens, int64_t sequence);

/* Three examples: with 300 tokens none of the tile [0, 128) is seen by those from 200 on. */
static void packed(int32_t *start, int32_t *prefix, int64_t tokens, int64_t sequence) {
    int64_t second = tokens / 3 + 31 * sequence, third = tokens * 2 / 3;
    for (int64_t t = 0; t < tokens; t++) {
        start[t] = (int32_t)(t < second ? 0 : t < third ? second : third);
        prefix[t] = 0;
    }
}

/* A question and four answers. */
static void tree(int32_t *start, int32_t *prefix, int64_t tokens, int64_t sequence) {
    int64_t question = tokens * 2 / 5 + sequence, step = (tokens - question + 3) / 4;
    for (int64_t t = 0; t < tokens; t++) {
        start[t] = (int32_t)(t < question ? 0 : question + (t - question) / step * step);
        prefix[t] = (int32_t)(t < question ? 0 : question);
    }
}

/* Every token for itself: only its own key, no key but one in front of it, and anything else. */
static void mixed(int32_t *start, int32_t *prefix, int64_t tokens, int64_t sequence) {
    pare_random random = {.seed = (uint64_t)(tokens + sequence)};
    for (int64_t t = 0; t < tokens; t++) {
        start[t] = (int32_t)(t % 5 == 0 ? (uint64_t)t : pare_random_below(&random, (uint32_t)t + 1));
        prefix[t] = (int32_t)(t % 3 == 0 ? 0 : pare_random_below(&random, (uint32_t)start[t] + 1));
        if (t % 7 == 1) prefix[t] = start[t];
    }
}

static const view_fn views[] = {packed, tree, mixed};
static const int64_t lengths[] = {1, 6, 127, 128, 129, 300};

typedef struct problem {
    pare_attention shape;
    int32_t *start, *prefix;
    float *q, *k, *v, *dout;
    int64_t rows, keys; /* over all heads and sequences */
} problem;

static problem problem_new(const pare_backend *backend, view_fn view, int64_t tokens) {
    problem p = {.shape = {.batch = BATCH, .groups = GROUPS, .shared = SHARED, .head = HEAD},
                 .rows = BATCH * GROUPS * SHARED * tokens,
                 .keys = BATCH * GROUPS * tokens};
    p.shape.queries = p.shape.keys = p.shape.key_capacity = tokens;
    p.shape.start = p.start = buffer(BATCH * tokens, sizeof *p.start);
    p.shape.prefix = p.prefix = buffer(BATCH * tokens, sizeof *p.prefix);
    for (int64_t b = 0; b < BATCH; b++)
        view(p.start + b * tokens, p.prefix + b * tokens, tokens, tokens < 100 ? 0 : b);
    p.q = random_floats(p.rows * HEAD, 1, 1.0f, backend->operand);
    p.k = random_floats(p.keys * HEAD, 2, 1.0f, backend->operand);
    p.v = random_floats(p.keys * HEAD, 3, 1.0f, backend->operand);
    p.dout = random_floats(p.rows * HEAD, 4, 1.0f, backend->operand);
    return p;
}

static void problem_free(problem *p) {
    RELEASE(p->start, p->prefix, p->q, p->k, p->v, p->dout);
}

typedef struct results {
    float *out, *logsum, *dq, *dk, *dv;
} results;

static results results_of(const pare_backend *backend, const problem *p, const float *v, const float *dout) {
    const pare_backend_operations *ops = backend->operations;
    int64_t size = p->rows * HEAD, key_size = p->keys * HEAD;
    results r = {filled(size, NAN), filled(p->rows, NAN), filled(size, NAN), filled(key_size, NAN),
                 filled(key_size, NAN)};
    void *q = operand_of(backend, p->q, size), *k = operand_of(backend, p->k, key_size);
    void *values = operand_of(backend, v, key_size), *gradient = operand_of(backend, dout, size);
    assert_int_equal(ops->attention_forward(backend, &p->shape, q, k, values, r.out, r.logsum), PARE_OK);
    assert_int_equal(
        ops->attention_backward(backend, &p->shape, q, k, values, r.out, r.logsum, gradient, r.dq, r.dk, r.dv),
        PARE_OK);
    RELEASE(q, k, values, gradient);
    return r;
}

static void results_free(results *r) {
    RELEASE(r->out, r->logsum, r->dq, r->dk, r->dv);
}

/* The bounds of test_attention.c and test_attention_backward.c; the tested backend's own output and log-sums go into
 * its backward, which may add as much again. */
static void like_the_reference(void **state) {
    const backends *b = backends_of(state);
    for (int64_t i = 0; i < LENGTH(views) * LENGTH(lengths); i++) {
        problem p = problem_new(b->tested, views[i % LENGTH(views)], lengths[i / LENGTH(views)]);
        float *v_size = absolute(p.v, p.keys * HEAD), *dout_size = absolute(p.dout, p.rows * HEAD);
        results actual = results_of(b->tested, &p, p.v, p.dout);
        results expected = results_of(b->reference, &p, p.v, p.dout);
        results terms = results_of(b->reference, &p, v_size, dout_size);
        double scores = 2.0 * (HEAD + 2) * UNIT_FP32 * 4.0 * sqrt(HEAD), sums = (double)(p.rows + 8) * UNIT_FP32;
        double relative = b->unit == UNIT_FP32 ? 1e-4 : 4.0 * UNIT_BF16;
        check_all(actual.out, expected.out, terms.out, p.rows * HEAD, b->unit + scores + sums + 3e-7, 0.0, "output");
        check_all(actual.dv, expected.dv, terms.dv, p.keys * HEAD, b->unit + 2 * (scores + sums + 3e-7), 0.0, "dv");
        for (int64_t row = 0; row < p.rows; row++)
            check_near((double)actual.logsum[row], (double)expected.logsum[row], 1e-5, "logsum", row);
        check_rows(actual.dq, expected.dq, p.rows, HEAD, relative, "dq");
        check_rows(actual.dk, expected.dk, p.keys, HEAD, relative, "dk");
        results_free(&actual);
        results_free(&expected);
        results_free(&terms);
        RELEASE(v_size, dout_size);
        problem_free(&p);
    }
}

/* exp(scale q.k) of one query row and one key, or 0 where it is hidden. */
static double weight_of(const problem *p, int64_t pair, int64_t row, int64_t key) {
    int64_t tokens = p->shape.queries, token = row / SHARED, at = pair / GROUPS * tokens + token;
    if (key > token || (key >= p->prefix[at] && key < p->start[at])) return 0.0;
    const float *q = p->q + (pair * tokens * SHARED + row) * HEAD, *k = p->k + (pair * tokens + key) * HEAD;
    double score = 0.0;
    for (int64_t i = 0; i < HEAD; i++)
        score += (double)q[i] * (double)k[i] / sqrt(HEAD);
    return exp(score);
}

/* The reference itself against the formula with a dense mask: its output, and its dv = sum over queries of p dout. */
static void reference_is_the_formula(void **state) {
    const backends *b = backends_of(state);
    for (int64_t i = 0; i < LENGTH(views); i++) {
        const int64_t tokens = 17, rows = tokens * SHARED;
        problem p = problem_new(b->reference, views[i], tokens);
        results r = results_of(b->reference, &p, p.v, p.dout);
        double *dv = buffer(p.keys * HEAD, sizeof *dv);
        for (int64_t job = 0; job < p.rows; job++) {
            int64_t pair = job / rows;
            double sum = 0.0, out[HEAD] = {0};
            for (int64_t key = 0; key < tokens; key++)
                sum += weight_of(&p, pair, job % rows, key);
            for (int64_t at = 0; at < tokens * HEAD; at++) {
                double probability = weight_of(&p, pair, job % rows, at / HEAD) / sum;
                out[at % HEAD] += probability * (double)p.v[pair * tokens * HEAD + at];
                dv[pair * tokens * HEAD + at] += probability * (double)p.dout[job * HEAD + at % HEAD];
            }
            check_near((double)r.logsum[job], log(sum), 1e-5, "logsum", job);
            for (int64_t j = 0; j < HEAD; j++)
                check_near((double)r.out[job * HEAD + j], out[j], 1e-5, "output", job);
        }
        for (int64_t j = 0; j < p.keys * HEAD; j++)
            check_near((double)r.dv[j], dv[j], 1e-5, "dv", j);
        free(dv);
        results_free(&r);
        problem_free(&p);
    }
}

/* Zeros instead of NULL do not change a bit. */
static void nothing_hidden(void **state) {
    const backends *b = backends_of(state);
    problem p = problem_new(b->tested, packed, 300);
    memset(p.start, 0, (size_t)(BATCH * 300) * sizeof *p.start);
    memset(p.prefix, 0, (size_t)(BATCH * 300) * sizeof *p.prefix);
    results with = results_of(b->tested, &p, p.v, p.dout);
    p.shape.start = p.shape.prefix = NULL;
    results without = results_of(b->tested, &p, p.v, p.dout);
    size_t size = (size_t)(p.rows * HEAD) * sizeof(float), key_size = (size_t)(p.keys * HEAD) * sizeof(float);
    assert_memory_equal(with.out, without.out, size);
    assert_memory_equal(with.dq, without.dq, size);
    assert_memory_equal(with.dk, without.dk, key_size);
    assert_memory_equal(with.dv, without.dv, key_size);
    results_free(&with);
    results_free(&without);
    problem_free(&p);
}

int main(void) {
    const struct CMUnitTest tests[] = {WITH_FP32(like_the_reference), WITH_BF16(like_the_reference),
                                       WITH_FP32(reference_is_the_formula), WITH_FP32(nothing_hidden),
                                       WITH_BF16(nothing_hidden)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
