/* The divergence from a teacher by vocabulary chunks, and its gradient: extreme logits, equal distributions, targets
 * that are open. */
#include "backend/compare.h"
#include "distributions.h"

enum { ROWS = 6, VOCABULARY = 1500 };
static const int32_t targets[ROWS] = {0, VOCABULARY - 1, 499, -2, 700, 3};

/* Normal logits; row 4 with a spike in the student, row 5 one in the teacher. */
static float *logits_new(uint64_t stream) {
    float *x = random_floats(ROWS * VOCABULARY, stream, 3.0f, PARE_DTYPE_F32);
    x[(stream == 1 ? 4 : 5) * VOCABULARY + 3] = 1e4f;
    return x;
}

/* In chunks of 500 with a maximum that is the whole row's from the beginning: sum of p (t - s) in double by its
 * definition. Terms are off by what exp is (3e-7), by the rounding of differences, and by that of fp32 sums. */
static void sums_of_differences(void **state) {
    const backends *b = backends_of(state);
    float *student = logits_new(1), *teacher = logits_new(2);
    for (int t = 0; t < ROWS; t++) {
        const float *s = student + t * VOCABULARY, *p = teacher + t * VOCABULARY;
        float maximum = p[0];
        double value = 0.0, reference = 0.0, expected = 0.0, size = 0.0;
        for (int i = 0; i < VOCABULARY; i++)
            maximum = fmaxf(maximum, p[i]);
        for (int i = 0; i < VOCABULARY; i++) {
            double term = exp((double)p[i] - (double)maximum) * ((double)p[i] - (double)s[i]);
            expected += term;
            size += fabs(term);
        }
        for (int64_t first = 0; first < VOCABULARY; first += 500) {
            b->tested->operations->divergence_update(b->tested, s + first, p + first, 1, 500, &maximum, &value);
            b->reference->operations->divergence_update(b->reference, s + first, p + first, 1, 500, &maximum,
                                                        &reference);
        }
        check_near(reference, expected, 1e-12 * size, "reference", t);
        check_near(value, expected, size * (2e-6 + 500.0 * UNIT_FP32) + 1e-30, "sum", t);
    }
    RELEASE(student, teacher);
}

/* ce (q - onehot) + kd (q - p), by its definition in double. */
static void gradient(void **state) {
    const backends *b = backends_of(state);
    float *student = logits_new(1), *teacher = logits_new(2), a[ROWS], c[ROWS];
    for (int t = 0; t < ROWS; t++) {
        a[t] = (float)logits_log_sum(student + t * VOCABULARY, VOCABULARY);
        c[t] = (float)logits_log_sum(teacher + t * VOCABULARY, VOCABULARY);
    }
    pare_divergence_terms terms = {
        .targets = targets, .student_logsum = a, .teacher_logsum = c, .scale = 0.125f, .ce = 0.75f, .kd = 2.0f};
    void *out = buffer(ROWS * VOCABULARY, pare_operand_size(b->tested));
    float *reference = floats(ROWS * VOCABULARY);
    b->tested->operations->divergence_gradient(b->tested, &terms, student, teacher, ROWS, VOCABULARY, 0, out);
    b->reference->operations->divergence_gradient(b->reference, &terms, student, teacher, ROWS, VOCABULARY, 0,
                                                  reference);
    float *actual = floats_of(b->tested, out, ROWS * VOCABULARY);
    for (int64_t i = 0; i < ROWS * VOCABULARY; i++) {
        int64_t t = i / VOCABULARY;
        double q = exp((double)student[i] - (double)a[t]), p = exp((double)teacher[i] - (double)c[t]);
        double label = targets[t] < 0 ? 0.0 : 0.75 * (q - (i % VOCABULARY == targets[t]));
        double expected = 0.125 * (label + 2.0 * (q - p));
        double bound = 0.125 * (3.0 * q + 2.0 * p) * (1e-6 + UNIT_FP32 * 40.0) + 1e-36 +
                       (i % VOCABULARY == targets[t] ? 4.0 * UNIT_FP32 : 0.0);
        check_near((double)reference[i], expected, bound, "reference", i);
        check_near((double)actual[i], expected, bound + b->unit * fabs(expected), "gradient", i);
    }
    free(reference);
    RELEASE(student, teacher);
    RELEASE(out, actual);
}

/* Who is taught what it knows learns nothing: not one bit. */
static void equals_learn_nothing(void **state) {
    const backends *b = backends_of(state);
    float *logits = logits_new(1), logsum[ROWS], maximum[ROWS] = {0};
    double value[ROWS] = {0};
    for (int t = 0; t < ROWS; t++)
        logsum[t] = (float)logits_log_sum(logits + t * VOCABULARY, VOCABULARY);
    pare_divergence_terms terms = {
        .targets = targets, .student_logsum = logsum, .teacher_logsum = logsum, .scale = 1.0f, .ce = 0.0f, .kd = 3.0f};
    void *out = buffer(ROWS * VOCABULARY, pare_operand_size(b->tested));
    b->tested->operations->divergence_gradient(b->tested, &terms, logits, logits, ROWS, VOCABULARY, 0, out);
    b->tested->operations->divergence_update(b->tested, logits, logits, ROWS, VOCABULARY, maximum, value);
    float *actual = floats_of(b->tested, out, ROWS * VOCABULARY);
    for (int64_t i = 0; i < ROWS * VOCABULARY; i++)
        assert_true(actual[i] == 0.0f);
    for (int t = 0; t < ROWS; t++)
        assert_true(value[t] == 0.0);
    RELEASE(out, actual);
    free(logits);
}

int main(void) {
    const struct CMUnitTest tests[] = {WITH_FP32(sums_of_differences), WITH_FP32(gradient), WITH_BF16(gradient),
                                       WITH_FP32(equals_learn_nothing), WITH_BF16(equals_learn_nothing)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
