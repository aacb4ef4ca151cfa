/* The flags and piece types of a SentencePiece model; expected ids and texts were taken from the sentencepiece library.
 */
#include "sentencepiece_fixture.h"

static const fixture_piece pieces[] = {
    {"<unk>", 0, 2},
    {"<s>", 0, 3},
    {"</s>", 0, 3},
    {"\xE2\x96\x81"
     "a",
     -1, 1},
    {"ab", -2, 1},
    {"\xE2\x96\x81\xE2\x96\x81", -3, 1},
    {"abab", -4, 1},
    {"<u>", 0, 4},
    {"b\xE2\x96\x81", -5, 1},
    {"\xE2\x96\x81", -6, 1},
    {"a", -7, 1},
    {"b", -8, 1},
    {"cd", -9, 5},
    {"c", -10, 1},
    {"d", -11, 1},
    {"cdcd", -12, 1},
};

static const char text[] = "  abab  a<u>b cdcd cd \xC3\xA9\xE2\x82\xAC \tab ";
#define UNKNOWN " \xE2\x81\x87 "

static const struct {
    const char *name;
    fixture_model model;
    uint32_t ids[24];
    size_t count;
    const char *decoded;
} cases[] = {
    {"defaults",
     {0},
     {3, 11, 4, 3, 7, 8, 15, 9, 13, 14, 9, 0, 9, 0, 4},
     15,
     "abab a<u>b cdcd cd " UNKNOWN " " UNKNOWN "ab"},
    {"no dummy prefix",
     {.no_dummy_prefix = true},
     {6, 3, 7, 8, 15, 9, 13, 14, 9, 0, 9, 0, 4},
     13,
     "abab a<u>b cdcd cd " UNKNOWN " " UNKNOWN "ab"},
    {"spaces kept",
     {.keep_spaces = true},
     {5, 3, 11, 4, 9, 3, 7, 8, 15, 9, 13, 14, 9, 0, 9, 0, 4, 9},
     18,
     "  abab  a<u>b cdcd cd " UNKNOWN " " UNKNOWN "ab "},
    {"spaces kept, no dummy prefix",
     {.keep_spaces = true, .no_dummy_prefix = true},
     {9, 3, 11, 4, 9, 3, 7, 8, 15, 9, 13, 14, 9, 0, 9, 0, 4, 9},
     18,
     "  abab  a<u>b cdcd cd " UNKNOWN " " UNKNOWN "ab "},
    {"space as suffix",
     {.suffix = true},
     {6, 3, 7, 8, 15, 9, 13, 14, 9, 0, 9, 0, 4, 9},
     14,
     "abab a<u>b cdcd cd " UNKNOWN " " UNKNOWN "ab "},
    {"spaces not escaped",
     {.no_escape = true},
     {0, 6, 0, 10, 7, 11, 0, 15, 0, 13, 14, 0, 4},
     13,
     UNKNOWN "abab" UNKNOWN "a<u>b" UNKNOWN "cdcd" UNKNOWN "cd" UNKNOWN "ab"},
    {"byte fallback",
     {.with_bytes = true, .keep_spaces = true},
     {5, 3, 11, 4, 9, 3, 7, 8, 15, 9, 13, 14, 9, 211, 185, 242, 146, 188, 9, 25, 4, 9},
     22,
     "  abab  a<u>b cdcd cd \xC3\xA9\xE2\x82\xAC \tab "},
};

static pare_tokenizer *open_case(fixture_model model) {
    model.pieces = pieces;
    model.count = sizeof pieces / sizeof *pieces;
    return fixture_open(&model);
}

static void test_flags(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        pare_tokenizer *tokenizer = open_case(cases[i].model);
        uint32_t *ids;
        size_t count;
        char *decoded;
        assert_ok(pare_tokenizer_encode(tokenizer, text, sizeof text - 1, &ids, &count));
        if (count != cases[i].count || memcmp(ids, cases[i].ids, count * sizeof *ids) != 0)
            fail_msg("%s: other ids", cases[i].name);
        assert_ok(pare_tokenizer_decode(tokenizer, ids, count, &decoded, NULL));
        if (strcmp(decoded, cases[i].decoded) != 0) fail_msg("%s: decoded as '%s'", cases[i].name, decoded);
        pare_text_free(decoded);
        pare_ids_free(ids);
        pare_tokenizer_close(tokenizer);
    }
}

/* Bytes that are not UTF-8 count as U+FFFD, one each; NUL bytes are text. */
static void test_strange_bytes(void **state) {
    (void)state;
    pare_tokenizer *tokenizer = open_case((fixture_model){.with_bytes = true, .no_dummy_prefix = true});
    static const char strange[] = {'a', (char)0xFF, 'b', 0, 'a', (char)0xE2, (char)0x82};
    static const uint32_t byte = 16, expected[] = {10, 0xEF, 0xBF, 0xBD, 11, 0, 10, 0xEF, 0xBF, 0xBD, 0xEF, 0xBF, 0xBD};
    uint32_t *ids;
    size_t count;
    assert_ok(pare_tokenizer_encode(tokenizer, strange, sizeof strange, &ids, &count));
    assert_int_equal(count, sizeof expected / sizeof *expected);
    for (size_t i = 0; i < count; i++)
        assert_int_equal(ids[i], expected[i] >= 0xBD || !expected[i] ? byte + expected[i] : expected[i]);
    pare_ids_free(ids);
    pare_tokenizer_close(tokenizer);
}

static void test_special_ids(void **state) {
    (void)state;
    pare_tokenizer *tokenizer = open_case((fixture_model){0});
    assert_int_equal(pare_tokenizer_bos(tokenizer), 1);
    assert_int_equal(pare_tokenizer_eos(tokenizer), 2);
    assert_true(pare_tokenizer_adds_bos(tokenizer));
    assert_int_equal(pare_tokenizer_size(tokenizer), sizeof pieces / sizeof *pieces);
    uint32_t outside = pare_tokenizer_size(tokenizer);
    char *decoded;
    assert_int_equal(pare_tokenizer_decode(tokenizer, &outside, 1, &decoded, NULL), PARE_BAD_ARGUMENT);
    assert_null(decoded);
    pare_tokenizer_close(tokenizer);
}

static void test_refused_models(void **state) {
    (void)state;
    static const struct {
        const char *words;
        fixture_piece pieces[3];
        size_t count;
        int type;
    } refused[] = {
        {"a word model", {{"<unk>", 0, 2}, {"a", 0, 1}}, 2, 3},
        {"no unknown piece", {{"a", 0, 1}}, 1, 1},
        {"two unknown pieces", {{"<unk>", 0, 2}, {"<un>", 0, 2}}, 2, 1},
        {"twice", {{"<unk>", 0, 2}, {"ab", 0, 1}, {"ab", 0, 4}}, 3, 1},
        {"<0xHH>", {{"<unk>", 0, 2}, {"<0xzz>", 0, 6}}, 2, 1},
        {"not a finite number", {{"<unk>", 0, 2}, {"ab", NAN, 1}}, 2, 1},
        {"not a finite number", {{"<unk>", 0, 2}, {"ab", -INFINITY, 1}}, 2, 2},
        {"no unknown piece", {{"a", 0, 1}}, 1, 2},
        {"twice", {{"<unk>", 0, 2}, {"ab", 0, 1}, {"ab", 0, 1}}, 3, 2},
        {"no known type", {{"<unk>", 0, 2}, {"ab", 0, 9}}, 2, 2},
        {"not UTF-8", {{"<unk>", 0, 2}, {"\xFF", 0, 1}}, 2, 2},
    };
    char *path = fixture_path("refused.model");
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
        fixture_model model = {.pieces = refused[i].pieces, .count = refused[i].count, .model_type = refused[i].type};
        const fixture_bytes *bytes = fixture_build(&model);
        pare_tokenizer *tokenizer;
        fixture_write(path, bytes->data, bytes->count);
        assert_int_not_equal(pare_tokenizer_open(path, &tokenizer), PARE_OK);
        assert_null(tokenizer);
        if (!strstr(pare_message(), refused[i].words) || !strstr(pare_message(), path))
            fail_msg("not \"%s\": %s", refused[i].words, pare_message());
    }
    unlink(path);
    free(path);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_flags),
        cmocka_unit_test(test_strange_bytes),
        cmocka_unit_test(test_special_ids),
        cmocka_unit_test(test_refused_models),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
