/* Causal attention, backward, over window lengths around the tile of 128 and shared keys. */
#include "backend/compare.h"

static const int64_t shapes[][5] = {
    /* batch, groups, shared, head, tokens */
    {1, 1, 1, 8, 1},    {2, 2, 3, 16, 5},  {1, 2, 8, 80, 33},  {1, 1, 2, 128, 127},
    {1, 2, 1, 16, 128}, {1, 1, 3, 8, 129}, {1, 1, 2, 16, 300}, {2, 2, 2, 8, 140},
};

typedef struct gradients {
    float *dq, *dk, *dv;
} gradients;

static gradients gradients_new(int64_t queries, int64_t keys) {
    return (gradients){filled(queries, NAN), filled(keys, NAN), filled(keys, NAN)};
}

/* dv is a sum of p_i dout_i with p rounded to an operand: bounded relative to the sum of p_i |dout_i|, which is the dv
 * of |dout|. dq and dk are sums of ds_j k_j whose terms cancel; the roundings of ds are independent and each below 2^-8
 * of its ds, so their sum is below 2^-8 of the sum itself, taken as a vector over the head, where there are many keys,
 * and below twice that where there are few. In fp32 the scores' own errors (about head 2^-24 each) dominate: 10^-4
 * covers them ten times. */
static void check_backward(const backends *b, const pare_attention *s) {
    pare_dtype operand = b->tested->operand;
    int64_t rows = s->batch * s->groups * s->queries * s->shared, keys = s->batch * s->groups * s->keys;
    int64_t q_size = rows * s->head, k_size = keys * s->head;
    float *q = random_floats(q_size, 1, 1.0f, operand), *k = random_floats(k_size, 2, 1.0f, operand);
    float *v = random_floats(k_size, 3, 1.0f, operand), *dout = random_floats(q_size, 4, 1.0f, operand);
    float *out = floats(q_size), *logsum = floats(rows), *dout_size = absolute(dout, q_size);
    void *q_operand = operand_of(b->tested, q, q_size), *k_operand = operand_of(b->tested, k, k_size);
    void *v_operand = operand_of(b->tested, v, k_size), *dout_operand = operand_of(b->tested, dout, q_size);
    gradients actual = gradients_new(q_size, k_size), expected = gradients_new(q_size, k_size);
    gradients terms = gradients_new(q_size, k_size);
    const pare_backend *t = b->tested, *r = b->reference;

    assert_int_equal(r->operations->attention_forward(r, s, q, k, v, out, logsum), PARE_OK);
    assert_int_equal(t->operations->attention_backward(t, s, q_operand, k_operand, v_operand, out, logsum, dout_operand,
                                                       actual.dq, actual.dk, actual.dv),
                     PARE_OK);
    assert_int_equal(
        r->operations->attention_backward(r, s, q, k, v, out, logsum, dout, expected.dq, expected.dk, expected.dv),
        PARE_OK);
    assert_int_equal(
        r->operations->attention_backward(r, s, q, k, v, out, logsum, dout_size, terms.dq, terms.dk, terms.dv),
        PARE_OK);
    double scores = 2.0 * (double)(s->head + 2) * UNIT_FP32 * 4.0 * sqrt((double)s->head);
    double sums = (double)(s->queries * s->shared + 8) * UNIT_FP32;
    check_all(actual.dv, expected.dv, terms.dv, k_size, b->unit + scores + sums + 3e-7, 0.0, "dv");
    double relative = b->unit == UNIT_FP32 ? 1e-4 : 2.0 * UNIT_BF16;
    check_rows(actual.dq, expected.dq, rows, s->head, relative, "dq");
    check_rows(actual.dk, expected.dk, keys, s->head, relative, "dk");
    RELEASE(q, k, v, dout, out, logsum, dout_size, q_operand, k_operand, v_operand, dout_operand);
    RELEASE(actual.dq, actual.dk, actual.dv, expected.dq, expected.dk, expected.dv, terms.dq, terms.dk, terms.dv);
}

static void every_shape(void **state) {
    const backends *b = backends_of(state);
    for (int64_t i = 0; i < LENGTH(shapes); i++) {
        const int64_t *x = shapes[i];
        const pare_attention s = {.batch = x[0],
                                  .groups = x[1],
                                  .shared = x[2],
                                  .head = x[3],
                                  .queries = x[4],
                                  .keys = x[4],
                                  .key_capacity = x[4]};
        check_backward(b, &s);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {WITH_FP32(every_shape), WITH_BF16(every_shape)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
