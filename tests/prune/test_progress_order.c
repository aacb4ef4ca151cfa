/* In which order progress is removed when a run is through: first what goes on from other files, so that a kill between
 * two removals leaves nothing that --resume would take up and miss the rest of. The calls are seen by --wrap
 * (tests/CMakeLists.txt). */
#include "prune/resume_run.h"

#include <errno.h>
#include <sys/wait.h>
#include <unistd.h>

int __real_unlinkat(int folder, const char *path, int flags);
int __wrap_unlinkat(int folder, const char *path, int flags);

enum { STOPPED = 9 };

/* Removals fail from that one on, as if the run had been killed there; 0: none does. */
static struct {
    uint64_t calls, stop_at;
    bool watching, dies; /* dies: the process ends there */
} seen;

int __wrap_unlinkat(int folder, const char *path, int flags) {
    if (!seen.watching || ++seen.calls < seen.stop_at || !seen.stop_at) return __real_unlinkat(folder, path, flags);
    if (seen.dies) _exit(STOPPED);
    errno = EIO;
    return -1;
}

/* Stopped, taken up to its end, and killed while it removes its progress; then once more from what is left. */
static void killed_at_every_removal(const char *method, const char *file) {
    resume_scene s = resume_open(method, 1);
    char *path = pare_path_join(s.progress, file);
    for (uint64_t stop = 1, last = 1; stop <= last; stop++) {
        for (uint64_t report = 1; !pare_file_exists(path); report += 3)
            assert_int_equal(prune_run_until(&s.run, report), PARE_INTERRUPTED);
        seen.watching = true;
        seen.calls = 0;
        seen.stop_at = stop;
        prune_run_do(&s.run);
        seen.watching = false;
        last = seen.calls;
        tiny_remove(s.run.output);
        prune_run_do(&s.run);
        resume_assert_same(&s);
        tiny_remove(s.run.output);
    }
    free(path);
    resume_close(&s);
}

static void layers_of_units(void **state) {
    (void)state;
    killed_at_every_removal("obs", "walk-repair.1");
}

static void layers_of_single_weights(void **state) {
    (void)state;
    killed_at_every_removal("sparsegpt", "walk-prune.1");
}

static bool ends_at_removal(resume_scene *s, uint64_t stop) {
    int how;
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        seen.calls = 0;
        seen.stop_at = stop;
        seen.watching = seen.dies = true;
        _exit(prune_run_try(&s->run) == PARE_OK ? 0 : 1);
    }
    assert_int_equal(waitpid(child, &how, 0), child);
    assert_true(WIFEXITED(how) && (WEXITSTATUS(how) == 0 || WEXITSTATUS(how) == STOPPED));
    return WEXITSTATUS(how) == STOPPED;
}

/* Ended at every removal, those between two rounds among them, and taken up. */
static void killed_between_rounds(const char *method) {
    resume_scene s = resume_open(method, 3);
    for (uint64_t stop = 1; ends_at_removal(&s, stop); stop++) {
        if (prune_run_try(&s.run) != PARE_OK) fail_msg("after removal %u: %s", (unsigned)stop, pare_message());
        resume_assert_same(&s);
        tiny_remove(s.run.output);
    }
    resume_close(&s);
}

static void rounds(void **state) {
    (void)state;
    killed_between_rounds("taylor");
    killed_between_rounds("moreau");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(layers_of_units),
        cmocka_unit_test(layers_of_single_weights),
        cmocka_unit_test(rounds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
