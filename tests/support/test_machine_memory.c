/* Memory that is left to a process, from files that imitate /proc and /sys. Sizes are worked out by hand. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "support/kernel_tree.h"
#include "support/machine.h"

#define GROUP "/sys/fs/cgroup"
#define MEMORY "/sys/fs/cgroup/memory"

static const uint64_t unlimited = UINT64_MAX; /* in no group: what the machine has counts */

static int setup(void **state) {
    static kernel_tree tree;
    tree_new(&tree);
    tree_file(&tree, "/proc/meminfo", "MemTotal:       9000 kB\nMemFree:  100 kB\nMemAvailable:   8000 kB\n");
    *state = &tree;
    return 0;
}

static int teardown(void **state) {
    tree_free(*state);
    return 0;
}

/* expected: unlimited, or the bytes that the groups leave. */
static void expect(const kernel_tree *tree, uint64_t expected) {
    pare_machine_memory left = pare_machine_memory_left(tree->root);
    assert_int_equal(left.available, expected == unlimited ? 8000 * 1024 : expected);
    assert_int_equal(left.contained, expected != unlimited);
}

static void without_groups(void **state) {
    kernel_tree *tree = *state;
    expect(tree, unlimited);
    tree_file(tree, "/proc/self/cgroup", "0::/\n");
    expect(tree, unlimited);
    tree_unified(tree, "/");
    expect(tree, unlimited);
    tree_file(tree, "/proc/meminfo", "MemTotal:  9000 kB\n");
    pare_machine_memory left = pare_machine_memory_left(tree->root);
    assert_int_equal(left.available, 0);
    assert_false(left.contained);
}

static void unified_limits(void **state) {
    kernel_tree *tree = *state;
    tree_unified(tree, "/a/b");
    tree_file(tree, GROUP "/a/b/memory.max", "max\n");
    tree_file(tree, GROUP "/a/b/memory.high", "max\n");
    tree_file(tree, GROUP "/a/b/memory.current", "1000000\n");
    expect(tree, unlimited);
    tree_file(tree, GROUP "/a/b/memory.max", "5000000\n");
    expect(tree, 4000000);
    tree_file(tree, GROUP "/a/b/memory.high", "3000000\n");
    expect(tree, 2000000);
    /* As large as the machine, whose own memory is what is short. */
    tree_file(tree, GROUP "/a/b/memory.high", "max\n");
    tree_file(tree, GROUP "/a/b/memory.max", "9216000\n");
    expect(tree, unlimited);
}

/* The topmost group is the tightest, then the one between; a sibling's limit says nothing. */
static void nested_limits(void **state) {
    kernel_tree *tree = *state;
    tree_unified(tree, "/a/b/c");
    tree_file(tree, GROUP "/a/b/c/memory.max", "7000000\n");
    tree_file(tree, GROUP "/a/b/c/memory.current", "1000\n");
    tree_file(tree, GROUP "/a/b/sibling/memory.max", "5\n");
    expect(tree, 6999000);
    tree_file(tree, GROUP "/a/memory.max", "8000000\n");
    tree_file(tree, GROUP "/a/memory.current", "6000000\n");
    expect(tree, 2000000);
    tree_file(tree, GROUP "/a/b/memory.high", "1500000\n");
    expect(tree, 1500000);
    /* The process's own group is gone, those above are not. */
    tree_unified(tree, "/a/b/gone (deleted)");
    expect(tree, 1500000);
}

/* What the cache of files takes is free, the mapped model above all; but no more of it than is used. */
static void page_cache_is_free(void **state) {
    kernel_tree *tree = *state;
    tree_unified(tree, "/job");
    tree_file(tree, GROUP "/job/memory.max", "5000000\n");
    tree_file(tree, GROUP "/job/memory.current", "4900000\n");
    tree_file(tree, GROUP "/job/memory.stat",
              "anon 1900000\nfile 3000000\ninactive_anon 1900000\ninactive_file 2000000\nactive_file 700000\n");
    expect(tree, 5000000 - 4900000 + 2700000);
    tree_file(tree, GROUP "/job/memory.stat", "inactive_file 99999999\nactive_file 18446744073709551615\n");
    expect(tree, 5000000);
}

static void a_full_group_leaves_next_to_nothing(void **state) {
    kernel_tree *tree = *state;
    tree_unified(tree, "/job");
    tree_file(tree, GROUP "/job/memory.max", "5000\n");
    tree_file(tree, GROUP "/job/memory.current", "6000\n");
    expect(tree, 1); /* not 0, which would mean that nothing is known */
    tree_file(tree, GROUP "/job/memory.max", "0\n");
    expect(tree, 1);
}

/* In a container with a namespace of its own the process seems to be at the root, which has a limit here. */
static void namespaces(void **state) {
    kernel_tree *tree = *state;
    tree_unified(tree, "/");
    tree_file(tree, GROUP "/memory.max", "4000000\n");
    tree_file(tree, GROUP "/memory.current", "1500000\n");
    expect(tree, 2500000);
    /* The mount shows the group above the namespace's root: in which of its folders we are cannot be known. */
    tree_file(tree, "/proc/self/mountinfo", "30 22 0:26 /.. /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n");
    expect(tree, 2500000);
    /* The process was moved to the side of the namespace's root. */
    tree_file(tree, "/proc/self/cgroup", "0::/../side\n");
    tree_file(tree, GROUP "/side/memory.max", "1000000\n");
    expect(tree, 1000000);
    /* A mount of the namespace's own root does not hold it, nor does one of a stranger's group. */
    tree_file(tree, "/proc/self/mountinfo",
              "30 22 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n"
              "31 22 0:26 /sid /sys/fs/cgroup/side rw - cgroup2 cgroup2 rw\n");
    expect(tree, unlimited);
}

/* Without a namespace, a container's mount shows its own group only, at a path that is not that of the group. */
static void mounted_group(void **state) {
    kernel_tree *tree = *state;
    tree_file(tree, "/proc/self/cgroup", "0::/docker/1f2e/inner\n");
    tree_file(tree, "/proc/self/mountinfo",
              "29 22 0:26 /docker/1f2 /mnt/other rw - cgroup2 cgroup2 rw\n"
              "30 22 0:26 /docker/1f2e /sys/fs/my\\040groups rw - cgroup2 cgroup2 rw\n");
    tree_file(tree, "/mnt/other/memory.max", "3\n");
    tree_file(tree, "/sys/fs/my groups/memory.max", "4000000\n");
    expect(tree, 4000000);
    tree_file(tree, "/sys/fs/my groups/inner/memory.max", "3000000\n");
    expect(tree, 3000000);
    /* A second mount that reaches further up. */
    tree_file(tree, "/proc/self/mountinfo",
              "30 22 0:26 /docker/1f2e /sys/fs/my\\040groups rw - cgroup2 cgroup2 rw\n"
              "31 22 0:26 /docker /mnt/all rw - cgroup2 cgroup2 rw\n");
    tree_file(tree, "/mnt/all/memory.max", "2000000\n");
    expect(tree, 2000000);
}

static void version1(void **state) {
    kernel_tree *tree = *state;
    tree_version1(tree, "/batch/job7");
    tree_file(tree, MEMORY "/memory.limit_in_bytes", "9223372036854771712\n");
    tree_file(tree, MEMORY "/batch/job7/memory.limit_in_bytes", "9223372036854771712\n");
    tree_file(tree, MEMORY "/batch/job7/memory.usage_in_bytes", "3000000\n");
    expect(tree, unlimited);
    tree_file(tree, MEMORY "/batch/job7/memory.limit_in_bytes", "4000000\n");
    expect(tree, 1000000);
    /* inactive_file is of the group alone, total_ with those below it, as the use is. */
    tree_file(tree, MEMORY "/batch/job7/memory.stat",
              "cache 1\ninactive_file 10\nactive_file 20\nhierarchical_memory_limit 4000000\n"
              "total_inactive_file 500000\ntotal_active_file 250000\n");
    expect(tree, 1750000);
    /* A limit above the container, of which no file can be seen. */
    tree_file(tree, MEMORY "/batch/job7/memory.stat", "hierarchical_memory_limit 3500000\n");
    expect(tree, 500000);
    tree_file(tree, MEMORY "/batch/memory.limit_in_bytes", "3300000\n");
    tree_file(tree, MEMORY "/batch/memory.usage_in_bytes", "3200000\n");
    expect(tree, 100000);
    tree_file(tree, MEMORY "/batch/memory.use_hierarchy", "0\n"); /* does not hold for groups below */
    expect(tree, 500000);
}

/* Both versions side by side, each with a limit: whichever is tighter. */
static void hybrid(void **state) {
    kernel_tree *tree = *state;
    tree_version1(tree, "/job");
    tree_file(tree, MEMORY "/job/memory.limit_in_bytes", "4000000\n");
    expect(tree, 4000000);
    tree_file(tree, "/sys/fs/cgroup/unified/memory.max", "3000000\n");
    expect(tree, 3000000);
    tree_file(tree, MEMORY "/job/memory.limit_in_bytes", "2000000\n");
    expect(tree, 2000000);
}

static void garbage_is_no_limit(void **state) {
    kernel_tree *tree = *state;
    static const char *const limits[] = {"",    "\n",   "-1\n", "0x10\n", "12.5\n",     "99999999999999999999\n",
                                         "1e3", "1k\n", "maxi", "mäx\n",  "\x01\xff\n", "five\n"};
    tree_unified(tree, "/job");
    for (size_t i = 0; i < sizeof limits / sizeof *limits; i++) {
        tree_file(tree, GROUP "/job/memory.max", limits[i]);
        expect(tree, unlimited);
    }
    /* Of a use that cannot be read, none is known. */
    tree_file(tree, GROUP "/job/memory.max", "  5000 \n");
    tree_file(tree, GROUP "/job/memory.current", "much\n");
    expect(tree, 5000);
    static const char *const groups[] = {"",         "0",         "0:",       "0::",     "0:::\n",
                                         "0::job\n", "1::/job\n", "0:memory", "\n\n::\n"};
    for (size_t i = 0; i < sizeof groups / sizeof *groups; i++) {
        tree_file(tree, "/proc/self/cgroup", groups[i]);
        expect(tree, unlimited);
    }
    tree_unified(tree, "/job");
    static const char *const mounts[] = {"",
                                         "-",
                                         " - cgroup2",
                                         "1 2 3 / /sys/fs/cgroup",
                                         "1 2 3 / /sys/fs/cgroup rw -\n",
                                         "1 2 3 / sys rw - cgroup2 a b\n",
                                         "1 2 3 \\ \\0 rw - cgroup2 a b\n",
                                         "1 2 3 / /sys/fs/cgroup rw - cgroup cgroup\n"};
    for (size_t i = 0; i < sizeof mounts / sizeof *mounts; i++) {
        tree_file(tree, "/proc/self/mountinfo", mounts[i]);
        expect(tree, unlimited);
    }
}

/* Lines and paths that no buffer holds are passed over; what comes after them counts. */
static void endless_lines(void **state) {
    kernel_tree *tree = *state;
    enum { LONG = 40000 };
    static char text[2 * LONG];
    tree_unified(tree, "/job");
    tree_file(tree, GROUP "/job/memory.max", "5000\n");
    memset(text, 'x', LONG);
    snprintf(text + LONG, LONG, " - cgroup2 a b\n30 22 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw");
    tree_file(tree, "/proc/self/mountinfo", text);
    expect(tree, 5000);
    snprintf(text, sizeof text, "0::/");
    memset(text + 4, 'a', LONG);
    snprintf(text + 4 + LONG, 2, "\n");
    tree_file(tree, "/proc/self/cgroup", text);
    expect(tree, unlimited);
    snprintf(text + 4 + 5000, 2, "\n"); /* fits the line, but no path */
    tree_file(tree, "/proc/self/cgroup", text);
    expect(tree, unlimited);
    tree_file(tree, "/proc/meminfo", "MemAvailable: 18446744073709551615 kB\n");
    assert_int_equal(pare_machine_memory_left(tree->root).available, 0);
}

int main(void) {
#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        CASE(without_groups),
        CASE(unified_limits),
        CASE(nested_limits),
        CASE(page_cache_is_free),
        CASE(a_full_group_leaves_next_to_nothing),
        CASE(namespaces),
        CASE(mounted_group),
        CASE(version1),
        CASE(hybrid),
        CASE(garbage_is_no_limit),
        CASE(endless_lines),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
