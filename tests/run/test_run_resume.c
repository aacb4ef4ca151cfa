/* What a run is taken up by: keys that tell runs apart, a folder that one run works in, and an interruption that names
 * it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "run/resume.h"
#include "support/file.h"
#include "tiny_model.h"

#include <math.h>
#include <sys/wait.h>
#include <unistd.h>

static void keys_tell_runs_apart(void **state) {
    (void)state;
    char one[PARE_DIGEST_TEXT], same[PARE_DIGEST_TEXT], other[PARE_DIGEST_TEXT];
    assert_int_equal(pare_resume_key(pare_json_of({"seed", pare_json_count(1)}), one), PARE_OK);
    assert_int_equal(pare_resume_key(pare_json_of({"seed", pare_json_count(1)}), same), PARE_OK);
    assert_int_equal(pare_resume_key(pare_json_of({"seed", pare_json_count(2)}), other), PARE_OK);
    assert_int_equal(strlen(one), PARE_DIGEST_TEXT - 1);
    assert_string_equal(one, same);
    assert_string_not_equal(one, other);
    /* sha256sum of "abc" */
    assert_int_equal(pare_resume_key_of_text("abc", one), PARE_OK);
    assert_string_equal(one, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

/* A key of half of what a run depends on would take up another run. */
static void what_cannot_be_told_is_refused(void **state) {
    (void)state;
    char key[PARE_DIGEST_TEXT];
    assert_int_equal(pare_resume_key(pare_json_of({"ratio", pare_json_real(NAN)}), key), PARE_NUMERIC_ERROR);
    assert_non_null(strstr(pare_message(), "ratio of what the run depends on"));
    assert_int_equal(pare_resume_key(NULL, key), PARE_OUT_OF_MEMORY);
}

/* Another process holds the lock until it ends. */
static void one_run_at_a_time(void **state) {
    (void)state;
    char *folder = tiny_folder(), *progress = pare_path_join(folder, "out.progress"), byte;
    int ready[2], done[2];
    assert_true(pipe(ready) == 0 && pipe(done) == 0);
    pid_t other = fork();
    if (other == 0) {
        pare_resume held = {0};
        pare_resume_keep(&held, progress);
        byte = pare_resume_open(&held) == PARE_OK && held.locked;
        if (write(ready[1], &byte, 1) != 1 || read(done[0], &byte, 1) != 1) _exit(1);
        _exit(0);
    }
    assert_true(read(ready[0], &byte, 1) == 1 && byte == 1);
    pare_resume mine = {0};
    pare_resume_keep(&mine, progress);
    assert_int_equal(pare_resume_open(&mine), PARE_BAD_ARGUMENT);
    assert_non_null(strstr(pare_message(), progress));
    assert_int_equal(write(done[1], &byte, 1), 1);
    assert_int_equal(waitpid(other, NULL, 0), other);
    assert_int_equal(pare_resume_open(&mine), PARE_OK);
    pare_interrupt();
    assert_int_equal(pare_interrupted(), PARE_INTERRUPTED);
    assert_non_null(strstr(pare_message(), progress)); /* where it is kept */
    pare_resume_close(&mine);
    assert_int_equal(pare_interrupted(), PARE_INTERRUPTED);
    assert_null(strstr(pare_message(), progress));
    pare_interrupt_clear();
    assert_true(pare_file_exists(progress));
    tiny_remove(folder);
    free(progress);
    free(folder);
}

static void nothing_is_kept_unasked(void **state) {
    (void)state;
    pare_resume none = {0};
    pare_resume_keep(&none, NULL);
    assert_int_equal(pare_resume_open(&none), PARE_OK);
    pare_resume_close(&none);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keys_tell_runs_apart),
        cmocka_unit_test(what_cannot_be_told_is_refused),
        cmocka_unit_test(one_run_at_a_time),
        cmocka_unit_test(nothing_is_kept_unasked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
