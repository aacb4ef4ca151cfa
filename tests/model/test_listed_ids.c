/* Logits of some ids alone are those that they have among all, biases, scales and caps included, and the sum is over
 * these. */
#include "model/families.h"

typedef struct looked {
    float *logits; /* [FAMILY_TOKENS, count] */
    int64_t count, predictions;
} looked;

static pare_status keep(void *context, int64_t first, int64_t count, int64_t row, int64_t rows, const float *logits,
                        const float *logsum) {
    looked *l = context;
    assert_null(logsum);
    assert_true(first + count <= FAMILY_TOKENS && row + rows <= l->count);
    for (int64_t i = 0; i < count; i++)
        memcpy(l->logits + (first + i) * l->count + row, logits + i * rows, (size_t)rows * sizeof *logits);
    return PARE_OK;
}

static double log_of_sum(const float *logits, int64_t count) {
    double most = -INFINITY, sum = 0.0;
    for (int64_t i = 0; i < count; i++)
        most = fmax(most, (double)logits[i]);
    for (int64_t i = 0; i < count; i++)
        sum += exp((double)logits[i] - most);
    return most + log(sum);
}

/* Of every prediction of text: all tokens of a sequence but the last. */
static void compare(const looked *l, const uint32_t *list, const float *all, const float *logsum, uint32_t vocabulary) {
    for (int64_t i = 0; i < l->predictions; i++) {
        int64_t token = i / (FAMILY_LENGTH - 1) * FAMILY_LENGTH + i % (FAMILY_LENGTH - 1);
        const float *row = l->logits + i * l->count, *whole = all + token * vocabulary;
        for (int64_t j = 0; j < l->count; j++)
            assert_true(fabs((double)row[j] - (double)whole[list[j]]) <= 1e-5 * (1.0 + fabs((double)row[j])));
        assert_true(fabs((double)logsum[i] - log_of_sum(row, l->count)) <= 1e-5 * (1.0 + fabs((double)logsum[i])));
    }
}

static void check(const families *all, const json_t *one, const pare_backend *backend) {
    family_model m = family_open(one, (family_form){0});
    uint32_t vocabulary = m.model->config.vocabulary, list[4096], count = 0;
    pare_source source = {.model = m.model, .backend = backend};
    pare_pass_shape shape = {.sequences = FAMILY_SEQUENCES, .length = FAMILY_LENGTH};
    pare_pass *pass;
    const float *logsum;
    for (uint32_t id = 2; id < vocabulary; id += 3)
        list[count++] = id;
    float *whole = malloc((size_t)FAMILY_TOKENS * vocabulary * sizeof *whole);
    looked l = {.logits = malloc((size_t)FAMILY_TOKENS * count * sizeof *l.logits), .count = count};
    const pare_listed_ids only = {.id = list, .count = count};
    assert_true(whole && l.logits);
    assert_int_equal(pare_pass_new(m.model, backend, &shape, &pass), PARE_OK);
    assert_int_equal(pare_pass_forward(pass, &source, all->ids, FAMILY_SEQUENCES), PARE_OK);
    assert_int_equal(pare_pass_look(pass, &source, &only, keep, &l, &logsum, &l.predictions), PARE_OK);
    float *sums = malloc((size_t)FAMILY_TOKENS * sizeof *sums);
    memcpy(sums, logsum, (size_t)l.predictions * sizeof *sums);
    assert_int_equal(pare_pass_logits(pass, &source, 0, FAMILY_TOKENS, whole), PARE_OK);
    assert_int_equal(l.predictions, FAMILY_SEQUENCES * (FAMILY_LENGTH - 1));
    compare(&l, list, whole, sums, vocabulary);
    free(sums);
    free(whole);
    free(l.logits);
    pare_pass_free(pass);
    family_close(&m);
}

static void every_family(void **state) {
    families all = families_load();
    size_t i;
    json_t *one;
    pare_backend *backend;
    (void)state;
    assert_int_equal(pare_backend_open_cpu(PARE_COMPUTE_FP32, 1, &backend), PARE_OK);
    json_array_foreach(all.cases, i, one) check(&all, one, backend);
    pare_backend_close(backend);
    families_free(&all);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(every_family)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
