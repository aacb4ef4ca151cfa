/* Decoding gives back what was encoded, and a text that is decoded id by id is the same text. */
#include "json_fixture.h"
#include "sentencepiece_fixture.h"
#include "support/memory.h"
#include "tokenizer/tokenizer.h"
#include "tokenizer/unicode.h"

/* Puts the ids through a stream, one at a time: always whole characters, together what decoding all gives. */
static void check_stream(const pare_tokenizer *tokenizer, const uint32_t *ids, size_t count) {
    pare_text_stream stream = pare_tokenizer_stream(tokenizer);
    pare_buffer pieces = {0};
    char *whole;
    size_t bytes;
    for (size_t i = 0; i <= count; i++) {
        size_t before = pieces.bytes;
        assert_ok(i < count ? pare_text_stream_put(&stream, ids[i], &pieces) : pare_text_stream_end(&stream, &pieces));
        assert_int_equal(pare_utf8_valid(pieces.data + before, pieces.bytes - before), pieces.bytes - before);
    }
    assert_ok(pare_tokenizer_decode(tokenizer, ids, count, &whole, &bytes));
    assert_int_equal(bytes, pieces.bytes);
    assert_int_equal(strlen(whole), bytes);
    if (bytes) assert_memory_equal(whole, pieces.data, bytes);
    pare_text_free(whole);
    pare_buffer_free(&pieces);
}

static void check_round_trip(const pare_tokenizer *tokenizer, const char *text, size_t bytes) {
    uint32_t *ids;
    size_t count, decoded_bytes;
    char *decoded;
    assert_ok(pare_tokenizer_encode(tokenizer, text, bytes, &ids, &count));
    assert_ok(pare_tokenizer_decode(tokenizer, ids, count, &decoded, &decoded_bytes));
    assert_int_equal(decoded_bytes, bytes);
    assert_memory_equal(decoded, text, bytes);
    check_stream(tokenizer, ids, count);
    pare_text_free(decoded);
    pare_ids_free(ids);
}

static void test_round_trips(void **state) {
    (void)state;
    static const char *const ours[] = {"tests/data/stories", "tests/data/stories/tokenizer.model",
                                       "examples/tiny-stories/tokenizer.model", "tests/data/tokenizers/llama3_style",
                                       "tests/data/tokenizers/gpt2_style/tokenizer.json"},
                             *const theirs[] = {"models/stories260K-hf", "models/novels-8m/tokenizer.model",
                                                "models/tokenizers/llama2_tokenizer.model",
                                                "models/tokenizers/llama3_style",
                                                "models/tokenizers/gpt2_style/tokenizer.json"};
    static const char spaces[] = "  two  spaces \xF0\x9F\x98\x80\n";
    char *text;
    need_golden();
    assert_ok(
        pare_file_read(golden_is_ours() ? golden_path(GOLDEN_TEXT) : shared_path("data/books/novels_valid_utf8_lf.txt"),
                       1 << 30, &text, NULL));
    size_t bytes = 100000;
    while (((unsigned char)text[bytes] & 0xC0) == 0x80)
        bytes--;
    for (size_t i = 0; i < sizeof ours / sizeof *ours; i++) {
        pare_tokenizer *tokenizer;
        assert_ok(pare_tokenizer_open(golden_is_ours() ? golden_join(PARE_SOURCE_DIR, ours[i]) : shared_path(theirs[i]),
                                      &tokenizer));
        check_round_trip(tokenizer, text, bytes);
        check_round_trip(tokenizer, spaces, sizeof spaces - 1);
        pare_tokenizer_close(tokenizer);
    }
    pare_free(text);
}

/* Byte tokens by the hundred, as a tokenizer.json with ByteFallback has them: held back until their run is known to be
 * UTF-8, but no more than PARE_RUN_MAX of them; once it is known not to be, each is U+FFFD. */
static void check_long_runs(void) {
    static const char document[] =
        "{\"decoder\": {\"type\": \"Sequence\", \"decoders\": [{\"type\": \"ByteFallback\"}, {\"type\": \"Fuse\"}]},"
        " \"model\": {\"type\": \"BPE\", \"vocab\": {\"<0xC3>\": 0, \"<0xA9>\": 1, \"a\": 2}, \"merges\": []}}";
    pare_tokenizer *tokenizer = json_fixture_open(document);
    enum { PAIRS = 100 };
    uint32_t ids[2 * PAIRS + 2];
    char *text, expected[8 * PAIRS] = "";
    for (size_t i = 0; i < 2 * PAIRS; i++)
        ids[i] = i % 2;
    ids[2 * PAIRS] = 2;
    for (size_t i = 0; i < PAIRS; i++)
        strcat(expected, "\xC3\xA9");
    strcat(expected, "a");
    assert_ok(pare_tokenizer_decode(tokenizer, ids, 2 * PAIRS + 1, &text, NULL));
    assert_string_equal(text, expected);
    check_stream(tokenizer, ids, 2 * PAIRS + 1);
    pare_text_free(text);
    static const uint32_t broken[] = {0, 1, 0, 0, 1, 2, 0, 1, 1, 2, 0};
    assert_ok(pare_tokenizer_decode(tokenizer, broken, 11, &text, NULL));
#define FIVE "\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD"
#define THREE "\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD"
    assert_string_equal(text, FIVE "a" THREE "a\xEF\xBF\xBD");
    check_stream(tokenizer, broken, 11);
    pare_text_free(text);
    pare_tokenizer_close(tokenizer);
}

/* Any ids, also such as no text gives: characters that are never finished, bytes that begin none. */
static void test_any_ids(void **state) {
    (void)state;
    static const fixture_piece pieces[] = {{"<unk>", 0, 2},
                                           {"<s>", 0, 3},
                                           {"a", -1, 1},
                                           {"\xE2\x96\x81", -2, 1},
                                           {"\xE2\x96\x81"
                                            "a\xE2\x96\x81",
                                            -3, 1}};
    for (int flags = 0; flags < 4; flags++) {
        const fixture_model model = {.pieces = pieces,
                                     .count = 5,
                                     .with_bytes = true,
                                     .keep_spaces = flags & 1,
                                     .no_dummy_prefix = (flags & 2) != 0};
        pare_tokenizer *tokenizer = fixture_open(&model);
        uint32_t ids[64], random = 99;
        for (int round = 0; round < 500; round++) {
            for (size_t i = 0; i < 64; i++) {
                random = random * 1664525u + 1013904223u;
                ids[i] = random & 0x800 ? (random >> 16) % 5 : 5 + 0x80 + (random >> 16) % 0x80;
            }
            check_stream(tokenizer, ids, (size_t)round % 65);
        }
        pare_tokenizer_close(tokenizer);
    }
    pare_tokenizer *tokenizer = json_fixture_open(json_byte_level);
    static const uint32_t halves[] = {8, 8, 9, 15, 9, 2, 8};
    char *text;
    assert_ok(pare_tokenizer_decode(tokenizer, halves, 7, &text, NULL));
    assert_string_equal(text, "\xEF\xBF\xBD\xC3\xA9\xEF\xBF\xBDxxxx\xEF\xBF\xBD");
    check_stream(tokenizer, halves, 7);
    pare_text_free(text);
    pare_tokenizer_close(tokenizer);
    check_long_runs();
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_round_trips), cmocka_unit_test(test_any_ids)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
