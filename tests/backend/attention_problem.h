/* Attention with options, on random data: a problem, and what a backend makes of it. */
#ifndef PARE_TESTS_BACKEND_ATTENTION_PROBLEM_H
#define PARE_TESTS_BACKEND_ATTENTION_PROBLEM_H

#include "backend/compare.h"

typedef struct option {
    const char *what;
    float scale, cap;
    int64_t window;
    bool slopes, rounded, bidirectional, sinks, chunked;
} option;

typedef struct problem {
    pare_attention shape;
    int32_t *start, *prefix;
    float *q, *k, *v, *dout, *slopes, *sinks;
    int64_t rows, keys; /* over all heads and sequences */
    double score_error;
} problem;

/* 2^-1, 2^-2 and so on, 3/4 of them from the fifth on: numbers of heads need not be powers of two. */
static inline float *slopes_new(int64_t heads) {
    float *slopes = floats(heads);
    for (int64_t i = 0; i < heads; i++)
        slopes[i] = (i < 4 ? 1.0f : 0.75f) * ldexpf(1.0f, -(int)(i % 8) - 1);
    return slopes;
}

/* The bound of test_attention.c times what the scale is over head^-1/2; what the cap's tanh (1e-6 of itself) and the
 * slope's product over the farthest key round is beside it. */
static inline void set_error(problem *p) {
    const pare_attention *s = &p->shape;
    double scale = s->scale > 0.0f ? (double)s->scale : 1.0 / sqrt((double)s->head),
           largest = 4.0 * (double)s->head * scale;
    p->score_error = (double)(s->head + 2) * UNIT_FP32 * largest;
    if (s->cap > 0.0f) p->score_error += 2e-6 * fmin(largest, (double)s->cap);
    if (s->slopes) p->score_error += 2.0 * UNIT_FP32 * (largest + 0.5 * (double)s->keys);
}

static inline problem problem_new(const pare_backend *backend, const option *o, const int64_t x[5], int64_t queries,
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

static inline void problem_free(problem *p) {
    RELEASE(p->start, p->prefix, p->q, p->k, p->v, p->dout, p->slopes, p->sinks);
}

typedef struct results {
    float *out, *logsum, *dq, *dk, *dv;
    double *dsinks;
} results;

static inline results results_of(const pare_backend *backend, const problem *p, const float *v, const float *dout,
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

static inline void results_free(results *r) {
    RELEASE(r->out, r->logsum, r->dq, r->dk, r->dv, r->dsinks);
}

#endif
