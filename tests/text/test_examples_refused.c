/* One sentence that names the file, and where it can the row, for every file that gives no examples. */
#include "examples_fixture.h"

static void refused(const char *name, const char *data, size_t bytes, const char *words) {
    pare_examples examples;
    const pare_examples_request request = {.cutoff = 64};
    assert_int_equal(read_examples(name, data, bytes, request, &examples), PARE_FORMAT_ERROR);
    assert_null(examples.ids);
    assert_null(examples.list);
    if (!strstr(pare_message(), name) || !strstr(pare_message(), words))
        fail_msg("the message does not say \"%s\": %s", words, pare_message());
}

static void test_files(void **state) {
    (void)state;
    static const char zeros[4000];
    refused("empty.json", "", 0, "is empty");
    refused("empty.jsonl", "", 0, "is empty");
    refused("empty.txt", "", 0, "is empty");
    refused("blank.jsonl", "\n \n", 3, "no rows");
    refused("none.json", "[ ]", 3, "no rows");
    refused("binary.txt", zeros, sizeof zeros, "is no text");
    refused("binary.json", zeros, sizeof zeros, "is no text");
    refused("binary.jsonl", zeros, sizeof zeros, "is no text");
    refused("latin.jsonl", "{\"text\": \"\xff\xfe\"}", 14, "is no text");
    refused("latin.json", "[{\"text\": \"ab\"},\n {\"text\": \"\xff\xfe\"}]", 32, "is no text");
    refused("object.json", "{\"data\": []}", 12, "one JSON object");
    refused("open.json", "[{\"text\": \"ab\"}", 15, "is not JSON");
    refused("comma.json", "[{\"text\": \"ab\"},]", 17, "is not JSON");
    refused("more.json", "[{\"text\": \"ab\"}] 5", 18, "is not JSON");
    refused("more2.json", "[] 5", 4, "is not JSON");
    refused("joined.json", "[\"ab\" \"cd\"]", 11, "is not JSON");
}

static void test_rows(void **state) {
    (void)state;
#define REFUSED(name, text, words) refused(name, text, strlen(text), words)
    REFUSED("keys.json", "[{\"question\": \"a\", \"answer\": 1}]",
            "row 1 is no example: it has the keys question, answer");
    REFUSED("bare.jsonl", "\n{}", "line 2 is no example: it has the keys (none)");
    REFUSED("half.jsonl", "{\"instruction\": \"a\"}", "keys instruction;");
    REFUSED("missing.jsonl", "{\"instruction\": \"a\", \"output\": \"b\"}\n{\"instruction\": \"a\", \"input\": \"c\"}",
            "line 2 has no \"instruction\" and \"output\"");
    REFUSED("mixed.jsonl", "{\"prompt\": \"a\", \"completion\": \"b\"}\n{\"text\": \"c\"}", "but the keys text");
    REFUSED("mixed2.jsonl", "{\"text\": \"c\"}\n{\"body\": \"a\"}", "line 2 has no \"text\"");
    REFUSED("mixed3.jsonl", "{\"text\": \"c\"}\n[1, 2]", "another kind");
    REFUSED("mixed4.jsonl", "[1, 2]\n{\"text\": \"c\"}", "another kind");
    REFUSED("number.jsonl", "3", "neither an object");
    REFUSED("number2.jsonl", "{\"text\": \"c\"}\n3", "line 2 is neither an object");
    REFUSED("typed.json", "[{\"instruction\": \"a\", \"output\": 5}]", "under \"output\": it is not a string");
    REFUSED("typed2.json", "[{\"instruction\": \"a\", \"output\": \"b\", \"input\": [1]}]",
            "under \"input\": it is not a string");
    REFUSED("typed3.json", "[{\"text\": 5}]", "no text under \"text\"");
    REFUSED("ids.json", "[[1, 258]]", "the token id 258");
    REFUSED("ids2.json", "[[1, -2]]", "is no list of token ids");
    REFUSED("ids3.json", "[[1, 99999999999]]", "is no list of token ids");
    REFUSED("turns.json", "[{\"messages\": \"a\"}]", "not a list of turns");
    REFUSED("role.json", "[{\"messages\": [{\"role\": \"tool\", \"content\": \"a\"}]}]", "a tool's turn");
    REFUSED("role2.json", "[{\"messages\": [{\"content\": \"a\"}]}]", "without a \"role\"");
    REFUSED("role3.json", "[{\"messages\": [7]}]", "without a \"role\"");
    REFUSED("content.json", "[{\"messages\": [{\"role\": \"user\"}]}]", "\"content\" (or \"value\") is missing");
    REFUSED("content2.json", "[{\"messages\": [{\"role\": \"user\", \"content\": [{}]}]}]",
            "has a part without a text");
    REFUSED("silent.json", "[{\"prompt\": \"a\", \"completion\": \"\"}]", "nothing to learn: all of its 1 rows");
}

static void test_requests(void **state) {
    (void)state;
    pare_examples examples;
    assert_int_equal(read_examples("text.txt", "abc", 3, (pare_examples_request){.cutoff = 1}, &examples),
                     PARE_BAD_ARGUMENT);
    assert_int_equal(
        pare_examples_read(NULL, &(pare_examples_request){.path = "/nowhere/a.json", .cutoff = 8}, &examples),
        PARE_FILE_ERROR);
    assert_non_null(strstr(pare_message(), "/nowhere/a.json"));
    char *path = write_file("text.jsonl", "\"abc\"", 5);
    assert_int_equal(pare_examples_read(NULL, &(pare_examples_request){.path = path, .cutoff = 8}, &examples),
                     PARE_FORMAT_ERROR);
    assert_non_null(strstr(pare_message(), "no tokenizer"));
    remove_file(path);
}

/* Every beginning of a sound file is read or refused, and never more. */
static void test_cut_files(void **state) {
    (void)state;
    static const char whole[] = "[{\"messages\": [{\"role\": \"user\", \"content\": \"a\\u00e9\"}, {\"role\": "
                                "\"assistant\", \"content\": \"b\"}]}, {\"messages\": null}]";
    pare_examples examples;
    for (size_t bytes = 0; bytes < sizeof whole; bytes++) {
        const pare_examples_request request = {.cutoff = 64};
        assert_int_not_equal(read_examples("cut.json", whole, bytes, request, &examples), PARE_OK);
        assert_null(examples.ids);
    }
}

/* A row of 8 MiB, and more rows than the list first has room for. */
static void test_large(void **state) {
    (void)state;
    size_t bytes = (size_t)8 << 20, rows = 2000;
    char *text = malloc(bytes + rows * 64);
    assert_non_null(text);
    size_t used = (size_t)sprintf(text, "{\"prompt\": \"p\", \"completion\": \"");
    memset(text + used, 'a', bytes - used);
    used = bytes + (size_t)sprintf(text + bytes, "\"}\n");
    for (size_t i = 0; i < rows; i++)
        used += (size_t)sprintf(text + used, "{\"prompt\": \"%zu\", \"completion\": \"x\"}\n", i);
    pare_examples examples;
    assert_ok(read_examples("large.jsonl", text, used, (pare_examples_request){.cutoff = 16}, &examples));
    assert_int_equal(examples.count, rows + 1);
    assert_int_equal(examples.shortened, 1);
    assert_example(&examples, 0, "^p[aaaaaaaaaaaaaa]");
    assert_example(&examples, 2000, "^1999[x$]");
    pare_examples_free(&examples);
    free(text);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_files),     cmocka_unit_test(test_rows),  cmocka_unit_test(test_requests),
        cmocka_unit_test(test_cut_files), cmocka_unit_test(test_large),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
