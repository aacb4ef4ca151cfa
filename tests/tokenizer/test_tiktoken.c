/* Llama 3's tokenizer.model in Meta's own format: the ids of the tiktoken library, and damaged files. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tiny_model.h"
#include "tokenizer/tiktoken.h"

#define FOLDER PARE_SOURCE_DIR "/tests/data/tiktoken"

static void ids_are_those_of_tiktoken(void **state) {
    (void)state;
    pare_tokenizer *tokenizer;
    if (pare_tokenizer_open(FOLDER, &tokenizer) != PARE_OK) fail_msg("%s", pare_message());
    assert_int_equal(pare_tokenizer_size(tokenizer), 700 + 256);
    assert_int_equal(pare_tokenizer_bos(tokenizer), 700);
    assert_int_equal(pare_tokenizer_eos(tokenizer), 701);
    assert_true(pare_tokenizer_adds_bos(tokenizer));
    json_t *rows = json_load_file(FOLDER "/ids.json", JSON_ALLOW_NUL, NULL), *row;
    size_t index;
    assert_in_range(json_array_size(rows), 40, 100);
    json_array_foreach(rows, index, row) {
        json_t *text = json_object_get(row, "text"), *expected = json_object_get(row, "ids");
        uint32_t *ids;
        size_t count, bytes;
        char *back;
        assert_int_equal(
            pare_tokenizer_encode(tokenizer, json_string_value(text), json_string_length(text), &ids, &count), PARE_OK);
        if (count != json_array_size(expected))
            fail_msg("text %zu: %zu ids instead of %zu", index, count, json_array_size(expected));
        for (size_t i = 0; i < count; i++)
            assert_int_equal(ids[i], json_integer_value(json_array_get(expected, i)));
        assert_int_equal(pare_tokenizer_decode(tokenizer, ids, count, &back, &bytes), PARE_OK);
        /* Special tokens are no text. */
        if (!strstr(json_string_value(text), "<|")) {
            assert_int_equal(bytes, json_string_length(text));
            assert_memory_equal(back, json_string_value(text), bytes);
        }
        pare_text_free(back);
        pare_ids_free(ids);
    }
    json_decref(rows);
    pare_tokenizer_close(tokenizer);
}

static void damaged_files_are_refused_by_line(void **state) {
    (void)state;
    static const struct {
        const char *text, *word;
    } files[] = {
        {"YQ== 0\nYg== 2\n", "line 2 has the rank 2 where 1 comes next"},
        {"YQ== 0\nYg== 0\n", "line 2 has the rank 0"},
        {"YQ== 0\nYQ== 1\n", "line 2: this token stands"},
        {"YQ== 0\nYg==\n", "line 2 is not a token"},
        {"YQ== 0\n\nYg== x\n", "line 3 is not a token"},
        {"YQ== 0\nYg== 1 2\n", "line 2 is not a token"},
        {"YQ== 0\nYg== 99999999999\n", "line 2 is not a token"},
        {"YQ== 0\nYg= 1\n", "line 2 is not a token"},
        {"YQ== 0\nY=== 1\n", "line 2 is not a token"},
        {"YQ== 0\nYQ=a 1\n", "line 2 is not a token"},
        {"YQ== 0\nY*== 1\n", "line 2 is not a token"},
        {"YQ== 0\n 1\n", "line 2 is not a token"},
    };
    char *folder = tiny_folder(), *path = pare_path_join(folder, "tokenizer.model");
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        pare_tokenizer *tokenizer;
        tiny_write_text(folder, "tokenizer.model", files[i].text);
        assert_true(pare_tiktoken_is(path));
        if (pare_tokenizer_open(folder, &tokenizer) == PARE_OK || !strstr(pare_message(), files[i].word))
            fail_msg("\"%s\" is expected: %s", files[i].word, pare_message());
    }
    /* A token longer than any is. */
    char *line = calloc(4096, 1);
    assert_non_null(line);
    strcpy(line, "YQ== 0\n");
    memset(line + 7, 'A', 2000);
    strcpy(line + 2007, " 1\n");
    tiny_write_text(folder, "tokenizer.model", line);
    json_t *json;
    assert_int_equal(pare_tiktoken_read(path, &json), PARE_FORMAT_ERROR);
    assert_null(json);
    free(line);
    static const char *const others[] = {"", "YQ== 1\n", "\n", "YQ==", "not tiktoken\n"};
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        tiny_write_text(folder, "tokenizer.model", others[i]);
        assert_false(pare_tiktoken_is(path));
    }
    assert_false(pare_tiktoken_is(PARE_SOURCE_DIR "/examples/tiny-stories/tokenizer.model"));
    tiny_remove(folder);
    free(folder);
    free(path);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ids_are_those_of_tiktoken),
        cmocka_unit_test(damaged_files_are_refused_by_line),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
