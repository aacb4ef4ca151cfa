#include "support/cgroup.h"
#include "support/cgroup_walk.h"
#include "support/kernel_file.h"

/* Larger limits are version 1's way to say that there is none: the most pages that its counters hold. */
static const uint64_t unlimited_from = UINT64_C(1) << 60;

static uint64_t lesser(uint64_t a, uint64_t b) {
    return a < b ? a : b;
}

static uint64_t number(const char *folder, const char *name, uint64_t otherwise) {
    uint64_t value;
    return pare_kernel_numbers(folder, name, &value, 1) ? value : otherwise;
}

static uint64_t statistic(const char *folder, const char *key, uint64_t otherwise) {
    uint64_t value;
    return pare_kernel_field(folder, "memory.stat", key, &value) ? value : otherwise;
}

/* Clean pages of files, the mapped weights among them. Version 1 counts those of the groups below apart. */
static uint64_t page_cache(const pare_cgroup *group) {
    static const char *const keys[2][2] = {{"total_inactive_file", "total_active_file"},
                                           {"inactive_file", "active_file"}};
    uint64_t sum = 0;
    for (int i = 0; i < 2; i++) {
        uint64_t bytes = statistic(group->folder, keys[1][i], 0);
        if (!group->unified) bytes = statistic(group->folder, keys[0][i], bytes);
        if (__builtin_add_overflow(sum, bytes, &sum)) return PARE_KERNEL_UNLIMITED;
    }
    return sum;
}

/* Version 1 tells the tightest limit above a group in its own statistics, even of groups outside the container. */
static uint64_t memory_limit(const pare_cgroup *group) {
    if (group->unified)
        return lesser(number(group->folder, "memory.max", PARE_KERNEL_UNLIMITED),
                      number(group->folder, "memory.high", PARE_KERNEL_UNLIMITED));
    return lesser(number(group->folder, "memory.limit_in_bytes", PARE_KERNEL_UNLIMITED),
                  statistic(group->folder, "hierarchical_memory_limit", PARE_KERNEL_UNLIMITED));
}

static void visit_memory(void *user, const pare_cgroup *group) {
    uint64_t *least = user, limit = memory_limit(group);
    if (limit >= unlimited_from) return;
    /* A group of version 1 without hierarchy does not feel what those below it use. */
    if (!group->unified && !group->own && number(group->folder, "memory.use_hierarchy", 1) == 0) return;
    uint64_t used = number(group->folder, group->unified ? "memory.current" : "memory.usage_in_bytes", 0);
    used -= lesser(used, page_cache(group));
    *least = lesser(*least, limit - lesser(limit, used));
}

uint64_t pare_cgroup_memory(const char *root) {
    uint64_t least = PARE_KERNEL_UNLIMITED;
    pare_cgroup_walk(root, "memory", visit_memory, &least);
    return least;
}

static void visit_quota(void *user, const pare_cgroup *group) {
    uint64_t *least = user, time[2] = {0, 0}; /* microseconds: quota, period */
    int found;
    if (group->unified) {
        found = pare_kernel_numbers(group->folder, "cpu.max", time, 2);
    } else {
        found = pare_kernel_numbers(group->folder, "cpu.cfs_quota_us", time, 1) +
                pare_kernel_numbers(group->folder, "cpu.cfs_period_us", time + 1, 1);
    }
    if (found < 2 || time[0] == PARE_KERNEL_UNLIMITED || !time[0] || !time[1]) return;
    *least = lesser(*least, time[0] / time[1] + (time[0] % time[1] != 0));
}

uint64_t pare_cgroup_cpus(const char *root) {
    uint64_t least = PARE_KERNEL_UNLIMITED;
    pare_cgroup_walk(root, "cpu", visit_quota, &least);
    return least;
}
