/* A library for LD_PRELOAD under which a program runs out of memory. Never installed. Allocations of the program itself
 * and of the libraries that it hands memory on to are numbered from 1; those of libraries that end a program without
 * memory whatever it does (OpenMP's, the BLAS, oneDNN, the loader), and of jansson while it reads (an assertion in its
 * load.c), are let through.
 *
 *   PARE_FAULT_LOG=FILE       the number of the first allocation from each place, a line each; a place is a chain of
 * callers PARE_FAULT_ALLOCATION=N   the one that fails PARE_FAULT_STARVED=1      and all that come after it
 */
#include <dlfcn.h>
#include <execinfo.h>
#include <jansson.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void *__libc_malloc(size_t bytes);
void *__libc_calloc(size_t count, size_t bytes);
void *__libc_realloc(void *pointer, size_t bytes);
void *__libc_memalign(size_t alignment, size_t bytes);

enum { CALLERS = 16, PLACES = 1 << 16, RANGES = 32, SKIPPED = 2 };

static struct {
    atomic_long made;
    long failing;
    bool ready, starved;
    FILE *log;
    struct {
        uintptr_t begin, end;
    } counted[RANGES]; /* code whose allocations count */
    size_t ranges;
    uint64_t places[PLACES];
} memory;

static _Thread_local int busy, reading;

static bool counts(const void *caller) {
    for (size_t i = 0; i < memory.ranges; i++)
        if ((uintptr_t)caller >= memory.counted[i].begin && (uintptr_t)caller < memory.counted[i].end) return true;
    return false;
}

static void learn(long number) {
    void *callers[CALLERS];
    int count = backtrace(callers, CALLERS);
    uint64_t hash = 0xcbf29ce484222325u;
    for (int i = SKIPPED; i < count; i++)
        hash = (hash ^ (uint64_t)(uintptr_t)callers[i]) * 0x100000001b3u;
    size_t at = hash >> 8 & (PLACES - 1);
    for (size_t tries = 0; memory.places[at] && memory.places[at] != (hash | 1); at = (at + 1) & (PLACES - 1))
        if (++tries == PLACES) return;
    if (memory.places[at]) return;
    memory.places[at] = hash | 1;
    fprintf(memory.log, "%ld\n", number);
    fflush(memory.log);
}

static bool fails(const void *caller) {
    if (!memory.ready || busy || reading || !counts(caller)) return false;
    long number = atomic_fetch_add(&memory.made, 1) + 1;
    busy = 1;
    if (memory.log) learn(number);
    busy = 0;
    return memory.failing && (memory.starved ? number >= memory.failing : number == memory.failing);
}

void *malloc(size_t bytes) {
    return fails(__builtin_return_address(0)) ? NULL : __libc_malloc(bytes);
}

void *calloc(size_t count, size_t bytes) {
    return fails(__builtin_return_address(0)) ? NULL : __libc_calloc(count, bytes);
}

void *realloc(void *pointer, size_t bytes) {
    return fails(__builtin_return_address(0)) ? NULL : __libc_realloc(pointer, bytes);
}

void *aligned_alloc(size_t alignment, size_t bytes) {
    return fails(__builtin_return_address(0)) ? NULL : __libc_memalign(alignment, bytes);
}

/* jansson's readers. */
static json_t *read_json(const char *name, const void *text, size_t bytes, size_t flags, json_error_t *error) {
    json_t *json;
    reading++;
    if (strcmp(name, "json_loads") == 0) {
        json_t *(*load)(const char *, size_t, json_error_t *) =
            (json_t * (*)(const char *, size_t, json_error_t *)) dlsym(RTLD_NEXT, name);
        json = load(text, flags, error);
    } else {
        json_t *(*load)(const char *, size_t, size_t, json_error_t *) =
            (json_t * (*)(const char *, size_t, size_t, json_error_t *)) dlsym(RTLD_NEXT, name);
        json = load(text, bytes, flags, error);
    }
    reading--;
    return json;
}

json_t *json_loads(const char *text, size_t flags, json_error_t *error) {
    return read_json("json_loads", text, 0, flags, error);
}

json_t *json_loadb(const char *text, size_t bytes, size_t flags, json_error_t *error) {
    return read_json("json_loadb", text, bytes, flags, error);
}

/* The program, and the libraries that tell it of a lack of memory. */
static bool is_counted(const char *path) {
    static const char *const names[] = {"/pare",   "/libc.so", "/libjansson", "/libpcre2",
                                        "/libpng", "/libjpeg", "/libz."};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strstr(path, names[i])) return !strstr(path, "fault");
    return false;
}

static void add_ranges(void) {
    char line[4400], access[8], path[4096], program[4096];
    FILE *maps = fopen("/proc/self/maps", "re");
    ssize_t length = readlink("/proc/self/exe", program, sizeof program - 1);
    program[length > 0 ? length : 0] = 0;
    while (maps && memory.ranges < RANGES && fgets(line, sizeof line, maps)) {
        unsigned long begin, end;
        if (sscanf(line, "%lx-%lx %7s %*s %*s %*s %4095s", &begin, &end, access, path) != 4 || !strchr(access, 'x'))
            continue;
        if (strcmp(path, program) != 0 && !is_counted(strrchr(path, '/') ? strrchr(path, '/') : "")) continue;
        memory.counted[memory.ranges].begin = begin;
        memory.counted[memory.ranges++].end = end;
    }
    if (maps) fclose(maps);
}

static long number_of(const char *name) {
    const char *text = getenv(name);
    return text ? atol(text) : 0;
}

__attribute__((constructor)) static void begin(void) {
    void *warm[2];
    const char *log = getenv("PARE_FAULT_LOG");
    backtrace(warm, 2); /* loads what it needs */
    add_ranges();
    memory.failing = number_of("PARE_FAULT_ALLOCATION");
    memory.starved = number_of("PARE_FAULT_STARVED") != 0;
    memory.log = log ? fopen(log, "we") : NULL;
    if (memory.log) setvbuf(memory.log, (char[1]){0}, _IONBF, 0);
    memory.ready = true;
}
