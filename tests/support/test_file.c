/* Only regular files are read: anything else is refused at once, a pipe that nobody writes into as well. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "support/file.h"
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

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(pipes_and_folders_are_refused)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
