/* Finding the data that lies beside the project; tests that need it skip where it is absent. */
#ifndef PARE_TESTS_TEXT_SHARED_H
#define PARE_TESTS_TEXT_SHARED_H

#include "support/file.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

/* The path of a file of the shared folder, freed with free(); skips the running test if it is not there. */
static inline char *shared_path(const char *name) {
    const char *folder = getenv("PARE_SHARED");
    char *path = pare_path_join(folder ? folder : PARE_SOURCE_DIR "/../shared", name);
    if (pare_file_exists(path)) return path;
    fprintf(stderr, "skipped: %s is not here\n", path);
    free(path);
    skip();
    return NULL;
}

#define assert_ok(expression)                                                                                          \
    do {                                                                                                               \
        if ((expression) != PARE_OK) fail_msg("%s: %s", #expression, pare_message());                                  \
    } while (0)

#endif
