/* What the files beside a tokenizer.model or a tokenizer.json say of its tokens counts as transformers counts it: the
 * ids of awkward texts, the number of tokens, BOS and EOS. The expected values are by tests/oracle/tokenizer_files.py.
 */
#include "support/memory.h"
#include "text/shared.h"

#include <jansson.h>

static const char tiny[] = PARE_SOURCE_DIR "/examples/tiny-stories";

static json_t *load_cases(void) {
    json_error_t error;
    json_t *golden = json_load_file(PARE_SOURCE_DIR "/tests/data/tokenizer_files.json", 0, &error);
    if (!golden) fail_msg("tests/data/tokenizer_files.json: %s", error.text);
    return golden;
}

static void link_tokenizer(const char *folder, bool json) {
    const char *name = json ? "tokenizer.json" : "tokenizer.model";
    char *from = pare_path_join(tiny, name), *to = pare_path_join(folder, name);
    assert_int_equal(symlink(from, to), 0);
    free(from);
    free(to);
}

static void write_files(const char *folder, const json_t *files) {
    const char *name;
    json_t *content;
    json_object_foreach((json_t *)(uintptr_t)files, name, content) {
        char *path = pare_path_join(folder, name);
        assert_int_equal(json_dump_file(content, path, 0), 0);
        free(path);
    }
}

static void remove_folder(const char *folder) {
    static const char *const names[] = {"tokenizer.json", "tokenizer.model", "tokenizer_config.json",
                                        "added_tokens.json", "special_tokens_map.json"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char *path = pare_path_join(folder, names[i]);
        unlink(path);
        free(path);
    }
    assert_int_equal(rmdir(folder), 0);
}

static pare_tokenizer *open_case(const json_t *entry) {
    char folder[] = "/tmp/pare-tokenizer-files-XXXXXX";
    pare_tokenizer *tokenizer;
    assert_non_null(mkdtemp(folder));
    link_tokenizer(folder, json_is_true(json_object_get(entry, "json")));
    write_files(folder, json_object_get(entry, "files"));
    pare_status status = pare_tokenizer_open(folder, &tokenizer);
    remove_folder(folder);
    if (status != PARE_OK) fail_msg("%s: %s", json_string_value(json_object_get(entry, "name")), pare_message());
    return tokenizer;
}

static size_t check_number(const char *name, const char *what, int64_t actual, const json_t *expected) {
    int64_t value = json_is_integer(expected) ? (int64_t)json_integer_value(expected) : -1;
    if (actual == value) return 0;
    fprintf(stderr, "%s: %s %lld instead of %lld\n", name, what, (long long)actual, (long long)value);
    return 1;
}

static size_t check_text(const char *name, const pare_tokenizer *tokenizer, const char *text, const json_t *expected) {
    uint32_t *ids;
    size_t count, same = 0;
    assert_ok(pare_tokenizer_encode(tokenizer, text, strlen(text), &ids, &count));
    while (same < count && ids[same] == json_integer_value(json_array_get(expected, same)))
        same++;
    bool equal = same == count && count == json_array_size(expected);
    if (!equal)
        fprintf(stderr, "%s, \"%s\": %zu ids instead of %zu, the first wrong at %zu\n", name, text, count,
                json_array_size(expected), same);
    pare_ids_free(ids);
    return !equal;
}

static void test_cases(void **state) {
    (void)state;
    json_t *golden = load_cases(), *entry;
    const json_t *texts = json_object_get(golden, "texts");
    size_t i, wrong = 0;
    json_array_foreach(json_object_get(golden, "cases"), i, entry) {
        const char *name = json_string_value(json_object_get(entry, "name"));
        pare_tokenizer *t = open_case(entry);
        wrong += check_number(name, "size", pare_tokenizer_size(t), json_object_get(entry, "size"));
        wrong += check_number(name, "BOS", pare_tokenizer_bos(t), json_object_get(entry, "bos"));
        wrong += check_number(name, "EOS", pare_tokenizer_eos(t), json_object_get(entry, "eos"));
        if (pare_tokenizer_adds_bos(t) != json_is_true(json_object_get(entry, "adds_bos"))) {
            fprintf(stderr, "%s: wrong about BOS in front\n", name);
            wrong++;
        }
        for (size_t j = 0; j < json_array_size(texts); j++)
            wrong += check_text(name, t, json_string_value(json_array_get(texts, j)),
                                json_array_get(json_object_get(entry, "ids"), j));
        pare_tokenizer_close(t);
    }
    json_decref(golden);
    assert_int_equal(wrong, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_cases)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
