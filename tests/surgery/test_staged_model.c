/* A temporary model that computes something else than what would be written, that leaves files behind, or that has lost
 * its tokenizer. */
#include "surgery/cut_model.h"
#include "surgery/staged_model.h"

#include <dirent.h>

static const tiny_model layout = {
    .layers = 3, .hidden = 18, .heads = 12, .kv_heads = 4, .head_size = 10, .ffn = 41, .shards = 2, .scale = 0.3};

static int count_files(const char *folder) {
    DIR *directory = opendir(folder);
    int count = -2; /* . and .. */
    assert_non_null(directory);
    while (readdir(directory))
        count++;
    closedir(directory);
    return count;
}

static void computes_what_would_be_written(void **state) {
    (void)state;
    for (int kinds = 0; kinds < CUT_KINDS; kinds++) {
        cut_model c = cut_model_open(layout, true, 2);
        cut_model_reduce(&c, kinds, 2);
        pare_repaired repaired = cut_model_repaired(&c, 3);
        char *scratch = tiny_folder(), *folder = cut_model_write_repaired(&c, &repaired);
        pare_temporary_model temporary;
        pare_model *written;
        assert_int_equal(pare_temporary_model_new(c.model, &c.selection, &repaired, scratch, NULL, &temporary),
                         PARE_OK);
        assert_int_equal(pare_model_open(folder, &written), PARE_OK);
        size_t bytes = (size_t)CUT_TOKENS * c.model->config.vocabulary * sizeof(float);
        float *a = cut_model_logits(temporary.model, NULL), *b = cut_model_logits(written, NULL);
        assert_memory_equal(a, b, bytes);
        free(a);
        free(b);
        pare_temporary_model_free(&temporary);
        pare_temporary_model_free(&temporary);
        assert_int_equal(count_files(scratch), 0);
        pare_model_close(written);
        cut_model_repaired_free(&repaired);
        tiny_remove(folder);
        tiny_remove(scratch);
        free(folder);
        free(scratch);
        cut_model_close(&c);
    }
}

/* The weights have no name any more; the other files of the model are links, through any number of temporary models. */
static void has_the_files_of_the_original(void **state) {
    (void)state;
    cut_model c = cut_model_open(layout, false, 2);
    tiny_write_text(c.folder, "generation_config.json", "{\"eos_token_id\": 7}");
    tiny_write_text(c.folder, "tokenizer.json", "not read here");
    char *scratch = tiny_folder();
    pare_runtime runtime = {.scratch = scratch};
    pare_temporary_model first, second;
    pare_selection all;
    assert_int_equal(pare_temporary_model_new(c.model, &c.selection, NULL, NULL, &runtime, &first), PARE_OK);
    assert_int_equal(pare_selection_all(first.model, &all), PARE_OK);
    assert_int_equal(pare_temporary_model_new(first.model, &all, NULL, NULL, &runtime, &second), PARE_OK);
    pare_selection_free(&all);
    assert_int_equal(count_files(scratch), 2);
    pare_temporary_model_free(&first);
    assert_int_equal(count_files(second.folder), 3);
    char *path = pare_path_join(second.folder, "generation_config.json"), *text;
    assert_int_equal(pare_file_read(path, 100, &text, NULL), PARE_OK);
    assert_string_equal(text, "{\"eos_token_id\": 7}");
    pare_free(text);
    free(path);
    pare_temporary_model_free(&second);
    assert_true(pare_file_exists(c.folder));
    assert_int_equal(count_files(scratch), 0);
    tiny_remove(scratch);
    free(scratch);
    cut_model_close(&c);
}

static void a_failure_leaves_nothing(void **state) {
    (void)state;
    cut_model c = cut_model_open(layout, false, 2);
    char *scratch = tiny_folder(), *missing = pare_path_join(scratch, "missing");
    pare_temporary_model temporary;
    pare_interrupt();
    assert_int_equal(pare_temporary_model_new(c.model, &c.selection, NULL, scratch, NULL, &temporary),
                     PARE_INTERRUPTED);
    pare_interrupt_clear();
    assert_null(temporary.model);
    assert_int_equal(count_files(scratch), 0);
    assert_int_equal(pare_temporary_model_new(c.model, &c.selection, NULL, missing, NULL, &temporary), PARE_FILE_ERROR);
    assert_non_null(strstr(pare_message(), missing));
    tiny_remove(scratch);
    free(missing);
    free(scratch);
    cut_model_close(&c);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(computes_what_would_be_written),
        cmocka_unit_test(has_the_files_of_the_original),
        cmocka_unit_test(a_failure_leaves_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
