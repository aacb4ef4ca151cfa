/* Tokens of the files beside a tokenizer that the embedding has no row for, as a person meets them. */
#include "workplace.h"

#include <unistd.h>

static void write_in(const char *folder, const char *name, const char *text) {
    char *path = pare_path_join(folder, name);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
    free(path);
}

static void remove_in(const char *folder, const char *name) {
    char *path = pare_path_join(folder, name);
    assert_int_equal(unlink(path), 0);
    free(path);
}

static void only_texts_with_them_are_refused(void **state) {
    const workplace *place = *state;
    char *with = pare_path_join(place->folder, "with.txt");
    workplace_write_text(place);
    write_in(place->folder, "with.txt", "once upon a <pad> time there was a cat and a dog\n");
    write_in(place->model, "added_tokens.json", "{\"<pad>\": 1024}");
    for (int slow = 0; slow < 2; slow++) {
        if (slow) remove_in(place->model, "tokenizer.json");
        EXPECT_FAILURE(1, "the token 1024 (\"<pad>\"), but the model's embedding has only 1024 rows", "eval",
                       place->model, "--text", with, "--window", "8");
        program_result result = EXPECT_SUCCESS("eval", place->model, "--text", place->text, "--window", "32",
                                               "--max-windows", "1", "--quiet");
        program_result_free(&result);
        result = EXPECT_SUCCESS("inspect", place->model);
        assert_non_null(strstr(result.out, "1,025 tokens, 1 more than the embedding has rows"));
        program_result_free(&result);
    }
    free(with);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(only_texts_with_them_are_refused, workplace_open, workplace_close)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
