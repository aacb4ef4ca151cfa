/* The digest of batches changes with all that decides what is trained on; and only ids that are learnt are targets. */
#include "batches_fixture.h"

static const pare_batches_options OPTIONS = {.batch = 2, .length = 16, .validation = 1, .seed = 7};

static void digest_of(const pare_examples *examples, pare_batches_options options, char text[65]) {
    pare_batches *batches = make_batches(examples, options);
    assert_ok(pare_batches_digest(batches, text));
    assert_int_equal(strlen(text), 64);
    pare_batches_free(batches);
}

static void expect_change(const pare_examples *examples, pare_batches_options options, const char *before) {
    char text[65];
    digest_of(examples, options, text);
    assert_string_not_equal(text, before);
}

static void test_options(void **state) {
    (void)state;
    pare_examples examples = make_examples(6, 12);
    char before[65], again[65];
    digest_of(&examples, OPTIONS, before);
    digest_of(&examples, OPTIONS, again);
    assert_string_equal(before, again);
    for (int option = 0; option < 7; option++) {
        pare_batches_options options = OPTIONS;
        options.batch += option == 0;
        options.length += option == 1;
        options.validation += option == 2;
        options.pack = option == 3;
        options.group_by_length = option == 4;
        options.seed += option == 5;
        if (option == 6) options.seed += UINT64_C(1) << 40;
        expect_change(&examples, options, before);
    }
    free_examples(&examples);
}

static void test_examples(void **state) {
    (void)state;
    pare_examples examples = make_examples(6, 12);
    char before[65], marked[65];
    uint8_t learnt[6 * 12];
    memset(learnt, 1, sizeof learnt);
    digest_of(&examples, OPTIONS, before);
    examples.ids[3]++;
    expect_change(&examples, OPTIONS, before);
    examples.ids[3]--;
    examples.list[2].prompt++;
    expect_change(&examples, OPTIONS, before);
    examples.list[2].prompt--;
    examples.list[5].count--;
    expect_change(&examples, OPTIONS, before);
    examples.list[5].count++;
    examples.count--;
    expect_change(&examples, OPTIONS, before);
    examples.count++;
    examples.learnt = learnt;
    digest_of(&examples, OPTIONS, marked);
    learnt[examples.list[1].start + examples.list[1].count - 1] = 0;
    expect_change(&examples, OPTIONS, marked);
    free_examples(&examples);
}

/* As in a chat: ids behind the prompt that are not learnt are no targets. */
static void test_learnt(void **state) {
    (void)state;
    pare_examples examples = make_examples(1, 12);
    uint8_t learnt[12] = {0, 0, 0, 1, 1, 0, 0, 1, 0, 1, 1, 0};
    examples.list[0] = (pare_example){0, 12, 3};
    examples.learnt = learnt;
    for (uint32_t t = 0; t < 12; t++)
        examples.ids[t] = t + 1;
    pare_batches *batches = make_batches(&examples, (pare_batches_options){.batch = 1, .length = 16});
    pare_batch batch;
    assert_ok(pare_batches_step(batches, 0, &batch));
    static const int32_t expected[16] = {-1, -1, 4, 5, -1, -1, 8, -1, 10, 11, -1, -1, -1, -1, -1, -1};
    assert_int_equal(batch.layout.length, 16);
    assert_memory_equal(batch.layout.targets, expected, sizeof expected);
    assert_int_equal(batch.predictions, 5);
    pare_batches_free(batches);
    free_examples(&examples);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_options), cmocka_unit_test(test_examples),
                                       cmocka_unit_test(test_learnt)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
