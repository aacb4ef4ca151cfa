/* tokenizer.json of both kinds, its options, and what is refused; expected ids were taken from the tokenizers library.
 */
#include "json_fixture.h"
#include "support/memory.h"
#include "text/corpus_internal.h"
#include "tokenizer/tokenizer.h"

#include <jansson.h>
#include <sys/stat.h>

#define GMASK "{\"SpecialToken\": {\"id\": \"G\"}}"
#define SOP "{\"SpecialToken\": {\"id\": \"S\"}}"
#define TEXT "{\"Sequence\": {\"id\": \"A\"}}"
#define TEMPLATE(pieces)                                                                                               \
    "{\"type\": \"TemplateProcessing\", \"single\": [" pieces "], \"special_tokens\": {\"G\": {\"ids\": [8]}, \"S\": " \
    "{\"ids\": [5]}}}"

static void check(const pare_tokenizer *tokenizer, const char *text, const char *decoded, const uint32_t *expected,
                  size_t expected_count) {
    uint32_t *ids;
    size_t count, bytes;
    char *out;
    assert_ok(pare_tokenizer_encode(tokenizer, text, strlen(text), &ids, &count));
    if (count != expected_count || memcmp(ids, expected, count * sizeof *ids) != 0)
        fail_msg("'%s' has other ids (%zu of them, the first is %u)", text, count, count ? ids[0] : 0);
    assert_ok(pare_tokenizer_decode(tokenizer, ids, count, &out, &bytes));
    assert_string_equal(out, decoded);
    assert_int_equal(bytes, strlen(decoded));
    pare_text_free(out);
    pare_ids_free(ids);
}

#define CHECK(tokenizer, text, decoded, ...)                                                                           \
    check(tokenizer, text, decoded, (const uint32_t[]){__VA_ARGS__},                                                   \
          sizeof((const uint32_t[]){__VA_ARGS__}) / sizeof(uint32_t))

static void test_byte_level(void **state) {
    (void)state;
    pare_tokenizer *tokenizer = json_fixture_open(json_byte_level);
    CHECK(tokenizer, "xxxxxxx ab whole", "xxxxxxx ab w", 2, 1, 0, 7, 3, 13);
    CHECK(tokenizer, "whole", "whole", 12);
    CHECK(tokenizer, "<s>ab<s> e\xCC\x81\xC3\xA9 qqqq ", "ab \xC3\xA9\xC3\xA9 q ", 15, 6, 15, 3, 10, 10, 3, 11, 3);
    CHECK(tokenizer, "a [w] b[w]c [w]", "a[w]bw[w]", 4, 16, 5, 13, 16);
    CHECK(tokenizer, "ab\n\n ab", "ab\n\n ab", 6, 14, 14, 7);
    assert_int_equal(pare_tokenizer_bos(tokenizer), 15);
    assert_true(pare_tokenizer_adds_bos(tokenizer));
    assert_int_equal(pare_tokenizer_eos(tokenizer), -1);
    assert_int_equal(pare_tokenizer_size(tokenizer), 17);
    pare_tokenizer_close(tokenizer);
}

static void test_spaces(void **state) {
    (void)state;
    pare_tokenizer *tokenizer = json_fixture_open(json_spaces);
    CHECK(tokenizer, "ab xxxxx", "ab xxxxx", 4, 3, 1, 7, 5);
    CHECK(tokenizer, "a  \xC3\xA9\xC3\xA9<unk>b", "a   b", 4, 8, 0, 0, 1, 3);
    CHECK(tokenizer, " a", " a", 1, 4);
    CHECK(tokenizer, "   ", "   ", 8, 8);
    assert_int_equal(pare_tokenizer_bos(tokenizer), -1);
    assert_false(pare_tokenizer_adds_bos(tokenizer));
    uint32_t *ids;
    size_t count;
    assert_ok(pare_tokenizer_encode(tokenizer, "", 0, &ids, &count));
    assert_int_equal(count, 0);
    pare_ids_free(ids);
    pare_tokenizer_close(tokenizer);
}

/* Replaces the value under `part`.`key` (the file's own where part is NULL) by JSON text. */
static char *changed(const char *fixture, const char *part, const char *key, const char *value) {
    json_t *json = json_loads(fixture, 0, NULL), *new_value = json_loads(value, JSON_DECODE_ANY, NULL);
    assert_non_null(json);
    assert_non_null(new_value);
    assert_int_equal(json_object_set_new(part ? json_object_get(json, part) : json, key, new_value), 0);
    char *text = json_dumps(json, 0);
    json_decref(json);
    return text;
}

static void test_refusals(void **state) {
    (void)state;
    static const struct {
        const char *part, *key, *value, *named;
    } refused[] = {
        {"model", "type", "\"WordPiece\"", "WordPiece; pare reads BPE and Unigram"},
        {"model", "type", "\"WordLevel\"", "WordLevel; pare reads BPE and Unigram"},
        {"model", "type", "\"Unigram\"", "not a list of"},
        {"model", "dropout", "0.1", "dropout"},
        {"model", "end_of_word_suffix", "\"</w>\"", "end_of_word_suffix"},
        {"model", "continuing_subword_prefix", "\"##\"", "continuing_subword_prefix"},
        {"model", "merges", "[[\"a\", \"never\"]]", "never"},
        {"model", "merges", "[\"a b c\"]", "merge 0"},
        {"model", "vocab", "{\"a\": -1}", "\"a\""},
        {"model", "unk_token", "\"absent\"", "absent"},
        {NULL, "added_tokens", "[{\"id\": 9999999, \"content\": \"far\"}]", "9999999"},
        {NULL, "model", "{\"type\": \"Unigram\", \"vocab\": []}", "not a list of"},
        {NULL, "model", "{\"type\": \"Unigram\", \"vocab\": [[\"a\", -1], [\"a\", -2]]}",
         "\"a\" twice, as tokens 0 and 1"},
        {NULL, "model", "{\"type\": \"Unigram\", \"vocab\": [[\"a\", -1], [\"b\", \"-2\"]]}", "entry 1"},
        {NULL, "model", "{\"type\": \"Unigram\", \"vocab\": [[\"a\", -1]], \"unk_id\": 1}", "unk_id"},
        {NULL, "model", "{\"type\": \"Unigram\", \"vocab\": [[\"a\", -1]], \"unk_id\": -1}", "unk_id"},
        {NULL, "normalizer", "{\"type\": \"Precompiled\"}", "precompiled_charsmap"},
        {NULL, "normalizer", "{\"type\": \"Precompiled\", \"precompiled_charsmap\": \"////AAAA\"}",
         "precompiled_charsmap"},
        {NULL, "normalizer", "{\"type\": \"Precompiled\", \"precompiled_charsmap\": \"a*b=\"}", "base64"},
        {NULL, "normalizer", "{\"type\": \"BertNormalizer\"}", "BertNormalizer"},
        {NULL, "pre_tokenizer", "{\"type\": \"UnicodeScripts\"}", "UnicodeScripts"},
        {NULL, "post_processor", "{\"type\": \"Strange\"}", "Strange"},
        {NULL, "post_processor", TEMPLATE(TEXT ", " GMASK ", " SOP), "behind a text"},
        {NULL, "post_processor", TEMPLATE(SOP "," SOP "," SOP "," SOP "," SOP "," SOP "," SOP "," SOP "," SOP),
         "in front"},
        {NULL, "post_processor", TEMPLATE(""), "template"},
        {NULL, "post_processor", TEMPLATE("{\"SpecialToken\": {\"id\": \"X\"}}"), "template"},
        {NULL, "decoder", "{\"type\": \"WordPiece\"}", "WordPiece"},
        {NULL, "model", "3", "no model"},
        {NULL, "added_tokens", "[{\"id\": -3, \"content\": \"x\"}]", "added token"},
    };
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
        char *text = changed(json_spaces, refused[i].part, refused[i].key, refused[i].value);
        char *path = json_fixture_write(text, strlen(text));
        pare_tokenizer *tokenizer;
        assert_int_not_equal(pare_tokenizer_open(path, &tokenizer), PARE_OK);
        assert_null(tokenizer);
        if (!strstr(pare_message(), refused[i].named) || !strstr(pare_message(), path))
            fail_msg("%s: the message does not name it: %s", refused[i].value, pare_message());
        unlink(path);
        free(path);
        free(text);
    }
}

/* A directory: tokenizer.json goes before tokenizer.model, and tokenizer_config.json tells what the file does not. */
static void test_directory(void **state) {
    (void)state;
    char folder[] = "/tmp/pare-tokenizer-XXXXXX";
    static const char config[] = "{\"bos_token\": {\"content\": \"a\"}, \"eos_token\": \"b\", \"add_bos_token\": true,"
                                 " \"model_max_length\": 1000000000000000019884624838656}";
    assert_non_null(mkdtemp(folder));
    pare_tokenizer *tokenizer;
    assert_int_equal(pare_tokenizer_open(folder, &tokenizer), PARE_FILE_ERROR);
    assert_non_null(strstr(pare_message(), folder));
    static const char *const names[] = {"tokenizer.json", "tokenizer_config.json", "tokenizer.model"};
    const char *const contents[] = {json_spaces, config, "not a model"};
    for (int i = 0; i < 3; i++) {
        char *path = pare_path_join(folder, names[i]);
        FILE *file = fopen(path, "wb");
        assert_non_null(file);
        assert_true(fputs(contents[i], file) >= 0);
        assert_int_equal(fclose(file), 0);
        free(path);
    }
    assert_ok(pare_tokenizer_open(folder, &tokenizer));
    assert_int_equal(pare_tokenizer_bos(tokenizer), 2);
    assert_int_equal(pare_tokenizer_eos(tokenizer), 3);
    assert_true(pare_tokenizer_adds_bos(tokenizer));
    pare_tokenizer_close(tokenizer);
    for (int i = 0; i < 3; i++) {
        char *path = pare_path_join(folder, names[i]);
        unlink(path);
        free(path);
    }
    assert_int_equal(rmdir(folder), 0);
}

/* GLM's template has two tokens in front of the text: both stand there, in their order. */
static void test_template(void **state) {
    (void)state;
    char *text = changed(json_spaces, NULL, "post_processor", TEMPLATE(GMASK ", " SOP ", " TEXT ", " GMASK));
    pare_tokenizer *tokenizer = json_fixture_open(text);
    const uint32_t *front;
    pare_id_list ids = {0};
    static const uint32_t expected[] = {8, 5, 4};
    assert_int_equal(pare_tokenizer_front(tokenizer, &front), 2);
    assert_int_equal(pare_tokenizer_behind(tokenizer), 8);
    assert_true(pare_tokenizer_adds_bos(tokenizer));
    assert_ok(pare_corpus_encode(tokenizer, "a", 1, true, &ids));
    assert_int_equal(ids.count, 3);
    assert_memory_equal(ids.ids, expected, sizeof expected);
    pare_id_list_free(&ids);
    assert_int_not_equal(pare_tokenizer_limit(tokenizer, 8), PARE_OK); /* the embedding has no row for the first */
    pare_tokenizer_close(tokenizer);
    free(text);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_byte_level), cmocka_unit_test(test_spaces),
                                       cmocka_unit_test(test_refusals), cmocka_unit_test(test_template),
                                       cmocka_unit_test(test_directory)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
