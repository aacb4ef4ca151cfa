/* Causal attention, forward: window lengths around the tile of 128, shared keys, decoding from a cache. */
#include "backend/compare.h"

static const int64_t shapes[][7] = {
    /* batch, groups, shared, head, queries, keys, key_capacity */
    {1, 1, 1, 8, 1, 1, 1},
    {2, 2, 3, 16, 5, 5, 5},
    {1, 2, 8, 80, 33, 33, 33},
    {1, 1, 2, 128, 127, 127, 127},
    {1, 2, 1, 16, 128, 128, 128},
    {1, 1, 3, 8, 129, 129, 129},
    {1, 1, 2, 16, 300, 300, 300},
    /* decoding and prefill in chunks: the cache has more slots than keys, and the queries are the last of the keys */
    {1, 2, 2, 16, 1, 1, 40},
    {2, 2, 8, 8, 1, 77, 100},
    {1, 2, 1, 128, 1, 129, 256},
    {1, 1, 3, 16, 1, 300, 300},
    {1, 2, 2, 8, 7, 130, 160},
    {2, 1, 2, 16, 100, 228, 300},
    {1, 1, 1, 80, 129, 200, 512},
    {1, 1, 2, 8, 130, 131, 131},
};

static pare_attention shape_of(const int64_t x[7]) {
    return (pare_attention){.batch = x[0],
                            .groups = x[1],
                            .shared = x[2],
                            .head = x[3],
                            .queries = x[4],
                            .keys = x[5],
                            .key_capacity = x[6]};
}

typedef struct inputs {
    float *q, *k, *v;
    void *q_operand, *k_operand, *v_operand;
    int64_t q_size, rows; /* rows: of queries, over all heads */
} inputs;

/* Slots beyond the keys hold NaN: nothing may read them. */
static float *cache(const pare_attention *s, uint64_t stream, pare_dtype dtype) {
    float *x = random_floats(s->batch * s->groups * s->key_capacity * s->head, stream, 1.0f, dtype);
    for (int64_t pair = 0; pair < s->batch * s->groups; pair++)
        for (int64_t i = s->keys * s->head; i < s->key_capacity * s->head; i++)
            x[pair * s->key_capacity * s->head + i] = NAN;
    return x;
}

static inputs inputs_new(const pare_backend *backend, const pare_attention *s) {
    int64_t rows = s->batch * s->groups * s->queries * s->shared;
    int64_t slots = s->batch * s->groups * s->key_capacity * s->head;
    inputs in = {.q_size = rows * s->head, .rows = rows};
    in.q = random_floats(in.q_size, 1, 1.0f, backend->operand);
    in.k = cache(s, 2, backend->operand);
    in.v = cache(s, 3, backend->operand);
    in.q_operand = operand_of(backend, in.q, in.q_size);
    in.k_operand = operand_of(backend, in.k, slots);
    in.v_operand = operand_of(backend, in.v, slots);
    return in;
}

static void inputs_free(inputs *in) {
    RELEASE(in->q, in->k, in->v, in->q_operand, in->k_operand, in->v_operand);
}

/* The scores are sums of `head` products, so they are off by at most (head + 2) 2^-24 |q| |k| scale (Cauchy-Schwarz);
 * for normal data |q| |k| < 4 head. */
static double score_error(const pare_attention *s) {
    return (double)(s->head + 2) * UNIT_FP32 * 4.0 * (double)s->head / sqrt((double)s->head);
}

/* Relative to the sum of p_j |v_j|: probabilities are rounded to operands (unit), are off by twice the error of the
 * scores and by that of exp (3e-7), and the sums over the keys and over the tiles round in fp32. */
static void check_forward(const backends *b, const pare_attention *s) {
    inputs in = inputs_new(b->tested, s);
    int64_t slots = s->batch * s->groups * s->key_capacity * s->head;
    float *actual = floats(in.q_size), *expected = floats(in.q_size), *terms = floats(in.q_size);
    float *logsum = floats(in.rows), *expected_logsum = floats(in.rows), *v_size = absolute(in.v, slots);
    const pare_backend *r = b->reference;
    assert_int_equal(b->tested->operations->attention_forward(b->tested, s, in.q_operand, in.k_operand, in.v_operand,
                                                              actual, logsum),
                     PARE_OK);
    assert_int_equal(r->operations->attention_forward(r, s, in.q, in.k, in.v, expected, expected_logsum), PARE_OK);
    assert_int_equal(r->operations->attention_forward(r, s, in.q, in.k, v_size, terms, NULL), PARE_OK);
    double sums = (double)(s->keys + 8) * UNIT_FP32, exponential = 3e-7;
    check_all(actual, expected, terms, in.q_size, b->unit + 2 * score_error(s) + sums + exponential, 0.0, "output");
    for (int64_t i = 0; i < in.rows; i++)
        check_near((double)logsum[i], (double)expected_logsum[i],
                   score_error(s) + sums + exponential + 2 * UNIT_FP32 * fabs((double)expected_logsum[i]), "logsum", i);
    RELEASE(actual, expected, terms, logsum, expected_logsum, v_size);
    inputs_free(&in);
}

static void every_shape(void **state) {
    const backends *b = backends_of(state);
    for (int64_t i = 0; i < LENGTH(shapes); i++) {
        pare_attention s = shape_of(shapes[i]);
        check_forward(b, &s);
    }
}

/* Scores from -10^4 to 10^4, exact in both operand types (integers below 256; scale 1/4), over three tiles: the winner
 * takes all, and nothing overflows. */
static void huge_scores(void **state) {
    const backends *b = backends_of(state);
    const pare_attention s = shape_of((const int64_t[]){1, 1, 2, 16, 300, 300, 300});
    int64_t size = s.queries * s.shared * s.head;
    float *q = floats(size), *k = floats(s.keys * s.head), *v = floats(s.keys * s.head);
    for (int64_t row = 0; row < s.queries * s.shared; row++)
        q[row * s.head] = row % 2 ? 200.0f : -200.0f;
    for (int64_t t = 0; t < s.keys; t++) {
        k[t * s.head] = (float)(t * 7919 % 401) - 200.0f;
        v[t * s.head] = (float)(t % 200);
    }
    void *q_operand = operand_of(b->tested, q, size), *k_operand = operand_of(b->tested, k, s.keys * s.head);
    void *v_operand = operand_of(b->tested, v, s.keys * s.head);
    float *actual = floats(size), *expected = floats(size), *logsum = floats(s.queries * s.shared);
    const pare_backend *t = b->tested, *r = b->reference;
    assert_int_equal(t->operations->attention_forward(t, &s, q_operand, k_operand, v_operand, actual, logsum), PARE_OK);
    assert_int_equal(r->operations->attention_forward(r, &s, q, k, v, expected, NULL), PARE_OK);
    for (int64_t i = 0; i < size; i++)
        check_near((double)actual[i], (double)expected[i], b->unit * fabs((double)expected[i]) + 1e-5, "output", i);
    for (int64_t i = 0; i < s.queries * s.shared; i++)
        assert_true(isfinite(logsum[i]));
    RELEASE(q, k, v, q_operand, k_operand, v_operand, actual, expected, logsum);
}

/* A NaN in a query or key must reach every output that depends on it, and a NaN in a query no other. */
static void nan_is_not_lost(void **state) {
    const backends *b = backends_of(state);
    const pare_attention s = shape_of((const int64_t[]){1, 1, 2, 8, 200, 200, 200});
    inputs in = inputs_new(b->tested, &s);
    float *out = floats(in.q_size), *logsum = floats(in.rows);
    const pare_backend *t = b->tested;
    const int64_t bad_row = 2 * 60 + 1, bad_key = 150;
    const float nan_value = NAN;
    pare_from_float(pare_operand_at(t, in.q_operand, bad_row * s.head + 3), t->operand, &nan_value, 1);
    assert_int_equal(t->operations->attention_forward(t, &s, in.q_operand, in.k_operand, in.v_operand, out, logsum),
                     PARE_OK);
    for (int64_t row = 0; row < in.rows; row++)
        assert_int_equal(isnan(out[row * s.head]) != 0, row == bad_row);
    pare_from_float(pare_operand_at(t, in.k_operand, bad_key * s.head), t->operand, &nan_value, 1);
    assert_int_equal(t->operations->attention_forward(t, &s, in.q_operand, in.k_operand, in.v_operand, out, logsum),
                     PARE_OK);
    for (int64_t row = 0; row < in.rows; row++) {
        bool reached = row == bad_row || row / s.shared >= bad_key;
        assert_int_equal(isnan(out[row * s.head]) != 0, reached);
        assert_int_equal(isnan(logsum[row]) != 0, reached);
    }
    RELEASE(out, logsum);
    inputs_free(&in);
}

int main(void) {
    const struct CMUnitTest tests[] = {WITH_FP32(every_shape), WITH_BF16(every_shape),     WITH_FP32(huge_scores),
                                       WITH_BF16(huge_scores), WITH_FP32(nan_is_not_lost), WITH_BF16(nan_is_not_lost)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
