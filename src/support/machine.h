/* What this process may use of the machine. Whoever wants to know how much memory or how many threads there are asks
 * here: a container has less than the machine. `root` stands before /proc and /sys: "" but in tests. */
#ifndef PARE_SUPPORT_MACHINE_H
#define PARE_SUPPORT_MACHINE_H

#include <sched.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct pare_machine_memory {
    uint64_t available; /* bytes that can be had without swapping; 0: unknown, 1 at least where known */
    bool contained;     /* a control group leaves less than the machine has */
} pare_machine_memory;

pare_machine_memory pare_machine_memory_left(const char *root);

/* Threads to use where nobody says how many: as many as the CPUs that the process may run on, no more than the quota of
 * its control groups has time for, nor than OMP_NUM_THREADS or OMP_THREAD_LIMIT ask for. At least 1. */
int pare_machine_threads(const char *root);

/* The parts of it. CPUs in an affinity mask, which `get` (sched_getaffinity of this thread) refuses to write into too
 * few bytes; 0 if it fails. */
typedef int (*pare_affinity_fn)(size_t bytes, cpu_set_t *set);
int pare_machine_affinity(pare_affinity_fn get);

/* What OMP_NUM_THREADS asks for on the outermost level; 0 if it is NULL or no list of numbers. */
int pare_machine_threads_asked(const char *text);

#endif
