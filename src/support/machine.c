#include "support/machine.h"
#include "support/cgroup.h"
#include "support/kernel_file.h"

#include <errno.h>
#include <limits.h>
#include <omp.h>
#include <stdlib.h>
#include <string.h>

pare_machine_memory pare_machine_memory_left(const char *root) {
    uint64_t kib, contained = pare_cgroup_memory(root);
    bool known = pare_kernel_field(root, "proc/meminfo", "MemAvailable:", &kib);
    uint64_t whole = known ? pare_kernel_scale(kib, 1024) : PARE_KERNEL_UNLIMITED;
    bool less = contained < whole;
    uint64_t left = less ? contained : whole;
    if (left == PARE_KERNEL_UNLIMITED) return (pare_machine_memory){0, false};
    return (pare_machine_memory){left ? left : 1, less};
}

static int affinity_of_this_thread(size_t bytes, cpu_set_t *set) {
    return sched_getaffinity(0, bytes, set);
}

int pare_machine_affinity(pare_affinity_fn get) {
    enum { MOST = 1 << 20 };
    for (int cpus = CPU_SETSIZE; cpus <= MOST; cpus *= 2) {
        cpu_set_t *set = CPU_ALLOC((size_t)cpus);
        size_t bytes = CPU_ALLOC_SIZE((size_t)cpus);
        if (!set) return 0;
        CPU_ZERO_S(bytes, set);
        errno = 0;
        bool failed = get(bytes, set) != 0, small = errno == EINVAL;
        int count = failed ? 0 : CPU_COUNT_S(bytes, set);
        CPU_FREE(set);
        if (!failed || !small) return count;
    }
    return 0;
}

int pare_machine_threads_asked(const char *text) {
    if (!text) return 0;
    char *end;
    errno = 0;
    long first = strtol(text, &end, 10);
    end += strspn(end, " \t\n");
    if (errno || end == text || first < 1 || (*end && *end != ',')) return 0;
    return first > INT_MAX ? INT_MAX : (int)first;
}

static int lesser(int a, int b) {
    return a < b ? a : b;
}

int pare_machine_threads(const char *root) {
    /* OpenMP that binds its threads leaves the first one a single CPU, but knows how many there are. */
    bool bound = omp_get_proc_bind() != omp_proc_bind_false;
    int threads = bound ? 0 : pare_machine_affinity(affinity_of_this_thread);
    if (threads < 1) threads = omp_get_num_procs();
    uint64_t quota = pare_cgroup_cpus(root);
    if (quota < (uint64_t)threads) threads = (int)quota;
    int asked = pare_machine_threads_asked(getenv("OMP_NUM_THREADS"));
    if (asked) threads = lesser(threads, asked);
    threads = lesser(threads, omp_get_thread_limit());
    return threads > 1 ? threads : 1;
}
