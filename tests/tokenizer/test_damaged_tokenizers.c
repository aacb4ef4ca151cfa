/* Tokenizer files cut short or with flipped bits, at many positions: a status and a sentence, or a tokenizer that works
 * on whatever the file now says. */
#include "json_fixture.h"
#include "sentencepiece_fixture.h"
#include "support/memory.h"

#include <openssl/evp.h>

static void use(const char *path, const unsigned char *data, size_t bytes) {
    static const char text[] = "  ab <s> xxxxx a[w] q\xC3\xA9\n\n12 \xFF";
    pare_tokenizer *tokenizer;
    uint32_t *ids;
    size_t count;
    char *decoded;
    fixture_write(path, data, bytes);
    if (pare_tokenizer_open(path, &tokenizer) != PARE_OK) {
        assert_null(tokenizer);
        assert_int_not_equal(strlen(pare_message()), 0);
        return;
    }
    if (pare_tokenizer_encode(tokenizer, text, sizeof text - 1, &ids, &count) == PARE_OK) {
        assert_ok(pare_tokenizer_decode(tokenizer, ids, count, &decoded, NULL));
        pare_text_free(decoded);
        pare_ids_free(ids);
    }
    pare_tokenizer_close(tokenizer);
}

static void damage(const char *path, const void *sound, size_t bytes, size_t stride) {
    static const unsigned char flips[] = {0x01, 0x80, 0x10, 0x04, 0xFF};
    unsigned char *data = malloc(bytes);
    assert_non_null(data);
    for (size_t i = 0; i < bytes; i += stride) {
        memcpy(data, sound, bytes);
        use(path, data, i);
        data[i] ^= flips[i / stride % sizeof flips];
        use(path, data, bytes);
    }
    free(data);
}

/* A table that replaces "q" by "xx" (charsmap.c has the layout): the root's children at 128, a leaf below 'q'. */
static size_t make_charsmap(unsigned char *out) {
    enum { UNITS = 512 };
    uint32_t units[UNITS] = {0};
    units[0] = 128u << 10;
    units[128 ^ 'q'] = 'q' | 0x100u | (uint32_t)((128 ^ 'q') ^ 300) << 10;
    units[300] = 0x80000000u;
    uint32_t bytes = sizeof units;
    memcpy(out, &bytes, 4);
    memcpy(out + 4, units, sizeof units);
    memcpy(out + 4 + sizeof units, "xx", 3);
    return 4 + sizeof units + 3;
}

static void check_sentencepiece(int type, size_t stride) {
    static const fixture_piece pieces[] = {
        {"<unk>", 0, 2}, {"<s>", 0, 3}, {"x", -9, 1},  {"xx", -1, 1}, {"\xE2\x96\x81", -10, 1},
        {"a", -11, 1},   {"b", -11, 1}, {"ab", -3, 1}, {"[w]", 0, 4}, {"xxxx", -4, 5},
    };
    const fixture_model model = {.pieces = pieces, .count = 10, .model_type = type};
    static fixture_bytes bytes;
    static unsigned char charsmap[4096];
    bytes = *fixture_build(&model);
    fixture_bytes part = {.count = 0};
    fixture_message(&part, 2, charsmap, make_charsmap(charsmap));
    fixture_message(&bytes, 3, part.data, part.count);
    char *path = fixture_path("damaged.model");
    pare_tokenizer *tokenizer;
    uint32_t *ids;
    size_t count;
    fixture_write(path, bytes.data, bytes.count);
    assert_ok(pare_tokenizer_open(path, &tokenizer));
    assert_ok(pare_tokenizer_encode(tokenizer, "q", 1, &ids, &count));
    assert_int_equal(count, 2);
    assert_int_equal(ids[1], 3); /* the table is in use */
    pare_ids_free(ids);
    pare_tokenizer_close(tokenizer);
    damage(path, bytes.data, bytes.count, stride);
    unlink(path);
    free(path);
}

static void test_sentencepiece(void **state) {
    (void)state;
    check_sentencepiece(2, 2);
    check_sentencepiece(1, 3);
}

/* A Unigram model behind a normalisation table. */
static void test_unigram(void **state) {
    (void)state;
    static unsigned char charsmap[4096];
    static char base64[8192];
    EVP_EncodeBlock((unsigned char *)base64, charsmap, (int)make_charsmap(charsmap));
    char *text = pare_format("{\"normalizer\": {\"type\": \"Precompiled\", \"precompiled_charsmap\": \"%s\"},"
                             " \"pre_tokenizer\": {\"type\": \"Metaspace\", \"replacement\": \"_\"},"
                             " \"decoder\": {\"type\": \"Metaspace\", \"replacement\": \"_\"},"
                             " \"model\": {\"type\": \"Unigram\", \"unk_id\": 0, \"byte_fallback\": true, \"vocab\":"
                             " [[\"<unk>\", 0], [\"_\", -2.5], [\"x\", -3], [\"xx\", -1e3], [\"_a\", -4.25],"
                             " [\"<0xC3>\", 0], [\"<0xA9>\", 0]]}}",
                             base64);
    char *path = json_fixture_write(text, strlen(text));
    pare_tokenizer *tokenizer;
    uint32_t *ids;
    size_t count;
    assert_ok(pare_tokenizer_open(path, &tokenizer));
    assert_ok(pare_tokenizer_encode(tokenizer, "q\xC3\xA9?", 4, &ids, &count));
    assert_int_equal(count, 4); /* _ x x, and é and ? as one that is unknown, for want of <0x3F> */
    assert_int_equal(ids[3], 0);
    pare_ids_free(ids);
    pare_tokenizer_close(tokenizer);
    damage(path, text, strlen(text), 11);
    unlink(path);
    free(path);
    free(text);
}

static void test_json(void **state) {
    (void)state;
    char *path = json_fixture_write("", 0);
    damage(path, json_byte_level, sizeof json_byte_level - 1, 3);
    damage(path, json_spaces, sizeof json_spaces - 1, 2);
    unlink(path);
    free(path);
}

static void test_real_files(void **state) {
    (void)state;
    need_golden();
    for (size_t i = 0; i < 2; i++) {
        const char *source =
            i ? golden_join(golden_path(GOLDEN_MODEL), "tokenizer.json") : golden_path(GOLDEN_TOKENIZER);
        char *text, *path = fixture_path(i ? "tokenizer.json" : "tokenizer.model");
        size_t bytes;
        assert_ok(pare_file_read(source, 1 << 20, &text, &bytes));
        damage(path, text, bytes, i ? 401 : 101);
        pare_free(text);
        unlink(path);
        free(path);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_sentencepiece), cmocka_unit_test(test_unigram),
                                       cmocka_unit_test(test_json), cmocka_unit_test(test_real_files)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
