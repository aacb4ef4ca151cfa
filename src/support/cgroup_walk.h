/* Finds the folders of the control groups that this process is in. */
#ifndef PARE_SUPPORT_CGROUP_WALK_H
#define PARE_SUPPORT_CGROUP_WALK_H

#include <stdbool.h>

typedef struct pare_cgroup {
    const char *folder;
    bool unified; /* version 2 */
    bool own;     /* the process is in this one itself, not in one below it */
} pare_cgroup;

typedef void (*pare_cgroup_fn)(void *user, const pare_cgroup *group);

/* Calls `visit` for every group of the unified hierarchy and of version 1's `controller`, from the process's own
 * upwards; for the same one again where it is mounted twice. */
void pare_cgroup_walk(const char *root, const char *controller, pare_cgroup_fn visit, void *user);

#endif
