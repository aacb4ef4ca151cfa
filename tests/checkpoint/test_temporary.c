/* Temporary names beside a target: each one's own, kept while somebody works there, removed by the next run when its
 * owner is gone, and nothing else is. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "checkpoint/output.h"
#include "checkpoint/temporary.h"
#include "tiny_model.h"

#include <fcntl.h>
#include <sys/wait.h>

static bool is_there(const char *path) {
    struct stat found;
    return lstat(path, &found) == 0;
}

static void what_is_in_use_stays(void **state) {
    (void)state;
    char *folder = tiny_folder(), *target = pare_path_join(folder, "out"), *first, *second, *file;
    int locks[3];
    pare_durable open_file;
    assert_int_equal(pare_temporary_folder(target, &first, &locks[0]), PARE_OK);
    assert_int_equal(pare_temporary_folder(target, &second, &locks[1]), PARE_OK);
    assert_int_equal(pare_temporary_file(target, 0, &open_file, &file, &locks[2]), PARE_OK);
    assert_string_not_equal(first, second);
    tiny_write_text(first, "model.safetensors", "half");
    assert_int_equal(pare_durable_put_text(&open_file, "whole"), PARE_OK); /* closed, not yet in its place */
    pare_temporary_sweep(target);
    assert_true(is_there(first) && is_there(second) && is_there(file));
    close(locks[0]);
    close(locks[2]);
    pare_temporary_sweep(target);
    assert_false(is_there(first));
    assert_true(is_there(second));
    assert_false(is_there(file));
    close(locks[1]);
    pare_temporary_sweep(target);
    assert_false(is_there(second));
    free(first);
    free(second);
    free(file);
    free(target);
    tiny_remove(folder);
    free(folder);
}

/* What stepped aside for its successor goes when that is there, goes back when it is not, and stays while somebody
 * works with it. */
static void what_stepped_aside(void **state) {
    (void)state;
    char *folder = tiny_folder(), *file = pare_path_join(folder, "out.json"), *model = pare_path_join(folder, "out");
    char *old_file = pare_temporary_previous("out.json.pare-0000aa"), *aside = pare_path_join(folder, old_file);
    char *old_model = pare_path_join(folder, "out.pare-0000bb.old");
    tiny_write_text(folder, old_file, "old");
    assert_int_equal(mkdir(old_model, 0755), 0);
    int held = pare_temporary_hold(aside);
    assert_true(held >= 0);
    pare_temporary_sweep(file);
    assert_true(is_there(aside) && !is_there(file));
    close(held);
    pare_temporary_sweep(file);
    pare_temporary_sweep(model);
    assert_true(is_there(file) && !is_there(aside));
    assert_true(is_there(model) && !is_there(old_model));
    tiny_write_text(folder, old_file, "older");
    assert_int_equal(mkdir(old_model, 0755), 0);
    pare_temporary_sweep(file);
    pare_temporary_sweep(model);
    assert_int_equal(pare_file_bytes(file), 3);
    assert_true(!is_there(aside) && is_there(model) && !is_there(old_model));
    free(old_model);
    free(aside);
    free(old_file);
    free(model);
    free(file);
    tiny_remove(folder);
    free(folder);
}

/* Only TARGET.pare-XXXXXX and TARGET.pare-XXXXXX.old, not other people's names. */
static void other_names_stay(void **state) {
    (void)state;
    static const char *const names[] = {
        "out.pare-abcdef.older", "out.pare-abcde",    "out.pare-abcdeg",  "out.pare-ABCDEF",
        "out.pare-abcdef0",      "other.pare-abcdef", "xout.pare-abcdef", "out"};
    char *folder = tiny_folder(), *target = pare_path_join(folder, "out");
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char *path = pare_path_join(folder, names[i]);
        assert_int_equal(mkdir(path, 0755), 0);
        free(path);
    }
    pare_temporary_sweep(target);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char *path = pare_path_join(folder, names[i]);
        assert_true(is_there(path));
        free(path);
    }
    free(target);
    tiny_remove(folder);
    free(folder);
}

static mode_t mode_of(const char *path) {
    struct stat status;
    assert_int_equal(stat(path, &status), 0);
    return status.st_mode & 0777;
}

/* The owner's alone until they get to their places; then the usual ones, not those of mkdtemp and mkstemp. */
static void permissions(void **state) {
    (void)state;
    char *folder = tiny_folder(), *target = pare_path_join(folder, "out"), *inner, *file;
    int locks[2];
    pare_durable open_file;
    assert_int_equal(pare_temporary_folder(target, &inner, &locks[0]), PARE_OK);
    assert_int_equal(pare_temporary_file(target, 0, &open_file, &file, &locks[1]), PARE_OK);
    pare_durable_drop(&open_file);
    assert_int_equal(mode_of(inner), 0700);
    assert_int_equal(mode_of(file), 0600);
    static const mode_t masks[] = {022, 027, 0, 077};
    for (size_t i = 0; i < sizeof masks / sizeof *masks; i++) {
        mode_t mask = umask(masks[i]);
        pare_temporary_publish(inner);
        pare_temporary_publish(file);
        umask(mask);
        assert_int_equal(mode_of(inner), 0777 & ~masks[i]);
        assert_int_equal(mode_of(file), 0666 & ~masks[i]);
    }
    close(locks[0]);
    close(locks[1]);
    free(inner);
    free(file);
    free(target);
    tiny_remove(folder);
    free(folder);
}

/* What is not to last is for its owner's eyes, and what a killed run has left of it goes. */
static void scratch(void **state) {
    (void)state;
    char *folder = tiny_folder(), *left = pare_path_join(folder, "pare-x.pare-0000aa"), *first, *second;
    int locks[2];
    struct stat status;
    assert_int_equal(pare_temporary_scratch(folder, "pare-x", &first, &locks[0]), PARE_OK);
    assert_int_equal(mkdir(left, 0755), 0);
    tiny_write_text(left, "config.json", "{}");
    assert_int_equal(pare_temporary_scratch(folder, "pare-x", &second, &locks[1]), PARE_OK);
    assert_true(is_there(first) && is_there(second) && !is_there(left));
    assert_int_equal(stat(second, &status), 0);
    assert_int_equal(status.st_mode & 0777, 0700);
    close(locks[0]);
    close(locks[1]);
    free(first);
    assert_int_equal(pare_temporary_scratch("/nowhere/at/all", "pare-x", &first, &locks[0]), PARE_FILE_ERROR);
    assert_null(first);
    free(second);
    free(left);
    tiny_remove(folder);
    free(folder);
}

/* A process that is killed in the middle leaves its folder, full or empty; the next one with that target removes it. */
static void a_killed_run(void **state) {
    (void)state;
    char *folder = tiny_folder(), *source = tiny_model_write((tiny_model){0}), *target = pare_path_join(folder, "out");
    pare_output *output;
    for (int full = 0; full < 2; full++) {
        pid_t child = fork();
        if (child == 0) {
            if (pare_output_begin(target, source, false, 0, &output) != PARE_OK) _exit(1);
            if (full && pare_output_write_text(output, "config.json", "{}") != PARE_OK) _exit(1);
            raise(SIGKILL);
        }
        int code;
        assert_true(child > 0 && waitpid(child, &code, 0) == child && WIFSIGNALED(code));
    }
    assert_int_equal(pare_output_begin(target, source, false, 0, &output), PARE_OK);
    char *own = strdup(pare_output_path(output));
    pare_output *another; /* of another run with that target, at the same time */
    assert_int_equal(pare_output_begin(target, source, false, 0, &another), PARE_BAD_ARGUMENT);
    assert_true(is_there(own));
    pare_output_abandon(output);
    assert_int_equal(rmdir(folder), 0); /* empty */
    free(own);
    free(target);
    tiny_remove(source);
    free(source);
    free(folder);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_in_use_stays),
        cmocka_unit_test(what_stepped_aside),
        cmocka_unit_test(other_names_stay),
        cmocka_unit_test(permissions),
        cmocka_unit_test(scratch),
        cmocka_unit_test(a_killed_run),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
