/* The number of threads: affinity, quotas of files that imitate /proc and /sys, and what the environment asks for. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "support/cgroup.h"
#include "support/kernel_tree.h"
#include "support/machine.h"

#include <limits.h>

#define GROUP "/sys/fs/cgroup"
#define CPU "/sys/fs/cgroup/cpu,cpuacct"

static int setup(void **state) {
    static kernel_tree tree;
    tree_new(&tree);
    unsetenv("OMP_NUM_THREADS");
    *state = &tree;
    return 0;
}

static int teardown(void **state) {
    tree_free(*state);
    return 0;
}

static void unified_quota(void **state) {
    kernel_tree *tree = *state;
    const struct {
        const char *text;
        uint64_t cpus;
    } cases[] = {{"max 100000\n", UINT64_MAX},
                 {"200000 100000\n", 2},
                 {"200001 100000\n", 3},
                 {"150000 100000\n", 2},
                 {"1000 100000\n", 1},
                 {"50000 20000\n", 3},
                 {"18446744073709551614 1\n", UINT64_MAX - 1},
                 {"99999999999999999999 1\n", UINT64_MAX},
                 {"100000 0\n", UINT64_MAX},
                 {"0 100000\n", UINT64_MAX},
                 {"100000\n", UINT64_MAX},
                 {"-1 100000\n", UINT64_MAX},
                 {"", UINT64_MAX},
                 {"one two\n", UINT64_MAX}};
    tree_unified(tree, "/a/b");
    assert_int_equal(pare_cgroup_cpus(tree->root), UINT64_MAX);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        tree_file(tree, GROUP "/a/b/cpu.max", cases[i].text);
        assert_int_equal(pare_cgroup_cpus(tree->root), cases[i].cpus);
    }
    tree_file(tree, GROUP "/a/b/cpu.max", "700000 100000\n");
    tree_file(tree, GROUP "/a/cpu.max", "400000 100000\n");
    tree_file(tree, GROUP "/cpu.max", "600000 100000\n"); /* of a namespace's root */
    assert_int_equal(pare_cgroup_cpus(tree->root), 4);
}

static void quota_of_version1(void **state) {
    kernel_tree *tree = *state;
    tree_version1(tree, "/job");
    tree_file(tree, CPU "/cpu.cfs_quota_us", "-1\n");
    tree_file(tree, CPU "/cpu.cfs_period_us", "100000\n");
    tree_file(tree, CPU "/job/cpu.cfs_quota_us", "-1\n");
    tree_file(tree, CPU "/job/cpu.cfs_period_us", "100000\n");
    assert_int_equal(pare_cgroup_cpus(tree->root), UINT64_MAX);
    tree_file(tree, CPU "/job/cpu.cfs_quota_us", "250000\n");
    assert_int_equal(pare_cgroup_cpus(tree->root), 3);
    tree_file(tree, CPU "/cpu.cfs_quota_us", "110000\n");
    assert_int_equal(pare_cgroup_cpus(tree->root), 2);
    /* hybrid: the unified hierarchy at the side has a tighter one */
    tree_file(tree, "/sys/fs/cgroup/unified/cpu.max", "60000 100000\n");
    assert_int_equal(pare_cgroup_cpus(tree->root), 1);
}

/* The tighter of the affinity and the quota, in the process itself. */
static void affinity_and_quota(void **state) {
    kernel_tree *tree = *state;
    cpu_set_t before, one;
    assert_int_equal(sched_getaffinity(0, sizeof before, &before), 0);
    int all = pare_machine_threads(tree->root);
    assert_int_equal(all, CPU_COUNT(&before));
    tree_unified(tree, "/job");
    tree_file(tree, GROUP "/job/cpu.max", "9000000 100000\n"); /* 90 CPUs */
    assert_int_equal(pare_machine_threads(tree->root), all < 90 ? all : 90);
    tree_file(tree, GROUP "/job/cpu.max", "90000 100000\n");
    assert_int_equal(pare_machine_threads(tree->root), 1);
    tree_file(tree, GROUP "/job/cpu.max", "max 100000\n");
    CPU_ZERO(&one);
    for (size_t i = 0; i < CPU_SETSIZE && !CPU_COUNT(&one); i++)
        if (CPU_ISSET(i, &before)) CPU_SET(i, &one);
    assert_int_equal(sched_setaffinity(0, sizeof one, &one), 0);
    int narrowed = pare_machine_threads(tree->root);
    assert_int_equal(sched_setaffinity(0, sizeof before, &before), 0);
    assert_int_equal(narrowed, 1);
}

/* A machine of 5000 CPUs, whose kernel takes no smaller mask; every third may be used. */
static int large_machine(size_t bytes, cpu_set_t *set) {
    enum { CPUS = 5000 };
    if (bytes * 8 < CPUS) {
        errno = EINVAL;
        return -1;
    }
    for (size_t i = 0; i < CPUS; i += 3)
        CPU_SET_S(i, bytes, set);
    return 0;
}

static int refusing(size_t bytes, cpu_set_t *set) {
    (void)bytes, (void)set;
    errno = EPERM;
    return -1;
}

static int never_large_enough(size_t bytes, cpu_set_t *set) {
    (void)bytes, (void)set;
    errno = EINVAL;
    return -1;
}

static void large_masks(void **state) {
    (void)state;
    assert_int_equal(pare_machine_affinity(large_machine), 1667);
    assert_int_equal(pare_machine_affinity(refusing), 0);
    assert_int_equal(pare_machine_affinity(never_large_enough), 0);
}

static void threads_asked_for(void **state) {
    kernel_tree *tree = *state;
    const struct {
        const char *text;
        int threads;
    } cases[] = {{"1", 1},
                 {"16", 16},
                 {" 3 ", 3},
                 {"4,2", 4},
                 {"99999999999", INT_MAX},
                 {"", 0},
                 {"0", 0},
                 {"-2", 0},
                 {"four", 0},
                 {"2x", 0},
                 {"3.5", 0},
                 {",2", 0},
                 {" ", 0},
                 {"999999999999999999999", 0}};
    assert_int_equal(pare_machine_threads_asked(NULL), 0);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_int_equal(pare_machine_threads_asked(cases[i].text), cases[i].threads);
    int all = pare_machine_threads(tree->root);
    setenv("OMP_NUM_THREADS", "1", 1);
    assert_int_equal(pare_machine_threads(tree->root), 1);
    setenv("OMP_NUM_THREADS", "100000", 1); /* no more than there are */
    assert_int_equal(pare_machine_threads(tree->root), all);
    setenv("OMP_NUM_THREADS", "none", 1);
    assert_int_equal(pare_machine_threads(tree->root), all);
    unsetenv("OMP_NUM_THREADS");
}

int main(void) {
#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        CASE(unified_quota), CASE(quota_of_version1), CASE(affinity_and_quota),
        CASE(large_masks),   CASE(threads_asked_for),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
