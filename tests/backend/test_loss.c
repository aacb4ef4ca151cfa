/* Cross-entropy by vocabulary chunks: the streaming log-sum-exp, its gradient, extreme logits, NaN, masked rows. */
#include "backend/compare.h"

enum { ROWS = 9, VOCABULARY = 1500 };

typedef struct losses {
    float maximum[ROWS], target_logit[ROWS];
    double sum[ROWS];
} losses;

/* Feeds the logits [ROWS, VOCABULARY] in chunks of `step` columns. */
static losses stream(const pare_backend *backend, const float *logits, const int32_t *targets, int64_t step) {
    losses l;
    for (int t = 0; t < ROWS; t++)
        l.maximum[t] = -INFINITY, l.sum[t] = 0.0, l.target_logit[t] = -123.0f;
    for (int64_t first = 0; first < VOCABULARY; first += step) {
        int64_t columns = VOCABULARY - first < step ? VOCABULARY - first : step;
        float *chunk = floats(ROWS * columns);
        for (int64_t t = 0; t < ROWS; t++)
            memcpy(chunk + t * columns, logits + t * VOCABULARY + first, (size_t)columns * sizeof *chunk);
        backend->operations->logsum_update(backend, chunk, ROWS, columns, first, targets, l.maximum, l.sum,
                                           l.target_logit);
        free(chunk);
    }
    return l;
}

static const int32_t targets[ROWS] = {0, VOCABULARY - 1, 499, 500, -1, 1000, 999, 7, 750};

/* Normal logits, then rows with a spike of +10^4, of -10^4 everywhere but one, and all equal at -10^4. */
static float *logits_new(void) {
    float *x = random_floats(ROWS * VOCABULARY, 1, 3.0f, PARE_DTYPE_F32);
    x[2 * VOCABULARY + 499] = 1e4f;
    x[3 * VOCABULARY + 3] = 1e4f;
    for (int i = 0; i < VOCABULARY; i++) {
        x[5 * VOCABULARY + i] = i == 1200 ? 0.0f : -1e4f;
        x[6 * VOCABULARY + i] = -1e4f;
    }
    return x;
}

/* Terms are positive: errors relative to the sum are those of exp (3e-7) and of adding up in fp32. */
static void streaming_sum(void **state) {
    const backends *b = backends_of(state);
    float *logits = logits_new();
    const int64_t steps[] = {VOCABULARY, 500, 128, 7, 1};
    losses expected = stream(b->reference, logits, targets, VOCABULARY);
    for (int64_t i = 0; i < LENGTH(steps); i++) {
        losses actual = stream(b->tested, logits, targets, steps[i]);
        for (int t = 0; t < ROWS; t++) {
            double chunks = (double)VOCABULARY / (double)steps[i];
            double relative = (double)(steps[i] + 2) * UNIT_FP32 + 3e-7 * (1.0 + fmin(chunks, 20.0));
            assert_true(actual.maximum[t] == expected.maximum[t]);
            check_near(actual.sum[t], expected.sum[t], relative * expected.sum[t], "sum", t);
            assert_true(actual.target_logit[t] == (targets[t] < 0 ? -123.0f : logits[t * VOCABULARY + targets[t]]));
        }
    }
    free(logits);
}

/* The argument of exp rounds to 2^-24 of itself, so a probability p is off by p (1e-6 + 2^-24 |logit - logsum|); taking
 * the target's 1 away rounds once more. */
static void gradient(void **state) {
    const backends *b = backends_of(state);
    float *logits = logits_new(), *expected = floats(ROWS * VOCABULARY), logsum[ROWS];
    const float scale = 0.125f;
    losses l = stream(b->reference, logits, targets, VOCABULARY);
    for (int t = 0; t < ROWS; t++)
        logsum[t] = (float)((double)l.maximum[t] + log(l.sum[t]));
    void *out = buffer(ROWS * VOCABULARY, pare_operand_size(b->tested));
    b->tested->operations->logits_gradient(b->tested, logits, ROWS, VOCABULARY, 0, targets, logsum, scale, out);
    b->reference->operations->logits_gradient(b->reference, logits, ROWS, VOCABULARY, 0, targets, logsum, scale,
                                              expected);
    float *actual = floats_of(b->tested, out, ROWS * VOCABULARY);
    for (int64_t i = 0; i < ROWS * VOCABULARY; i++) {
        double distance = fabs((double)logits[i] - (double)logsum[i / VOCABULARY]);
        double p = exp((double)logits[i] - (double)logsum[i / VOCABULARY]);
        double bound = (double)scale * (p * (1e-6 + UNIT_FP32 * distance) + 2.0 * UNIT_FP32 * p + 1e-37);
        if (i % VOCABULARY == targets[i / VOCABULARY]) bound += 2.0 * UNIT_FP32 * (double)scale;
        check_near((double)actual[i], (double)expected[i], bound + b->unit * fabs((double)expected[i]), "gradient", i);
    }
    for (int64_t i = 0; i < VOCABULARY; i++)
        assert_true(actual[4 * VOCABULARY + i] == 0.0f);
    RELEASE(logits, expected, out, actual);
}

/* A chunk that begins at a later token: the target counts from `first`. */
static void gradient_of_a_chunk(void **state) {
    const backends *b = backends_of(state);
    enum { COLUMNS = 8, FIRST = 500 };
    const int32_t target[] = {499, 500, 507, 508};
    float logits[4 * COLUMNS] = {0}, logsum[4] = {2, 2, 2, 2};
    void *out = buffer(4 * COLUMNS, pare_operand_size(b->tested));
    b->tested->operations->logits_gradient(b->tested, logits, 4, COLUMNS, FIRST, target, logsum, 1.0f, out);
    float *actual = floats_of(b->tested, out, 4 * COLUMNS);
    for (int t = 0; t < 4; t++)
        for (int i = 0; i < COLUMNS; i++)
            check_near((double)actual[t * COLUMNS + i], exp(-2.0) - (FIRST + i == target[t]), b->unit + 1e-6, "chunk",
                       t * COLUMNS + i);
    RELEASE(out, actual);
}

/* Wherever a NaN stands, in the first chunk or the last, the row's sum must say so, and no other row's. */
static void nan_is_not_lost(void **state) {
    const backends *b = backends_of(state);
    float *logits = logits_new();
    const int64_t places[] = {0, 1, 15, 16, 400, 499, 500, 517, 1000, VOCABULARY - 1};
    for (int64_t i = 0; i < LENGTH(places); i++) {
        float *place = logits + 7 * VOCABULARY + places[i], kept = *place;
        *place = NAN;
        losses l = stream(b->tested, logits, targets, 500);
        for (int t = 0; t < ROWS; t++)
            assert_int_equal(isnan(l.sum[t]) != 0, t == 7);
        *place = kept;
    }
    free(logits);
}

/* A masked row gives zeros whatever its logits are. */
/* A term -p log p is off by what p is (see above), relative to itself, and sums of fp32 lanes round once more; the
 * gradient p (log p + H) likewise, with H in fp32. Chunks are added up in double. */
static void entropy(void **state) {
    const backends *b = backends_of(state);
    float *logits = logits_new(), *expected = floats(ROWS * VOCABULARY), logsum[ROWS];
    double value[ROWS] = {0}, reference[ROWS] = {0};
    losses l = stream(b->reference, logits, targets, VOCABULARY);
    for (int t = 0; t < ROWS; t++)
        logsum[t] = (float)((double)l.maximum[t] + log(l.sum[t]));
    b->reference->operations->entropy_update(b->reference, logits, ROWS, VOCABULARY, logsum, reference);
    for (int t = 0; t < ROWS; t++)
        for (int64_t first = 0; first < VOCABULARY; first += 500)
            b->tested->operations->entropy_update(b->tested, logits + t * VOCABULARY + first, 1, 500, logsum + t,
                                                  value + t);
    for (int t = 0; t < ROWS; t++) {
        double allowed = 1e-12;
        for (int i = 0; i < VOCABULARY; i++) {
            double distance = fabs((double)logits[t * VOCABULARY + i] - (double)logsum[t]);
            allowed += exp(-distance) * distance * (1e-6 + UNIT_FP32 * (distance + 500.0));
        }
        check_near(value[t], reference[t], allowed, "entropy", t);
    }
    void *out = buffer(ROWS * VOCABULARY, pare_operand_size(b->tested));
    b->tested->operations->entropy_gradient(b->tested, logits, ROWS, VOCABULARY, logsum, reference, 0.125f, out);
    b->reference->operations->entropy_gradient(b->reference, logits, ROWS, VOCABULARY, logsum, reference, 0.125f,
                                               expected);
    float *actual = floats_of(b->tested, out, ROWS * VOCABULARY);
    for (int64_t i = 0; i < ROWS * VOCABULARY; i++) {
        double distance = fabs((double)logits[i] - (double)logsum[i / VOCABULARY]), h = reference[i / VOCABULARY];
        double size = 0.125 * exp(-distance) * (distance + h);
        double allowed = size * (1e-6 + UNIT_FP32 * (distance + 4.0)) + 1e-37 * (1.0 + distance + h);
        check_near((double)actual[i], (double)expected[i], allowed + b->unit * fabs((double)expected[i]), "slope", i);
    }
    free(logits);
    free(expected);
    RELEASE(out, actual);
}

static void masked_rows_are_zero(void **state) {
    const backends *b = backends_of(state);
    float logits[20], logsum = NAN;
    const int32_t masked = -1;
    for (int i = 0; i < 20; i++)
        logits[i] = NAN;
    void *out = operand_of(b->tested, logits, 20);
    b->tested->operations->logits_gradient(b->tested, logits, 1, 20, 0, &masked, &logsum, 1.0f, out);
    float *actual = floats_of(b->tested, out, 20);
    for (int i = 0; i < 20; i++)
        assert_true(actual[i] == 0.0f);
    RELEASE(out, actual);
}

int main(void) {
    const struct CMUnitTest tests[] = {WITH_FP32(streaming_sum),
                                       WITH_FP32(gradient),
                                       WITH_BF16(gradient),
                                       WITH_FP32(gradient_of_a_chunk),
                                       WITH_BF16(gradient_of_a_chunk),
                                       WITH_FP32(nan_is_not_lost),
                                       WITH_FP32(entropy),
                                       WITH_BF16(entropy),
                                       WITH_FP32(masked_rows_are_zero),
                                       WITH_BF16(masked_rows_are_zero)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
