/* Where a failure came from: a line for each call that handed it up, the first one that of pare_fail; nothing without
 * PARE_TRACE=1. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "support/file.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static pare_status inner(bool fails) {
    return fails ? pare_fail(PARE_FILE_ERROR, "no such thing") : PARE_OK;
}

static pare_status middle(bool fails) {
    PARE_TRY(inner(false));
    PARE_TRY(inner(fails));
    return PARE_OK;
}

static pare_status outer(bool fails) {
    pare_status status;
    PARE_TRY_GOTO(status, middle(fails), done);
done:
    return status;
}

static pare_status endless(int depth) {
    if (!depth) return pare_fail(PARE_FILE_ERROR, "deep");
    PARE_TRY(endless(depth - 1));
    return PARE_OK;
}

/* In the child: whether the trace is kept is asked once in a process. */
static int with_trace(void) {
    if (*pare_trace()) return 1;
    if (outer(true) != PARE_FILE_ERROR) return 2;
    static const char *const ends[] = {": failed\n", ": inner(fails)\n", ": middle(fails)\n"};
    const char *at = pare_trace();
    for (size_t i = 0; i < 3; i++) {
        const char *end = strchr(at, '\n') + 1;
        size_t length = strlen(ends[i]);
        if (strncmp(end - length, ends[i], length) != 0 || !memmem(at, (size_t)(end - at), "test_trace.c:", 13))
            return 3;
        at = end;
    }
    if (*at) return 4;
    if (outer(false) != PARE_OK) return 5;
    if (endless(1000) != PARE_FILE_ERROR || !strstr(pare_trace(), ": failed\n")) return 6;
    /* a failure of the library's, and no longer that of before */
    pare_mapping mapping;
    if (pare_mapping_open("/nowhere/file", &mapping) != PARE_FILE_ERROR) return 7;
    at = pare_trace();
    return strncmp(at, "src/support/file.c:", 19) != 0 || strstr(at, "endless");
}

static int without_trace(void) {
    return outer(true) != PARE_FILE_ERROR || *pare_trace() || strcmp(pare_message(), "no such thing") != 0;
}

static int in_a_process(const char *asked, int (*run)(void)) {
    fflush(NULL);
    pid_t child = fork();
    if (child == 0) {
        setenv("PARE_TRACE", asked, 1);
        _exit(run());
    }
    int code = -1;
    assert_true(child > 0 && waitpid(child, &code, 0) == child && WIFEXITED(code));
    return WEXITSTATUS(code);
}

static void a_line_for_each_call(void **state) {
    (void)state;
    assert_int_equal(in_a_process("1", with_trace), 0);
}

static void nothing_otherwise(void **state) {
    (void)state;
    assert_int_equal(in_a_process("0", without_trace), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(a_line_for_each_call), cmocka_unit_test(nothing_otherwise)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
