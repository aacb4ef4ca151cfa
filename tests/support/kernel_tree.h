/* A folder whose /proc and /sys look like those of some machine. */
#ifndef PARE_TESTS_KERNEL_TREE_H
#define PARE_TESTS_KERNEL_TREE_H

#include <errno.h>
#include <ftw.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

typedef struct kernel_tree {
    char root[64];
} kernel_tree;

static inline void tree_new(kernel_tree *tree) {
    snprintf(tree->root, sizeof tree->root, "/tmp/pare-kernel-XXXXXX");
    assert_non_null(mkdtemp(tree->root));
}

static inline int tree_remove(const char *path, const struct stat *status, int kind, struct FTW *at) {
    (void)status, (void)kind, (void)at;
    return remove(path);
}

static inline void tree_free(kernel_tree *tree) {
    assert_int_equal(nftw(tree->root, tree_remove, 16, FTW_DEPTH | FTW_PHYS), 0);
}

/* path begins with a slash; what was there before is replaced. */
static inline void tree_file(const kernel_tree *tree, const char *path, const char *text) {
    char full[PATH_MAX];
    snprintf(full, sizeof full, "%s%s", tree->root, path);
    for (char *slash = full + strlen(tree->root) + 1; (slash = strchr(slash, '/')); slash++) {
        *slash = '\0';
        assert_true(mkdir(full, 0700) == 0 || errno == EEXIST);
        *slash = '/';
    }
    FILE *file = fopen(full, "w");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

/* A machine with the unified hierarchy only, its process in `group`. */
static inline void tree_unified(const kernel_tree *tree, const char *group) {
    char line[256];
    snprintf(line, sizeof line, "0::%s\n", group);
    tree_file(tree, "/proc/self/cgroup", line);
    tree_file(tree, "/proc/self/mountinfo",
              "22 1 254:1 / / rw,relatime shared:1 - ext4 /dev/vda1 rw,errors=remount-ro\n"
              "30 22 0:26 / /sys/fs/cgroup rw,nosuid shared:9 - cgroup2 cgroup2 rw,nsdelegate\n");
}

/* The usual layout of version 1: a mount per controller; in a hybrid one with the unified hierarchy at its side. */
static inline void tree_version1(const kernel_tree *tree, const char *group) {
    char lines[512];
    snprintf(lines, sizeof lines, "5:memory:%s\n4:cpu,cpuacct:%s\n3:cpuset:/\n1:name=systemd:/init.scope\n0::/\n",
             group, group);
    tree_file(tree, "/proc/self/cgroup", lines);
    tree_file(tree, "/proc/self/mountinfo",
              "31 22 0:28 / /sys/fs/cgroup ro shared:9 - tmpfs tmpfs ro,mode=755\n"
              "32 31 0:29 / /sys/fs/cgroup/unified rw shared:10 - cgroup2 cgroup2 rw\n"
              "33 31 0:30 / /sys/fs/cgroup/cpuset rw shared:11 - cgroup cgroup rw,cpuset\n"
              "34 31 0:31 / /sys/fs/cgroup/cpu,cpuacct rw shared:12 - cgroup cgroup rw,cpu,cpuacct\n"
              "35 31 0:32 / /sys/fs/cgroup/memory rw shared:13 - cgroup cgroup rw,memory\n");
}

#endif
