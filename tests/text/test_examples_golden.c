/* Examples as transformers' tokenizers make them: prompt and answer encoded as one text, cut at the cutoff, EOS behind
 * it, and the prompt encoded alone for its length. */
#include "byte_fixture.h"
#include "support/digest.h"
#include "text/corpus.h"
#include "text/examples.h"

static const uint32_t WITHOUT_INPUT[] = {1,    384,  433,  310,  350,  351,  3514, 316,  324,  1946, 1053, 286,  261,
                                         3886, 4029, 2920, 261,  1787, 277,  323,  324,  1461, 3041, 1249, 1435, 4009,
                                         286,  265,  3704, 4029, 13,   13,   4093, 4093, 4093, 732,  2711, 316,  4059,
                                         13,   1404, 350,  265,  3721, 285,  1518, 596,  4047, 13,   13,   4093, 4093,
                                         4093, 2926, 4026, 277,  323,  4059, 13,   4050, 292,  279,  4029, 2};
static const uint32_t WITH_INPUT[] = {
    1,    384,  433,  310,  350,  351,  3514, 316,  324,  1946, 1053, 286,  261,  3886, 4027, 912,  1121,
    341,  351,  289,  1956, 324,  1105, 1442, 2079, 639,  4008, 883,  4029, 2920, 261,  1787, 277,  323,
    324,  1461, 3041, 1249, 1435, 4009, 286,  265,  3704, 4029, 13,   13,   4093, 4093, 4093, 732,  2711,
    316,  4059, 13,   4037, 913,  265,  3812, 4029, 13,   13,   4093, 4093, 4093, 732,  1956, 4059, 13,
    4065, 4027, 4007, 4070, 13,   13,   4093, 4093, 4093, 2926, 4026, 277,  323,  4059, 13,   4071, 2};

static pare_tokenizer *open_shared(const char *name) {
    pare_tokenizer *tokenizer;
    need_shared(name);
    assert_ok(pare_tokenizer_open(shared_path(name), &tokenizer));
    return tokenizer;
}

/* The oracle's rows (tests/oracle/examples.py). */
static void test_oracle(void **state) {
    (void)state;
    json_t *golden = load_json(PARE_SOURCE_DIR "/tests/data/examples.json"), *expected, *id;
    char *rows = json_dumps(json_object_get(golden, "rows"), 0), *path = write_file("rows.json", rows, strlen(rows));
    uint32_t cutoff = (uint32_t)json_integer_value(json_object_get(golden, "cutoff"));
    pare_tokenizer *tokenizer;
    pare_examples e;
    size_t i, at;
    assert_ok(pare_tokenizer_open(PARE_SOURCE_DIR "/tests/data/stories", &tokenizer));
    assert_ok(pare_examples_read(tokenizer, &(pare_examples_request){.path = path, .cutoff = cutoff}, &e));
    assert_int_equal(e.count, json_array_size(json_object_get(golden, "examples")));
    assert_int_equal(e.dropped, json_integer_value(json_object_get(golden, "dropped")));
    json_array_foreach(json_object_get(golden, "examples"), i, expected) {
        json_t *ids = json_object_get(expected, "ids");
        assert_int_equal(e.list[i].prompt, json_integer_value(json_object_get(expected, "prompt")));
        assert_int_equal(e.list[i].count, json_array_size(ids));
        json_array_foreach(ids, at, id) assert_int_equal(e.ids[e.list[i].start + at], json_integer_value(id));
    }
    pare_examples_free(&e);
    pare_tokenizer_close(tokenizer);
    json_decref(golden);
    remove_file(path);
    free(rows);
}

static void test_rows(void **state) {
    (void)state;
    static const char rows[] =
        "[{\"instruction\": \"What is the capital of France?\", \"input\": \"\", \"output\": \"Paris.\"},"
        " {\"instruction\": \"Add the numbers.\", \"input\": \"2, 3\", \"output\": \"5\"}]";
    pare_tokenizer *tokenizer = open_shared("models/novels-8m/tokenizer.json");
    char *path = write_file("rows.json", rows, strlen(rows));
    pare_examples e;
    assert_ok(pare_examples_read(tokenizer, &(pare_examples_request){.path = path, .cutoff = 256}, &e));
    assert_int_equal(e.count, 2);
    assert_int_equal(e.list[0].count, sizeof WITHOUT_INPUT / sizeof *WITHOUT_INPUT);
    assert_int_equal(e.list[0].prompt, 59);
    assert_memory_equal(e.ids, WITHOUT_INPUT, sizeof WITHOUT_INPUT);
    assert_int_equal(e.list[1].count, sizeof WITH_INPUT / sizeof *WITH_INPUT);
    assert_int_equal(e.list[1].prompt, 83);
    assert_memory_equal(e.ids + e.list[1].start, WITH_INPUT, sizeof WITH_INPUT);
    pare_examples_free(&e);
    remove_file(path);
    pare_tokenizer_close(tokenizer);
}

/* SHA-256 of little-endian uint32. */
static void digest_of(uint32_t *ids, size_t count, char text[65]) {
    const pare_windows windows = {.ids = ids, .count = 1, .length = (uint32_t)count};
    assert_ok(pare_windows_digest(&windows, text));
}

typedef struct golden {
    const char *tokenizer;
    size_t examples, dropped, tokens, prompts;
    const char *ids_digest, *prompts_digest; /* of all ids, and of all prompts' lengths */
} golden;

static void check_alpaca(const golden *expected) {
    pare_tokenizer *tokenizer = open_shared(expected->tokenizer);
    const char *path = shared_path("data/alpaca/alpagasus_claude_t45.json");
    char digest[PARE_DIGEST_TEXT];
    pare_examples e;
    assert_ok(pare_examples_read(tokenizer, &(pare_examples_request){.path = path, .cutoff = 256}, &e));
    size_t tokens = 0, sum = 0;
    uint32_t *prompts = malloc(e.count * sizeof *prompts);
    assert_non_null(prompts);
    for (size_t i = 0; i < e.count; i++) {
        assert_int_equal(e.list[i].start, tokens);
        tokens += e.list[i].count;
        sum += e.list[i].prompt;
        prompts[i] = e.list[i].prompt;
    }
    assert_int_equal(e.count, expected->examples);
    assert_int_equal(e.dropped, expected->dropped);
    assert_int_equal(tokens, expected->tokens);
    assert_int_equal(sum, expected->prompts);
    digest_of(e.ids, tokens, digest);
    assert_string_equal(digest, expected->ids_digest);
    digest_of(prompts, e.count, digest);
    assert_string_equal(digest, expected->prompts_digest);
    free(prompts);
    pare_examples_free(&e);
    pare_tokenizer_close(tokenizer);
}

static void test_alpaca(void **state) {
    (void)state;
    check_alpaca(&(golden){"models/novels-8m/tokenizer.json", 5294, 11, 721145, 435329,
                           "6d35546d4d9e2a6c4444f3100c6f92171956237a2cbcdb9f8ef01fef7ee86a90",
                           "cedd585a2f86328c9deb516e48e863f4acce750acc29c80e7948022583106a37"});
}

static void test_alpaca_of_long_examples(void **state) {
    (void)state;
    check_alpaca(&(golden){"models/stories260K-hf/tokenizer.json", 5158, 147, 1112757, 784851,
                           "d7666a0827a0ddd87a80956215e63b8ef0693d2547afeb628fe06100cd8a4c24",
                           "d5507f23cff88fec4a4a77051ae5ee1f6b1a94d7541c7c511234be20fa453d2a"});
}

int main(void) {
    const struct CMUnitTest ours[] = {cmocka_unit_test(test_oracle)},
                            theirs[] = {cmocka_unit_test(test_rows), cmocka_unit_test(test_alpaca),
                                        cmocka_unit_test(test_alpaca_of_long_examples)};
    return golden_is_ours() ? cmocka_run_group_tests(ours, make_folder, remove_folder)
                            : cmocka_run_group_tests(theirs, make_folder, remove_folder);
}
