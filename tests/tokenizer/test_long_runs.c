/* A text of one character repeated, without a place to divide it, takes n log n time: a quadratic algorithm would need
 * hours for these and run into the test's time limit. */
#include "json_fixture.h"
#include "sentencepiece_fixture.h"
#include "tokenizer/merge.h"

enum { RUN = 1 << 20 };

static void check_run(const pare_tokenizer *tokenizer, const char *unit, size_t expected) {
    size_t length = strlen(unit), count, bytes = RUN / length * length;
    char *text = malloc(bytes), *decoded;
    uint32_t *ids;
    assert_non_null(text);
    for (size_t i = 0; i < bytes; i += length)
        memcpy(text + i, unit, length);
    assert_ok(pare_tokenizer_encode(tokenizer, text, bytes, &ids, &count));
    assert_int_equal(count, expected);
    assert_ok(pare_tokenizer_decode(tokenizer, ids, count, &decoded, &length));
    assert_int_equal(length, bytes);
    assert_memory_equal(decoded, text, bytes);
    pare_text_free(decoded);
    pare_ids_free(ids);
    free(text);
}

static void test_sentencepiece(void **state) {
    (void)state;
    static const fixture_piece pieces[] = {{"<unk>", 0, 2},          {"x", -9, 1},  {"xx", -1, 1}, {"xxxx", -2, 1},
                                           {"\xE2\x96\x81", -10, 1}, {"y", -11, 1}, {"xy", -3, 1}, {"yx", -4, 1}};
    const fixture_model model = {
        .pieces = pieces, .count = 8, .with_bytes = true, .keep_spaces = true, .no_dummy_prefix = true};
    pare_tokenizer *tokenizer = fixture_open(&model);
    check_run(tokenizer, "x", RUN / 4);
    check_run(tokenizer, "xy", RUN / 2);
    check_run(tokenizer, " ", RUN);
    check_run(tokenizer, "\xC3\xA9", RUN);
    pare_tokenizer_close(tokenizer);
}

/* The way through each place of such a text leads over no seam. */
static void test_unigram(void **state) {
    (void)state;
    static const fixture_piece pieces[] = {
        {"<unk>", 0, 2}, {"x", -9, 1},  {"xx", -2, 1}, {"xxxx", -3, 1}, {"\xE2\x96\x81", -10, 1},
        {"y", -11, 1},   {"xy", -3, 1}, {"yx", -4, 1}, {"z", -5, 4}};
    const fixture_model model = {.pieces = pieces,
                                 .count = 9,
                                 .with_bytes = true,
                                 .model_type = 1,
                                 .keep_spaces = true,
                                 .no_dummy_prefix = true};
    pare_tokenizer *tokenizer = fixture_open(&model);
    check_run(tokenizer, "x", RUN / 4);
    check_run(tokenizer, "xy", RUN / 2);
    check_run(tokenizer, "z", RUN);
    check_run(tokenizer, " ", RUN);
    check_run(tokenizer, "\xC3\xA9", RUN);
    pare_tokenizer_close(tokenizer);
}

static void test_json(void **state) {
    (void)state;
    pare_tokenizer *byte_level = json_fixture_open(json_byte_level), *spaces = json_fixture_open(json_spaces);
    check_run(byte_level, "x", RUN / 4);
    check_run(byte_level, "ab", RUN / 2);
    check_run(byte_level, " ", RUN);
    check_run(byte_level, "\n", RUN);
    check_run(spaces, "x", RUN / 4 + 1);
    check_run(spaces, " ", RUN / 2 + 1);
    pare_tokenizer_close(byte_level);
    pare_tokenizer_close(spaces);
}

/* The heap of long words merges as looking through all pairs does. */
static void test_against_search(void **state) {
    (void)state;
    pare_pair_table merges = {0};
    uint32_t next = 4, random = 12345;
    for (uint32_t rank = 0; rank < 60; rank++) {
        random = random * 1664525u + 1013904223u;
        uint32_t left = (random >> 8) % next, right = (random >> 20) % next;
        if (pare_pair_table_find(&merges, left, right)) continue;
        assert_ok(pare_pair_table_set(&merges, (pare_pair){left, right, rank / 3, next++}));
    }
    for (size_t count = 2; count < 400; count += 7) {
        uint32_t symbols[400], searched[400];
        size_t left = count, merged = count;
        for (size_t i = 0; i < count; i++) {
            random = random * 1664525u + 1013904223u;
            symbols[i] = searched[i] = (random >> 16) % 4;
        }
        for (;;) {
            const pare_pair *best = NULL;
            size_t place = 0;
            for (size_t i = 0; i + 1 < left; i++) {
                const pare_pair *pair = pare_pair_table_find(&merges, searched[i], searched[i + 1]);
                if (!pair || (best && pair->rank >= best->rank)) continue;
                best = pair;
                place = i;
            }
            if (!best) break;
            searched[place] = best->id;
            memmove(searched + place + 1, searched + place + 2, (--left - place - 1) * sizeof *searched);
        }
        pare_merge_work work = {0};
        assert_ok(pare_merge_run(&merges, &work, symbols, &merged));
        assert_int_equal(merged, left);
        assert_memory_equal(symbols, searched, left * sizeof *symbols);
        pare_merge_work_free(&work);
    }
    pare_pair_table_free(&merges);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_sentencepiece), cmocka_unit_test(test_unigram),
                                       cmocka_unit_test(test_json), cmocka_unit_test(test_against_search)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
