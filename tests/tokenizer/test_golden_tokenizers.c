/* The ids of awkward texts and of whole files are those of the tokenizers and sentencepiece libraries. */
#include "support/digest.h"
#include "support/memory.h"
#include "text/shared.h"

#include <jansson.h>
#include <string.h>

static json_t *load(const char *path) {
    json_error_t error;
    json_t *json = json_load_file(path, JSON_ALLOW_NUL, &error);
    if (!json) fail_msg("%s: %s", path, error.text);
    return json;
}

static pare_tokenizer *open_tokenizer(const char *name) {
    pare_tokenizer *tokenizer;
    const char *folder = strstr(name, "_style/") ? "tokenizers/" : ""; /* the shared file leaves it out there */
    char *in_models = pare_format("models/%s%s", folder, name);
    assert_ok(pare_tokenizer_open(golden_is_ours() ? golden_join(PARE_SOURCE_DIR, name) : shared_path(in_models),
                                  &tokenizer));
    free(in_models);
    return tokenizer;
}

/* The golden ids of a tokenizer.model are those of the SentencePiece library, to which these are text like any other.
 */
static bool names_token(const char *tokenizer, const char *text, size_t bytes) {
    static const char *const tokens[] = {"<unk>", "<s>", "</s>"};
    bool found = false;
    for (size_t i = 0; strstr(tokenizer, ".model") && i < sizeof tokens / sizeof *tokens; i++)
        found = found || memmem(text, bytes, tokens[i], strlen(tokens[i]));
    return found;
}

static void check_strings(const pare_tokenizer *tokenizer, const char *name, const json_t *strings,
                          const json_t *expected) {
    for (size_t i = 0; i < json_array_size(strings); i++) {
        const json_t *text = json_array_get(strings, i), *list = json_array_get(expected, i);
        uint32_t *ids;
        size_t count;
        if (names_token(name, json_string_value(text), json_string_length(text))) continue;
        assert_ok(pare_tokenizer_encode(tokenizer, json_string_value(text), json_string_length(text), &ids, &count));
        if (count != json_array_size(list))
            fail_msg("%s, text %zu: %zu ids instead of %zu", name, i, count, json_array_size(list));
        for (size_t j = 0; j < count; j++)
            if (ids[j] != json_integer_value(json_array_get(list, j)))
                fail_msg("%s, text %zu, place %zu: id %u instead of %lld", name, i, j, ids[j],
                         json_integer_value(json_array_get(list, j)));
        pare_ids_free(ids);
    }
}

static void check_file(const pare_tokenizer *tokenizer, const char *name, const char *file, const json_t *expected) {
    char *in_data = pare_format("data/%s", file), *text, digest[PARE_DIGEST_TEXT];
    const char *path = golden_is_ours() ? golden_join(PARE_SOURCE_DIR, file) : shared_path(in_data);
    size_t bytes, count;
    uint32_t *ids;
    pare_digest *state;
    assert_ok(pare_file_read(path, 1 << 30, &text, &bytes));
    bool left_out = names_token(name, text, bytes);
    assert_ok(pare_tokenizer_encode(tokenizer, text, bytes, &ids, &count));
    assert_ok(pare_digest_new(&state));
    pare_digest_add(state, ids, count * sizeof *ids);
    pare_digest_finish(state, digest);
    bool equal = (json_int_t)count == json_integer_value(json_object_get(expected, "count")) &&
                 strcmp(digest, json_string_value(json_object_get(expected, "sha256"))) == 0;
    if (!equal && !left_out) fail_msg("%s, %s: %zu ids of digest %s", name, file, count, digest);
    pare_ids_free(ids);
    pare_free(text);
    free(in_data);
}

static void test_golden(void **state) {
    (void)state;
    if (!golden_is_ours()) need_shared("golden/tokenizers.json");
    json_t *golden =
        load(golden_is_ours() ? PARE_SOURCE_DIR "/tests/data/tokenizers.json" : shared_path("golden/tokenizers.json"));
    json_t *entry, *file;
    const char *name, *key;
    json_object_foreach(json_object_get(golden, "tokenizers"), name, entry) {
        pare_tokenizer *tokenizer = open_tokenizer(name);
        check_strings(tokenizer, name, json_object_get(golden, "strings"), json_object_get(entry, "ids"));
        json_object_foreach(json_object_get(golden, "files"), key, file)
            check_file(tokenizer, name, json_string_value(file), json_object_get(json_object_get(entry, "files"), key));
        pare_tokenizer_close(tokenizer);
    }
    json_decref(golden);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_golden)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
