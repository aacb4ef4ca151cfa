/* Every example once in every epoch, held-out ones never, under each way to make batches; any step at any time. */
#include "batches_fixture.h"

enum { EXAMPLES = 103, LONGEST = 30, HELD = 11 };

static const pare_batches_options WAYS[] = {
    {.batch = 8, .length = LONGEST, .validation = HELD, .seed = 3},
    {.batch = 8, .length = LONGEST, .validation = HELD, .group_by_length = true, .seed = 3},
    {.batch = 4, .length = 64, .validation = HELD, .pack = true, .seed = 3},
    {.batch = 3, .length = 67, .validation = HELD, .pack = true, .group_by_length = true, .seed = 3},
    {.batch = 1000, .length = LONGEST, .seed = 3},
    {.batch = 1, .length = 300, .pack = true, .validation = EXAMPLES - 1, .seed = 3},
};
enum { WAY_COUNT = sizeof WAYS / sizeof *WAYS };

static void count_held(pare_batches *batches, const pare_examples *examples, int64_t most, uint32_t *seen) {
    uint64_t held = pare_batches_validation(batches);
    pare_batch batch;
    int32_t before = INT32_MAX;
    for (uint64_t first = 0; first < held; first += 4) {
        assert_ok(pare_batches_held_out(batches, first, 4, &batch));
        assert_int_equal(batch.sequences, held - first < 4 ? held - first : 4);
        check_batch(examples, &batch, most, seen);
        assert_true(batch.lengths[0] <= before);
        assert_true(batch.layout.predictions == (double)batch.predictions);
        before = batch.lengths[batch.sequences - 1];
    }
    assert_ok(pare_batches_held_out(batches, held, 4, &batch));
    assert_int_equal(batch.sequences, 0);
}

static uint64_t total(const uint32_t *seen) {
    uint64_t sum = 0;
    for (size_t i = 0; i < EXAMPLES; i++)
        sum += seen[i];
    return sum;
}

static void test_epochs(void **state) {
    (void)state;
    pare_examples examples = make_examples(EXAMPLES, LONGEST);
    for (size_t way = 0; way < WAY_COUNT; way++) {
        pare_batches *batches = make_batches(&examples, WAYS[way]);
        uint64_t steps = pare_batches_steps(batches), step = 0;
        uint32_t held[EXAMPLES] = {0};
        count_held(batches, &examples, WAYS[way].length, held);
        for (int epoch = 0; epoch < 3; epoch++) {
            uint32_t seen[EXAMPLES] = {0};
            uint64_t before = 0;
            pare_batch batch;
            for (uint64_t i = 0; i < steps; i++) {
                assert_ok(pare_batches_step(batches, step++, &batch));
                assert_true(batch.sequences <= WAYS[way].batch);
                if (i + 1 < steps && WAYS[way].pack) assert_int_equal(batch.sequences, WAYS[way].batch);
                assert_true(batch.layout.predictions == (double)batch.predictions);
                check_batch(&examples, &batch, WAYS[way].length, seen);
                if (WAYS[way].pack) continue;
                uint64_t count = total(seen) - before;
                before += count;
                assert_true(i + 1 < steps ? count == WAYS[way].batch : count <= WAYS[way].batch);
                assert_int_equal(batch.layout.start != NULL, (uint64_t)batch.sequences < count);
            }
            for (size_t i = 0; i < EXAMPLES; i++)
                assert_int_equal(seen[i] + held[i], 1);
        }
        pare_batches_free(batches);
    }
    free_examples(&examples);
}

/* A copy of a step's ids, -1 behind each sequence. */
static size_t copy_step(pare_batches *batches, uint64_t step, int64_t *out) {
    pare_batch batch;
    size_t count = 0;
    assert_ok(pare_batches_step(batches, step, &batch));
    for (int64_t s = 0; s < batch.sequences; s++) {
        for (int32_t t = 0; t < batch.lengths[s]; t++)
            out[count++] = batch.ids[s * batch.layout.length + t];
        out[count++] = -1;
    }
    return count;
}

static void test_random_access(void **state) {
    (void)state;
    static int64_t one[8192], other[8192];
    pare_examples examples = make_examples(EXAMPLES, LONGEST);
    for (size_t way = 0; way < WAY_COUNT; way++) {
        pare_batches *forwards = make_batches(&examples, WAYS[way]), *anywhere = make_batches(&examples, WAYS[way]);
        uint64_t steps = pare_batches_steps(forwards) * 3;
        assert_int_equal(pare_batches_steps(anywhere) * 3, steps);
        for (uint64_t step = 0; step < steps; step++) {
            size_t count = copy_step(forwards, step, one);
            copy_step(anywhere, step * 31 % steps, other); /* somewhere else first */
            assert_int_equal(copy_step(anywhere, step, other), count);
            assert_memory_equal(one, other, count * sizeof *one);
        }
        pare_batches_free(forwards);
        pare_batches_free(anywhere);
    }
    free_examples(&examples);
}

static void test_orders_differ(void **state) {
    (void)state;
    static int64_t first[8192], second[8192], seeded[8192];
    pare_examples examples = make_examples(EXAMPLES, LONGEST);
    for (size_t way = 0; way < 4; way++) {
        pare_batches_options options = WAYS[way];
        pare_batches *batches = make_batches(&examples, options);
        size_t count = copy_step(batches, 0, first);
        size_t of_second = copy_step(batches, pare_batches_steps(batches), second);
        assert_true(count != of_second || memcmp(first, second, count * sizeof *first) != 0);
        pare_batches_free(batches);
        options.seed++;
        batches = make_batches(&examples, options);
        size_t of_seeded = copy_step(batches, 0, seeded);
        assert_true(count != of_seeded || memcmp(first, seeded, count * sizeof *first) != 0);
        pare_batches_free(batches);
    }
    free_examples(&examples);
}

/* The split is that of the seed, however batches are made; another seed holds out others. */
static void test_split(void **state) {
    (void)state;
    pare_examples examples = make_examples(EXAMPLES, LONGEST);
    uint32_t first[EXAMPLES] = {0}, other[EXAMPLES] = {0};
    for (size_t way = 0; way < 4; way++) {
        uint32_t held[EXAMPLES] = {0};
        pare_batches *batches = make_batches(&examples, WAYS[way]);
        count_held(batches, &examples, WAYS[way].length, way ? held : first);
        assert_int_equal(total(way ? held : first), HELD);
        if (way) assert_memory_equal(held, first, sizeof first);
        pare_batches_free(batches);
    }
    pare_batches_options options = WAYS[0];
    options.seed = 4;
    pare_batches *batches = make_batches(&examples, options);
    count_held(batches, &examples, options.length, other);
    assert_memory_not_equal(other, first, sizeof first);
    pare_batches_free(batches);
    free_examples(&examples);
}

static void test_parts(void **state) {
    (void)state;
    pare_examples examples = make_examples(EXAMPLES, LONGEST);
    for (size_t way = 0; way < 4; way++) {
        pare_batches *batches = make_batches(&examples, WAYS[way]);
        uint32_t in_whole[EXAMPLES] = {0}, in_parts[EXAMPLES] = {0};
        pare_batch whole, part;
        uint64_t predictions = 0, tokens = 0;
        assert_ok(pare_batches_step(batches, 1, &whole));
        check_batch(&examples, &whole, WAYS[way].length, in_whole);
        for (int64_t first = 0; first < whole.sequences; first += 3) {
            int64_t left = whole.sequences - first, count = left < 3 ? left : 3;
            assert_ok(pare_batches_part(batches, &whole, first, count, &part));
            assert_int_equal(part.sequences, count);
            assert_int_equal(part.lengths[0], whole.lengths[first]);
            assert_true(part.layout.predictions == whole.layout.predictions);
            check_batch(&examples, &part, WAYS[way].length, in_parts);
            predictions += part.predictions;
            tokens += part.tokens;
        }
        assert_memory_equal(in_whole, in_parts, sizeof in_whole);
        assert_int_equal(predictions, whole.predictions);
        assert_int_equal(tokens, whole.tokens);
        assert_int_equal(pare_batches_part(batches, &whole, whole.sequences, 1, &part), PARE_BAD_ARGUMENT);
        assert_int_equal(pare_batches_part(batches, &whole, 0, whole.sequences + 1, &part), PARE_BAD_ARGUMENT);
        assert_int_equal(pare_batches_part(batches, &whole, 0, 0, &part), PARE_BAD_ARGUMENT);
        assert_int_equal(pare_batches_part(batches, &whole, -1, 1, &part), PARE_BAD_ARGUMENT);
        pare_batches_free(batches);
    }
    free_examples(&examples);
}

static void refused(const pare_examples *examples, pare_batches_options options, const char *words) {
    pare_batches *batches;
    assert_int_equal(pare_batches_new(examples, &options, &batches), PARE_BAD_ARGUMENT);
    assert_null(batches);
    if (!strstr(pare_message(), words)) fail_msg("the message does not say \"%s\": %s", words, pare_message());
}

static void test_refused(void **state) {
    (void)state;
    pare_examples examples = make_examples(5, 20);
    refused(&examples, (pare_batches_options){.batch = 0, .length = 20}, "at least 1");
    refused(&examples, (pare_batches_options){.batch = 1, .length = 0}, "at least 1");
    refused(&examples, (pare_batches_options){.batch = 1, .length = UINT32_MAX}, "at least 1");
    refused(&examples, (pare_batches_options){.batch = 1, .length = 20, .validation = 5}, "none to train on");
    refused(&examples, (pare_batches_options){.batch = 1, .length = 8}, "a sequence takes 8");
    free_examples(&examples);
    examples.count = 0;
    refused(&examples, (pare_batches_options){.batch = 1, .length = 20}, "none to train on");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_epochs), cmocka_unit_test(test_random_access), cmocka_unit_test(test_orders_differ),
        cmocka_unit_test(test_split),  cmocka_unit_test(test_parts),         cmocka_unit_test(test_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
