/* The control groups that this process is in: what their memory and CPU limits leave. Both kinds of hierarchy count
 * (version 1 with its memory and cpu controllers, and the unified one), every mount of them, and in each all groups
 * from the process's own up to the topmost that can be seen. `root` stands before /proc and /sys: "" but in tests. */
#ifndef PARE_SUPPORT_CGROUP_H
#define PARE_SUPPORT_CGROUP_H

#include <stdint.h>

/* Bytes that the tightest group still leaves, its page cache counted as free: the system drops that before it refuses
 * memory. UINT64_MAX: no group has a limit. */
uint64_t pare_cgroup_memory(const char *root);

/* Whole CPUs whose time the tightest quota allows, at least 1. UINT64_MAX: no group has a quota. */
uint64_t pare_cgroup_cpus(const char *root);

#endif
