#include "process.h"

#include <dlfcn.h>
#include <limits.h>
#include <malloc.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* Rounds that a thread waits for another before it gives up its core: worth their while where each thread has a core of
 * its own, and lost to everybody where another program wants it (docs/speed.md). */
static const char short_spin[] = "1000", no_spin[] = "0";

/* Whether the OpenMP runtime has bound this thread to one CPU, which a new start would take for all there are. */
static bool is_bound(void) {
    return getenv("OMP_PROC_BIND") || getenv("OMP_PLACES") || getenv("GOMP_CPU_AFFINITY");
}

/* Another thread than this one runs, or waits for a CPU, anywhere on the machine; false where that is unknown. */
static bool another_runs(void) {
    FILE *file = fopen("/proc/loadavg", "re"); /* three averages, then RUNNING/ALL */
    unsigned running = 0;
    if (!file) return false;
    bool known = fscanf(file, "%*s %*s %*s %9u/", &running) == 1;
    fclose(file);
    return known && running > 1;
}

/* At three moments, so that what runs for a moment only does not count. */
static bool is_shared(void) {
    static const struct timespec moment = {.tv_nsec = 1000000};
    for (int look = 0; look < 3; look++) {
        if (look) nanosleep(&moment, NULL);
        if (!another_runs()) return false;
    }
    return true;
}

/* What OpenBLAS took the CPU for; "" where it is none that can be asked. Looked up by name, since it is the library
 * that is linked with it, and not the program. */
static const char *kernels(void) {
    void *symbol = dlsym(RTLD_DEFAULT, "openblas_get_corename");
    char *(*ask)(void);
    if (!symbol) return "";
    memcpy(&ask, &symbol, sizeof ask); /* ISO C converts no object's address to a function's */
    return ask();
}

static const char avx512[] = "SkylakeX", avx2[] = "Haswell";

/* Which kernels an OpenBLAS older than the CPU, which takes it for one of 2004, is to be told; NULL: it knows better,
 * or the user does. One that was built without those for AVX-512 is asked for AVX2's when it comes back without them.
 */
static const char *better_kernels(void) {
#if defined(__x86_64__)
    const char *named = getenv("OPENBLAS_CORETYPE"), *held = getenv("ONEDNN_MAX_CPU_ISA");
    bool first = !named, vain = named && strcmp(named, avx512) == 0;
    if (strcmp(kernels(), "Prescott") != 0 || (!first && !vain)) return NULL;
    if (!__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("fma")) return NULL;
    bool wide = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512cd") &&
                __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") &&
                __builtin_cpu_supports("avx512vl");
    bool narrow = held && (strncmp(held, "AVX2", 4) == 0 || strcmp(held, "AVX") == 0 || strcmp(held, "SSE41") == 0);
    return first && wide && !narrow ? avx512 : avx2;
#else
    return NULL;
#endif
}

/* Under its own name, which a link of /proc would replace in lists of processes. */
static void start_again(char **arguments) {
    static const char self[] = "/proc/self/exe";
    char path[PATH_MAX];
    ssize_t length = readlink(self, path, sizeof path - 1);
    if (length > 0) {
        path[length] = '\0';
        execv(path, arguments);
    }
    execv(self, arguments);
}

bool pare_process_prepare(char **arguments) {
    enum { LARGE = 1 << 30 };
    bool spin = !is_bound() && !getenv("OMP_WAIT_POLICY") && !getenv("GOMP_SPINCOUNT");
    bool spins = spin && setenv("GOMP_SPINCOUNT", is_shared() ? no_spin : short_spin, 1) == 0;
    const char *better = better_kernels();
    if (better && setenv("OPENBLAS_CORETYPE", better, 1) != 0) return false;
    if (spins || better) start_again(arguments);
    mallopt(M_MMAP_THRESHOLD, LARGE);
    mallopt(M_TRIM_THRESHOLD, LARGE);
    return true;
}
