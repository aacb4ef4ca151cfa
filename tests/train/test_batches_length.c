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

static uint64_t real_tokens(const pare_examples *examples) {
    uint64_t tokens = 0;
    for (size_t i = 0; i < examples->count; i++)
        tokens += examples->list[i].count;
    return tokens;
}

/* Shares measured on these lengths, which are spread evenly over 3 .. 200, and a little more. */
static void test_padding(void **state) {
    (void)state;
    pare_examples examples = make_examples(EXAMPLES, LONGEST);
    uint64_t tokens = real_tokens(&examples), sequences;
    pare_batches_options options = {.batch = 64, .length = LONGEST, .seed = 1};
    assert_true(padded_tokens(&examples, options, &sequences) < tokens * 107 / 100);
    options.length = 256; /* rows may be longer than the longest example */
    assert_true(padded_tokens(&examples, options, &sequences) < tokens * 105 / 100);
    options = (pare_batches_options){.batch = 16, .length = 512, .pack = true, .seed = 1};
    assert_true(padded_tokens(&examples, options, &sequences) < tokens * 101 / 100);
    assert_int_equal(sequences, (tokens + 511) / 512); /* no fewer could hold them */
    free_examples(&examples);
}

static void test_held_out_rows_are_full(void **state) {
    (void)state;
    pare_examples examples = make_examples(EXAMPLES, LONGEST);
    pare_batches *batches =
        make_batches(&examples, (pare_batches_options){.batch = 1, .length = 256, .validation = EXAMPLES - 1});
    uint32_t seen[EXAMPLES] = {0};
    pare_batch batch;
    assert_ok(pare_batches_held_out(batches, 0, EXAMPLES, &batch));
    assert_int_equal(batch.sequences, pare_batches_validation(batches));
    check_batch(&examples, &batch, 256, seen);
    assert_true((uint64_t)(batch.sequences * batch.layout.length) < batch.tokens * 102 / 100);
    pare_batches_free(batches);
    free_examples(&examples);
}

/* Examples of these lengths. */
static pare_examples examples_of(const uint32_t *lengths, size_t count) {
    pare_examples examples = make_examples(count, 20);
    for (size_t i = 0; i < count; i++) {
        examples.list[i] = (pare_example){20 * i, lengths[i], 1};
        for (uint32_t t = 0; t < lengths[i]; t++)
            examples.ids[20 * i + t] = (uint32_t)(1000 * i) + t + 1;
    }
    return examples;
}

static void expect_rows(const uint32_t *lengths, size_t count, uint32_t most, int64_t rows, int64_t length) {
    pare_examples examples = examples_of(lengths, count);
    pare_batches *batches =
        make_batches(&examples, (pare_batches_options){.batch = (uint32_t)count, .length = most, .seed = 5});
    pare_batch batch;
    uint32_t seen[8] = {0};
    assert_ok(pare_batches_step(batches, 0, &batch));
    check_batch(&examples, &batch, most, seen);
    assert_int_equal(batch.sequences, rows);
    assert_int_equal(batch.layout.length, length);
    pare_batches_free(batches);
    free_examples(&examples);
}

/* By hand: as short as the longest example, longer where that leaves less padding, never beyond the limit. */
static void test_rows_by_hand(void **state) {
    (void)state;
    expect_rows((const uint32_t[]){16, 10, 6}, 3, 20, 2, 16);
    expect_rows((const uint32_t[]){16, 16, 16}, 3, 20, 3, 16);
    expect_rows((const uint32_t[]){3}, 1, 20, 1, 8);
    expect_rows((const uint32_t[]){17, 17, 4, 4}, 4, 24, 2, 24);
    expect_rows((const uint32_t[]){18, 18, 2, 2}, 4, 20, 2, 20);
    expect_rows((const uint32_t[]){18, 18, 6, 6}, 4, 18, 3, 18);
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
    pare_examples examples = examples_of((const uint32_t[]){3, 5, 4, 7, 6, 5}, 6);
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
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_padding), cmocka_unit_test(test_held_out_rows_are_full),
                                       cmocka_unit_test(test_rows_by_hand), cmocka_unit_test(test_steps_are_drawn),
                                       cmocka_unit_test(test_best_fit)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
