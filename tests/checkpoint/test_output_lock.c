/* The lock beside an OUT: one holds it, what a dead process of this machine left is taken over, and what a process of
 * another machine holds is refused with what to do. */
#include "checkpoint/output_lock.h"
#include "support/file.h"
#include "support/path.h"
#include "tiny_model.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dirent.h>
#include <sys/wait.h>

typedef struct scene {
    char *folder, *place, *lock;
} scene;

static int set_up(void **state) {
    scene *s = calloc(1, sizeof *s);
    s->folder = tiny_folder();
    s->place = pare_path_join(s->folder, "out");
    s->lock = pare_path_join(s->folder, "out.pare-lock");
    *state = s;
    return 0;
}

static int tear_down(void **state) {
    scene *s = *state;
    tiny_remove(s->folder);
    free(s->folder);
    free(s->place);
    free(s->lock);
    free(s);
    return 0;
}

static int entries(const scene *s) {
    DIR *folder = opendir(s->folder);
    int count = 0;
    assert_non_null(folder);
    for (struct dirent *entry; (entry = readdir(folder));)
        count += entry->d_name[0] != '.';
    closedir(folder);
    return count;
}

static void expect_refused(const scene *s, const char *says) {
    pare_output_lock lock;
    assert_int_equal(pare_output_lock_take(s->place, &lock), PARE_BAD_ARGUMENT);
    if (!strstr(pare_message(), says)) fail_msg("%s", pare_message());
    pare_output_lock_release(&lock);
    assert_int_equal(entries(s), 1);
}

static void write_lock(const scene *s, const char *host, long process, int start) {
    char line[400];
    snprintf(line, sizeof line, "pare %s %ld %d\n", host, process, start);
    tiny_write_text(s->folder, "out.pare-lock", line);
}

static void own_host(char *host, size_t size) {
    assert_int_equal(gethostname(host, size), 0);
}

static void one_holds_it(void **state) {
    const scene *s = *state;
    pare_output_lock lock, again;
    assert_int_equal(pare_output_lock_take(s->place, &lock), PARE_OK);
    assert_true(lock.held);
    expect_refused(s, "another run is writing ");
    pare_output_lock_release(&lock);
    assert_int_equal(entries(s), 0);
    assert_int_equal(pare_output_lock_take(s->place, &again), PARE_OK);
    pare_output_lock_release(&again);
}

/* A process that ended without a word. */
static void a_dead_one_is_taken_over(void **state) {
    const scene *s = *state;
    pare_output_lock lock;
    char host[200];
    pid_t child = fork();
    if (!child) _exit(pare_output_lock_take(s->place, &lock) != PARE_OK);
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    assert_int_equal(entries(s), 1);
    assert_int_equal(pare_output_lock_take(s->place, &lock), PARE_OK);
    pare_output_lock_release(&lock);
    own_host(host, sizeof host);
    write_lock(s, host, (long)getpid(), 1); /* the number is another process's by now */
    assert_int_equal(pare_output_lock_take(s->place, &lock), PARE_OK);
    pare_output_lock_release(&lock);
    assert_int_equal(entries(s), 0);
}

static void of_another_machine(void **state) {
    const scene *s = *state;
    write_lock(s, "elsewhere", 12, 34);
    expect_refused(s, "process 12 on elsewhere");
    expect_refused(s, s->lock);
}

static void no_lock(void **state) {
    const scene *s = *state;
    tiny_write_text(s->folder, "out.pare-lock", "pare elsewhere 12 34 and more\n");
    expect_refused(s, "is not what pare keeps there");
    tiny_write_text(s->folder, "out.pare-lock", "");
    expect_refused(s, "is not what pare keeps there");
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test_setup_teardown(one_holds_it, set_up, tear_down),
                                       cmocka_unit_test_setup_teardown(a_dead_one_is_taken_over, set_up, tear_down),
                                       cmocka_unit_test_setup_teardown(of_another_machine, set_up, tear_down),
                                       cmocka_unit_test_setup_teardown(no_lock, set_up, tear_down)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
