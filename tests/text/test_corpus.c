/* Windows from files of every kind, and a sentence for every file that cannot give them. */
#include "byte_fixture.h"
#include "support/memory.h"
#include "text/corpus.h"

#include <jansson.h>
#include <string.h>
#include <unistd.h>

static void expect_failure(const char *name, const void *data, size_t bytes, pare_window_request request,
                           const char *words) {
    pare_tokenizer *tokenizer = make_tokenizer(false);
    char *path = write_file(name, data, bytes);
    pare_windows windows;
    request.path = path;
    assert_int_not_equal(pare_windows_sample(tokenizer, &request, &windows), PARE_OK);
    assert_null(windows.ids);
    if (!strstr(pare_message(), path) || !strstr(pare_message(), words))
        fail_msg("the message does not say \"%s\": %s", words, pare_message());
    pare_tokenizer_close(tokenizer);
    remove_file(path);
}

static void test_unusable_files(void **state) {
    (void)state;
    const pare_window_request one = {.count = 1, .length = 8}, rows = {.count = 1, .length = 4, .field = "body"};
    static const char zeros[4000];
    expect_failure("empty.txt", "", 0, one, "is empty");
    expect_failure("blank.txt", "\n \n\t\n", 5, one, "no text in it");
    expect_failure("binary.txt", zeros, sizeof zeros, one, "is no text");
    expect_failure("latin.txt", "\xff\xfe\x80\x81\x82 abcdef", 12, one, "is UTF-16");
    expect_failure("short.txt", "ab\n\ncd\n", 7, one, "--calib-stream");
    expect_failure("few.txt", "abcdefgh\n\nab", 12, (pare_window_request){.count = 2, .length = 8}, "only 1 of the 2");
    expect_failure("stream.txt", "ab\n\ncd", 6, (pare_window_request){.count = 1, .length = 8, .stream = true},
                   "has 7 tokens");
    expect_failure("broken.json", "[\"abc\", ", 8, one, "is not JSON");
    expect_failure("object.json", "{\"rows\": [1]}", 13, one, "one JSON object");
    expect_failure("number.json", "[{\"body\": 3}]", 13, rows, "row 1 has no text under \"body\"");
    expect_failure("keys.jsonl", "{\"text\": \"x\", \"title\": \"y\"}\n", 29 - 1, rows, "--field: text, title");
    expect_failure("broken.jsonl", "{\"body\": \"abcd\"}\n{oops\n", 23, rows, "line 2");
    expect_failure("mixed.json", "[[1, 2], \"abc\"]", 15, one, "mixes");
    expect_failure("large.json", "[[1, 2, 257, 4]]", 16, (pare_window_request){0}, "257");
    expect_failure("float.json", "[[1, 2, 0.5]]", 13, one, "is no list of token ids");
    expect_failure("uneven.json", "[[1, 2], [3]]", 13, (pare_window_request){0}, "--length");
    expect_failure("list.json", "[[1, 2], [3, 4]]", 16, (pare_window_request){.count = 3}, "2 lists");
}

static void test_missing_file(void **state) {
    (void)state;
    pare_windows windows;
    pare_window_request request = {.path = "/nowhere/text.txt"};
    assert_int_equal(pare_windows_sample(NULL, &request, &windows), PARE_FILE_ERROR);
    assert_non_null(strstr(pare_message(), "/nowhere/text.txt"));
}

/* Every window is BOS and the beginning of its document, or lies in it: documents of one letter each. */
static void test_documents(void **state) {
    (void)state;
    char text[26 * 22];
    for (int i = 0; i < 26; i++) {
        memset(text + i * 22, 'a' + i, 20);
        memcpy(text + i * 22 + 20, "\n\n", 2);
    }
    pare_tokenizer *tokenizer = make_tokenizer(false);
    char *path = write_file("letters.txt", text, sizeof text);
    pare_window_request request = {.path = path, .count = 26, .length = 20, .seed = 3};
    pare_windows windows, again, other;
    assert_ok(pare_windows_sample(tokenizer, &request, &windows));
    assert_ok(pare_windows_sample(tokenizer, &request, &again));
    request.seed = 4;
    assert_ok(pare_windows_sample(tokenizer, &request, &other));
    uint32_t seen = 0;
    for (uint32_t i = 0; i < windows.count; i++) {
        const uint32_t *ids = windows.ids + i * windows.length;
        for (uint32_t j = 1; j < windows.length; j++)
            assert_int_equal(ids[j], ids[windows.length - 1]);
        assert_true(ids[0] == 256 || ids[0] == ids[1]);
        seen |= 1u << (ids[1] - 'a');
    }
    assert_int_equal(seen, (1u << 26) - 1);
    char digest[65], digest_again[65], digest_other[65];
    assert_ok(pare_windows_digest(&windows, digest));
    assert_ok(pare_windows_digest(&again, digest_again));
    assert_ok(pare_windows_digest(&other, digest_other));
    assert_string_equal(digest, digest_again);
    assert_string_not_equal(digest, digest_other);
    pare_windows_free(&windows);
    pare_windows_free(&again);
    pare_windows_free(&other);
    pare_tokenizer_close(tokenizer);
    remove_file(path);
}

/* A text of consecutive two-byte numbers: windows of the stream must not overlap. Also above the size from which only
 * parts are tokenised. */
static void check_stream(size_t lines) {
    pare_tokenizer *tokenizer = make_tokenizer(false);
    char *text = malloc(lines * 8 + 1);
    assert_non_null(text);
    for (size_t i = 0; i < lines; i++) {
        char line[32];
        snprintf(line, sizeof line, "%07zu\n", i);
        memcpy(text + i * 8, line, 8);
    }
    char *path = write_file("stream.txt", text, lines * 8);
    pare_window_request request = {.path = path, .count = 20, .length = 24, .seed = 1, .stream = true};
    pare_windows windows;
    assert_ok(pare_windows_sample(tokenizer, &request, &windows));
    size_t before = 0;
    for (uint32_t i = 0; i < windows.count; i++) {
        char window[25] = {0};
        for (uint32_t j = 0; j < 24; j++)
            window[j] = windows.ids[i * 24 + j] == 256 ? '\n' : (char)windows.ids[i * 24 + j];
        char *line = strchr(window, '\n') + 1;
        size_t number = strtoul(line, NULL, 10), start = number * 8 - (size_t)(line - window);
        if (i) assert_true(start >= before);
        assert_memory_equal(line, text + number * 8, 24 - (size_t)(line - window));
        before = start + 24;
    }
    pare_windows_free(&windows);
    pare_tokenizer_close(tokenizer);
    remove_file(path);
    free(text);
}

static void test_stream(void **state) {
    (void)state;
    check_stream(70);
    check_stream(1200000);
}

static void test_rows_and_ids(void **state) {
    (void)state;
    pare_tokenizer *tokenizer = make_tokenizer(false);
    static const char rows[] = "{\"text\": \"abc\"}\n\n{\"text\": \"def\"}\n", list[] = "[\"abc\", \"def\"]",
                      ids[] = "[[1, 2, 3], [4, 5, 6]]";
    char *paths[3] = {write_file("rows.jsonl", rows, sizeof rows - 1), write_file("list.json", list, sizeof list - 1),
                      write_file("ids.json", ids, sizeof ids - 1)};
    static const uint32_t text_window[9] = {256, 'a', 'b', 'c', '\n', '\n', 'd', 'e', 'f'},
                          id_windows[6] = {1, 2, 3, 4, 5, 6};
    pare_windows windows;
    for (int i = 0; i < 2; i++) {
        assert_ok(pare_windows_stream(tokenizer, paths[i], NULL, 9, 0, &windows));
        assert_int_equal(windows.count, 1);
        assert_memory_equal(windows.ids, text_window, sizeof text_window);
        pare_windows_free(&windows);
    }
    pare_window_request request = {.path = paths[2]};
    assert_ok(pare_windows_sample(NULL, &request, &windows));
    assert_int_equal(windows.count, 2);
    assert_int_equal(windows.length, 3);
    assert_memory_equal(windows.ids, id_windows, sizeof id_windows);
    pare_windows_free(&windows);
    assert_ok(pare_windows_stream(NULL, paths[2], NULL, 3, 1, &windows));
    assert_int_equal(windows.count, 1);
    assert_memory_equal(windows.ids, id_windows, 3 * sizeof *id_windows);
    pare_windows_free(&windows);
    assert_int_equal(pare_windows_stream(NULL, paths[1], NULL, 3, 1, &windows), PARE_FORMAT_ERROR);
    for (int i = 0; i < 3; i++)
        remove_file(paths[i]);
    pare_tokenizer_close(tokenizer);
}

/* The evaluation stream begins as the golden one: BOS, then at most the first 400,000 characters of a text. */
static void test_golden_stream(void **state) {
    (void)state;
    json_t *golden = load_golden();
    json_t *first = json_object_get(json_object_get(golden, "ppl_text"), "first_ids");
    char *text;
    size_t bytes, end = 0;
    assert_ok(pare_file_read(golden_path(GOLDEN_TEXT), 1 << 30, &text, &bytes));
    for (size_t characters = 0; end < bytes; end++)
        if (((unsigned char)text[end] & 0xC0) != 0x80 && characters++ == 400000) break;
    char *path = write_file("text.txt", text, end);
    pare_tokenizer *tokenizer;
    pare_windows windows, all;
    assert_ok(pare_tokenizer_open(golden_path(GOLDEN_MODEL), &tokenizer));
    assert_ok(pare_windows_stream(tokenizer, path, NULL, 128, 100, &windows));
    assert_ok(pare_windows_stream(tokenizer, path, NULL, 128, 0, &all));
    assert_int_equal(windows.count, 100);
    assert_int_not_equal(json_array_size(first), 0);
    for (size_t i = 0; i < json_array_size(first); i++)
        assert_int_equal(windows.ids[i], json_integer_value(json_array_get(first, i)));
    assert_memory_equal(windows.ids, all.ids, 100 * 128 * sizeof *all.ids);
    pare_windows_free(&windows);
    pare_windows_free(&all);
    pare_tokenizer_close(tokenizer);
    remove_file(path);
    pare_free(text);
    json_decref(golden);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_unusable_files), cmocka_unit_test(test_missing_file),
        cmocka_unit_test(test_documents),      cmocka_unit_test(test_stream),
        cmocka_unit_test(test_rows_and_ids),   cmocka_unit_test(test_golden_stream),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
