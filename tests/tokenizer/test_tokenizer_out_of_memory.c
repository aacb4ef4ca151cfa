/* Tokenizers of every kind opened and used on a machine without memory for some of it: a sentence, and nothing kept. */
#include "failing_memory.h"
#include "json_fixture.h"
#include "sentencepiece_fixture.h"

static const char vocabulary[] = "{\"a\": 0, \"b\": 1, \"ab\": 2, \"\xC4\xA0\": 3}";

static const char unigram[] =
    "{\"normalizer\": {\"type\": \"Sequence\", \"normalizers\": [{\"type\": \"Nmt\"}, {\"type\": \"NFKC\"}]},"
    " \"pre_tokenizer\": {\"type\": \"Sequence\", \"pretokenizers\": [{\"type\": \"Split\", \"pattern\": {\"Regex\":"
    " \"[^[a-c]\\\\d]+\"}, \"behavior\": \"Isolated\"}, {\"type\": \"ByteLevel\"}, {\"type\": \"Digits\"}]},"
    " \"added_tokens\": [{\"id\": 0, \"content\": \"<unk>\", \"special\": true}],"
    " \"decoder\": {\"type\": \"ByteLevel\"},"
    " \"model\": {\"type\": \"Unigram\", \"unk_id\": 0, \"byte_fallback\": true,"
    " \"vocab\": [[\"<unk>\", 0], [\"a\", -1], [\"b\", -2], [\"ab\", -3.5], [\"\xC4\xA0\", -4]]}}";

static pare_status use(const char *path) {
    static const char text[] = "ab ba<unk>ab\xC3\xA9 12";
    pare_tokenizer *tokenizer;
    uint32_t *ids = NULL;
    char *decoded = NULL;
    size_t count;
    PARE_TRY(pare_tokenizer_open(path, &tokenizer));
    pare_status status = pare_tokenizer_encode(tokenizer, text, sizeof text - 1, &ids, &count);
    if (status == PARE_OK) status = pare_tokenizer_decode(tokenizer, ids, count, &decoded, NULL);
    pare_text_free(decoded);
    pare_ids_free(ids);
    pare_tokenizer_close(tokenizer);
    return status;
}

static pare_status use_path(void *path) {
    return use(path);
}

static void test_vocabulary_files(void **state) {
    (void)state;
    char folder[] = "/tmp/pare-tokenizer-memory-XXXXXX";
    static const char *const names[] = {"vocab.json", "merges.txt", "config.json", "tokenizer_config.json"};
    static const char *const texts[] = {
        vocabulary, "#version: 0.2\na b\n", "{\"model_type\": \"qwen2\"}",
        "{\"add_prefix_space\": true, \"added_tokens_decoder\": {\"4\": {\"content\": \"<x>\"}}}"};
    char *paths[4];
    assert_non_null(mkdtemp(folder));
    for (size_t i = 0; i < 4; i++) {
        paths[i] = pare_path_join(folder, names[i]);
        fixture_write(paths[i], texts[i], strlen(texts[i]));
    }
    memory_fail_everywhere(&(memory_run){use_path, NULL, folder}, 1000);
    for (size_t i = 0; i < 4; i++) {
        unlink(paths[i]);
        free(paths[i]);
    }
    rmdir(folder);
}

static void test_unigram(void **state) {
    (void)state;
    char *path = json_fixture_write(unigram, sizeof unigram - 1);
    memory_fail_everywhere(&(memory_run){use_path, NULL, path}, 1000);
    unlink(path);
    free(path);
}

static void test_sentencepiece(void **state) {
    (void)state;
    static const fixture_piece pieces[] = {{"<unk>", 0, 2}, {"<s>", 0, 3}, {"a", -1, 1},
                                           {"b", -2, 1},    {"ab", -4, 4}, {"\xE2\x96\x81", -3, 1}};
    char *path = fixture_path("memory.model");
    for (int type = 1; type <= 2; type++) {
        const fixture_model model = {.pieces = pieces, .count = 6, .with_bytes = true, .model_type = type};
        const fixture_bytes *bytes = fixture_build(&model);
        fixture_write(path, bytes->data, bytes->count);
        memory_fail_everywhere(&(memory_run){use_path, NULL, path}, 1000);
    }
    unlink(path);
    free(path);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_vocabulary_files), cmocka_unit_test(test_unigram),
                                       cmocka_unit_test(test_sentencepiece)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
