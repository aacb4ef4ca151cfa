/* What grouping and packing are for: less padding, and little room left. */
#include "batches_fixture.h"

enum { EXAMPLES = 2000, LONGEST = 200 };

/* Tokens of an epoch with padding, by passes over single steps. */
static uint64_t padded_tokens(const pare_examples *examples, pare_batches_options options, uint64_t *sequences) {
    pare_batches *batches = make_batches(examples, options);
    uint64_t padded = 0;
    *sequences = 0;
    for (uint64_t step = 0; step < pare_batches_steps(batches); step++) {
        pare_batch batch;
        assert_ok(pare_batches_step(batches, step, &batch));
        padded += (uint64_t)(batch.sequences * batch.layout.length);
        *sequences += (uint64_t)batch.sequences;
    }
    pare_batches_free(batches);
    return padded;
}

static void test_padding(void **state) {
    (void)state;
    pare_examples examples = make_examples(EXAMPLES, LONGEST);
    uint64_t tokens = 0, sequences;
    for (size_t i = 0; i < EXAMPLES; i++)
        tokens += examples.list[i].count;
    pare_batches_options options = {.batch = 16, .length = LONGEST, .seed = 1};
    uint64_t drawn = padded_tokens(&examples, options, &sequences);
    assert_int_equal(sequences, EXAMPLES);
    assert_true(drawn > tokens * 3 / 2);
    options.group_by_length = true;
    uint64_t grouped = padded_tokens(&examples, options, &sequences);
    assert_int_equal(sequences, EXAMPLES);
    assert_true(grouped < tokens * 11 / 10);
    options = (pare_batches_options){.batch = 16, .length = 512, .pack = true, .seed = 1};
    uint64_t packed = padded_tokens(&examples, options, &sequences);
    assert_true(packed < tokens * 101 / 100);
    assert_int_equal(sequences, (tokens + 511) / 512); /* no fewer could hold them */
    free_examples(&examples);
}

/* Steps of like length come in a drawn order: not all long ones first. */
static void test_steps_are_drawn(void **state) {
    (void)state;
    pare_examples examples = make_examples(EXAMPLES, LONGEST);
    pare_batches *batches =
        make_batches(&examples, (pare_batches_options){.batch = 16, .length = LONGEST, .group_by_length = true});
    uint64_t rises = 0, steps = pare_batches_steps(batches);
    int32_t before = INT32_MAX;
    for (uint64_t step = 0; step < steps; step++) {
        pare_batch batch;
        assert_ok(pare_batches_step(batches, step, &batch));
        rises += batch.lengths[0] > before;
        before = batch.lengths[0];
    }
    assert_in_range(rises, steps / 4, steps * 3 / 4);
    pare_batches_free(batches);
    free_examples(&examples);
}

/* Six examples by hand: 6 + 4, 5 + 5 and 3 + 7 fill three sequences of 10. */
static void test_best_fit(void **state) {
    (void)state;
    static const uint32_t lengths[] = {3, 5, 4, 7, 6, 5};
    pare_examples examples = make_examples(6, 20);
    for (size_t i = 0; i < 6; i++)
        examples.list[i] = (pare_example){examples.list[i].start, lengths[i], 1};
    for (size_t i = 0; i < 6; i++)
        for (uint32_t t = 0; t < lengths[i]; t++)
            examples.ids[examples.list[i].start + t] = (uint32_t)(1000 * i) + t + 1;
    pare_batches *batches = make_batches(&examples, (pare_batches_options){.batch = 3, .length = 10, .pack = true});
    pare_batch batch;
    uint32_t seen[6] = {0};
    assert_int_equal(pare_batches_steps(batches), 1);
    assert_ok(pare_batches_step(batches, 0, &batch));
    assert_int_equal(batch.sequences, 3);
    check_batch(&examples, &batch, 10, seen);
    for (int64_t s = 0; s < 3; s++)
        assert_int_equal(batch.lengths[s], 10);
    pare_batches_free(batches);
    free_examples(&examples);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_padding), cmocka_unit_test(test_steps_are_drawn),
                                       cmocka_unit_test(test_best_fit)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
