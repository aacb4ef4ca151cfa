/* Tests of one kind of file, which is written again and again under the name ONE_FILE in a folder of its own. */
#ifndef PARE_TESTS_ONE_FILE_H
#define PARE_TESTS_ONE_FILE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tiny_model.h"

static char *folder, *path;

static inline int make_folder(void **state) {
    (void)state;
    folder = tiny_folder();
    path = pare_path_join(folder, ONE_FILE);
    return 0;
}

static inline int remove_folder(void **state) {
    (void)state;
    tiny_remove(folder);
    free(folder);
    free(path);
    return 0;
}

/* A refusal has to name the file, and `word`. */
static inline void expect_status(pare_status status, pare_status expected, const char *word) {
    bool said = status == PARE_OK || (strstr(pare_message(), word) && strstr(pare_message(), path));
    if (status != expected || !said)
        fail_msg("status %d where %d and \"%s\" are expected: %s", status, expected, word, pare_message());
}

#endif
