/* Only regular files are read: anything else is refused at once, a pipe that nobody writes into as well. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "support/file.h"
#include "support/memory.h"
#include "tiny_model.h"

#include <unistd.h>

static void pipes_and_folders_are_refused(void **state) {
    (void)state;
    enum { SECONDS = 20 };
    char *folder = tiny_folder(), *fifo = pare_path_join(folder, "pipe"), *text;
    const char *const paths[] = {fifo, folder, "/dev/null"};
    pare_mapping mapping;
    assert_int_equal(mkfifo(fifo, 0600), 0);
    alarm(SECONDS);
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
        assert_int_equal(pare_file_read(paths[i], 100, &text, NULL), PARE_FILE_ERROR);
        assert_non_null(strstr(pare_message(), "not a regular file"));
        assert_int_equal(pare_mapping_open(paths[i], &mapping), PARE_FILE_ERROR);
    }
    alarm(0);
    tiny_remove(folder);
    free(fifo);
    free(folder);
}

/* What a clone without Git LFS leaves, and what a download that was stopped leaves in the cache. */
static void pointers_are_told_from_files(void **state) {
    (void)state;
    static const char pointer[] = "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a21\nsize 12345\n";
    char *folder = tiny_folder(), *file = pare_path_join(folder, "model.safetensors"), *text;
    char *link = pare_path_join(folder, "link");
    pare_mapping mapping;
    tiny_write_text(folder, "model.safetensors", pointer);
    assert_int_equal(pare_mapping_open(file, &mapping), PARE_FORMAT_ERROR);
    assert_non_null(strstr(pare_message(), "git lfs pull"));
    assert_null(mapping.data);
    assert_int_equal(pare_file_read(file, 1000, &text, NULL), PARE_FORMAT_ERROR);
    assert_non_null(strstr(pare_message(), "git lfs pull"));
    assert_null(text);
    assert_int_equal(symlink("../blobs/none", link), 0);
    assert_int_equal(pare_mapping_open(link, &mapping), PARE_FILE_ERROR);
    assert_non_null(strstr(pare_message(), "a link to a file that is not there"));
    /* A text about pointers is a text. */
    tiny_write_text(folder, "model.safetensors", "the version https://git-lfs.github.com/spec/v1 of pointers");
    assert_int_equal(pare_file_read(file, 1000, &text, NULL), PARE_OK);
    pare_free(text);
    tiny_remove(folder);
    free(folder);
    free(file);
    free(link);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(pipes_and_folders_are_refused),
                                       cmocka_unit_test(pointers_are_told_from_files)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
