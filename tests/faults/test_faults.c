/* A sample of what scripts/faults does in full: whatever call of the kernel fails, wherever there is no memory, and
 * whenever the program is killed or the power is cut, a command has done all of its work or none, and says so. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "fault_kill.h"
#include "fault_sweep.h"
#include "tiny_model.h"

static fault_scene scene;
static bool traps;

static int open_scene(void **state) {
    (void)state;
    const char *given = getenv("TMPDIR"), *base = given && *given ? given : "/tmp";
    if (access("/dev/shm", W_OK | X_OK) == 0) base = "/dev/shm"; /* where nothing waits for a disk */
    fault_scene_open(&scene, base, PARE_PROGRAM, PARE_FAULT_SHIMS);
    traps = fault_scene_traps(&scene);
    if (!traps) fputs("skipped: this machine does not let a program trap its own calls (seccomp)\n", stderr);
    return 0;
}

static int close_scene(void **state) {
    (void)state;
    fault_scene_close(&scene);
    return 0;
}

static const fault_command *find(const char *name) {
    for (size_t i = 0; i < fault_command_count; i++)
        if (strcmp(fault_commands[i].name, name) == 0) return &fault_commands[i];
    fail_msg("there is no command %s", name);
    return NULL;
}

static void expect_sound(const fault_tally *tally, long least) {
    if (tally->points < least || tally->verdicts[FAULT_WRONG])
        fail_msg("%ld points, %ld of them wrong", tally->points, tally->verdicts[FAULT_WRONG]);
}

static void calls_of_the_kernel_fail(void **state) {
    (void)state;
    static const struct {
        const char *name;
        bool old;
    } all[] = {{"prune, one shot", true}, {"prune, GGUF", false}, {"convert", true}, {"eval", true}, {"report", false}};
    if (!traps) skip();
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        fault_tally tally = {0};
        assert_true(
            fault_sweep_calls(&scene, find(all[i].name), all[i].old, (fault_wish){.most = 7, .wrong = stderr}, &tally));
        expect_sound(&tally, 5);
    }
}

/* Each has been wrong once: a listing that ends early is no end of a folder; what was made is removed when it cannot be
 * opened; a second name that was not needed goes; a folder for pictures does not stay empty; a file whose folder cannot
 * be synced gives its place back. */
static void what_was_found(void **state) {
    (void)state;
    static const struct {
        const char *name;
        bool old;
        const char *kind, *path;
    } all[] = {{"merge", false, "list", "/in/M"},
               {"inspect, map", true, "lock", ".pare-"},
               {"eval", true, "rename", "l.json"},
               {"report", false, "mkdir", "figures"},
               {"report", false, "fallocate", "figures/time"},
               {"export", true, "fsync", "/run"},
               {"merge", false, "open", "run/out.pare-"},
               {"merge", false, "stat", "run/out.pare-"}};
    if (!traps) skip();
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        fault_tally tally = {0};
        fault_wish wish = {.most = 24, .wrong = stderr, .kind = all[i].kind, .path = all[i].path};
        assert_true(fault_sweep_calls(&scene, find(all[i].name), all[i].old, wish, &tally));
        expect_sound(&tally, 1);
    }
}

#ifndef __SANITIZE_ADDRESS__ /* which allocates itself */
static void memory_is_denied(void **state) {
    (void)state;
    static const char *const all[] = {"merge", "inspect", "prune, reconstruct"};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        fault_tally tally = {0};
        assert_true(fault_sweep_memory(&scene, find(all[i]), false, (fault_wish){.most = 8, .wrong = stderr}, &tally));
        expect_sound(&tally, 6);
    }
}
#endif

static void killed(void **state) {
    (void)state;
    static const char *const all[] = {"prune, rounds, --resume", "sweep"};
    if (!traps) skip();
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        fault_counts counts = {0};
        assert_true(fault_kill(&scene, find(all[i]), true, 4, 1 + i, stderr, &counts));
        assert_int_equal(counts.runs, 4);
        assert_true(counts.stopped >= 2);
        assert_int_equal(counts.wrong, 0);
    }
}

static void power_is_cut(void **state) {
    (void)state;
    static const struct {
        const char *name;
        bool old;
        long step;
    } all[] = {{"recover", true, 9}, {"eval", true, 3}};
    if (!traps) skip();
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        fault_counts counts = {0};
        assert_true(fault_power(&scene, find(all[i].name), all[i].old, all[i].step, 8, stderr, &counts));
        assert_true(counts.runs >= 16 && counts.new > 0);
        assert_int_equal(counts.wrong, 0);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(calls_of_the_kernel_fail), cmocka_unit_test(what_was_found),
#ifndef __SANITIZE_ADDRESS__
                                       cmocka_unit_test(memory_is_denied),
#endif
                                       cmocka_unit_test(killed), cmocka_unit_test(power_is_cut)};
    return cmocka_run_group_tests(tests, open_scene, close_scene);
}
