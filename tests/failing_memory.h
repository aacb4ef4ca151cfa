/* A machine that runs out of memory at one chosen allocation. For programs that are linked with --wrap for malloc,
 * calloc, realloc, aligned_alloc, strdup, strndup, vasprintf and open_memstream (tests/CMakeLists.txt); jansson is
 * given the same allocator. A run is done once to learn from which places it allocates (an allocation's place is its
 * chain of callers), then once for each place, where the first allocation from there fails. */
#ifndef PARE_TESTS_FAILING_MEMORY_H
#define PARE_TESTS_FAILING_MEMORY_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "support/memory.h"

#include <execinfo.h>
#include <jansson.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { MEMORY_CALLERS = 12, MEMORY_PLACES = 1 << 14 };

static struct {
    atomic_long made; /* so far */
    long failing;     /* the one that fails; 0: none */
    bool learning, json_failed, reading;
    uint64_t places[MEMORY_PLACES]; /* hash table; 0: free */

    size_t count;
    long list[MEMORY_PLACES / 2]; /* of all places, in order */
} memory;

static inline uint64_t memory_place(void) {
    void *callers[MEMORY_CALLERS];
    int count = backtrace(callers, MEMORY_CALLERS);
    uint64_t hash = 0xcbf29ce484222325u;
    for (int i = 1; i < count; i++)
        hash = (hash ^ (uint64_t)(uintptr_t)callers[i]) * 0x100000001b3u;
    return hash | 1;
}

static inline void memory_learn(long number) {
    uint64_t place = memory_place();
    size_t at = place >> 8 & (MEMORY_PLACES - 1);
    while (memory.places[at] && memory.places[at] != place)
        at = (at + 1) & (MEMORY_PLACES - 1);
    if (memory.places[at] || memory.count == MEMORY_PLACES / 2) return;
    memory.places[at] = place;
    memory.list[memory.count++] = number;
}

/* Whether the allocation that is asked for fails. */
static inline bool memory_fails(void) {
    long number = atomic_fetch_add(&memory.made, 1) + 1;
    if (memory.learning) {
        memory.learning = false; /* what learning allocates is not the run's */
        memory_learn(number);
        memory.learning = true;
    }
    return number == memory.failing;
}

void *__real_malloc(size_t bytes);
void *__real_calloc(size_t count, size_t bytes);
void *__real_realloc(void *pointer, size_t bytes);
void *__real_aligned_alloc(size_t alignment, size_t bytes);
char *__real_strdup(const char *text);
char *__real_strndup(const char *text, size_t length);
int __real_vasprintf(char **text, const char *format, va_list arguments) __attribute__((format(printf, 2, 0)));
FILE *__real_open_memstream(char **text, size_t *bytes);
void *__wrap_malloc(size_t bytes);
void *__wrap_calloc(size_t count, size_t bytes);
void *__wrap_realloc(void *pointer, size_t bytes);
void *__wrap_aligned_alloc(size_t alignment, size_t bytes);
char *__wrap_strdup(const char *text);
char *__wrap_strndup(const char *text, size_t length);
int __wrap_vasprintf(char **text, const char *format, va_list arguments) __attribute__((format(printf, 2, 0)));
int __wrap___vasprintf_chk(char **text, int flag, const char *format, va_list arguments)
    __attribute__((format(printf, 3, 0)));
FILE *__wrap_open_memstream(char **text, size_t *bytes);

void *__wrap_malloc(size_t bytes) {
    return memory_fails() ? NULL : __real_malloc(bytes);
}

void *__wrap_calloc(size_t count, size_t bytes) {
    return memory_fails() ? NULL : __real_calloc(count, bytes);
}

void *__wrap_realloc(void *pointer, size_t bytes) {
    return memory_fails() ? NULL : __real_realloc(pointer, bytes);
}

void *__wrap_aligned_alloc(size_t alignment, size_t bytes) {
    return memory_fails() ? NULL : __real_aligned_alloc(alignment, bytes);
}

char *__wrap_strdup(const char *text) {
    return memory_fails() ? NULL : __real_strdup(text);
}

char *__wrap_strndup(const char *text, size_t length) {
    return memory_fails() ? NULL : __real_strndup(text, length);
}

int __wrap_vasprintf(char **text, const char *format, va_list arguments) {
    return memory_fails() ? -1 : __real_vasprintf(text, format, arguments);
}

/* What vasprintf is with -D_FORTIFY_SOURCE. */
int __wrap___vasprintf_chk(char **text, int flag, const char *format, va_list arguments) {
    (void)flag;
    return memory_fails() ? -1 : __real_vasprintf(text, format, arguments);
}

FILE *__wrap_open_memstream(char **text, size_t *bytes) {
    return memory_fails() ? NULL : __real_open_memstream(text, bytes);
}

static inline void *memory_for_json(size_t bytes) {
    bool fails = memory.reading ? false : memory_fails();
    memory.json_failed |= fails;
    return fails ? NULL : __real_malloc(bytes);
}

/* jansson's reader does not survive a failure (an assertion in load.c, or a letter that is missing): it is spared. */
json_t *__real_json_loads(const char *text, size_t flags, json_error_t *error);
json_t *__real_json_loadb(const char *text, size_t bytes, size_t flags, json_error_t *error);
json_t *__wrap_json_loads(const char *text, size_t flags, json_error_t *error);
json_t *__wrap_json_loadb(const char *text, size_t bytes, size_t flags, json_error_t *error);

json_t *__wrap_json_loads(const char *text, size_t flags, json_error_t *error) {
    memory.reading = true;
    json_t *json = __real_json_loads(text, flags, error);
    memory.reading = false;
    return json;
}

json_t *__wrap_json_loadb(const char *text, size_t bytes, size_t flags, json_error_t *error) {
    memory.reading = true;
    json_t *json = __real_json_loadb(text, bytes, flags, error);
    memory.reading = false;
    return json;
}

/* What is tested: a whole life of the library, from opening a model to freeing everything. */
typedef struct memory_run {
    pare_status (*run)(void *context);
    void (*after)(void *context, pare_status status); /* checks what is left; may be NULL */
    void *context;
} memory_run;

static inline pare_status memory_try(const memory_run *r, long failing) {
    atomic_store(&memory.made, 0);
    memory.json_failed = false;
    memory.failing = failing;
    pare_status status = r->run(r->context);
    memory.failing = 0;
    return status;
}

/* One sentence, and nothing held that was not held before. */
static inline bool memory_sound(long failing, pare_status status, uint64_t held) {
    const char *said = pare_message();
    bool sentence = *said && !strchr(said, '\n') && strlen(said) > 12 && !strstr(said, "(null)");
    bool sound = status == PARE_OK || (sentence && (status == PARE_OUT_OF_MEMORY || memory.json_failed));
    if (sound && pare_memory_current() == held) return true;
    fprintf(stderr, "without allocation %ld%s: status %d, %lld bytes held, \"%s\"\n", failing,
            memory.json_failed ? " (jansson's)" : "", (int)status, (long long)(pare_memory_current() - held), said);
    return false;
}

static inline bool memory_survives(const memory_run *r, long failing, uint64_t held, size_t *failures) {
    pare_status status = memory_try(r, failing);
    bool sound = memory_sound(failing, status, held);
    *failures += status != PARE_OK;
    if (r->after) r->after(r->context, status);
    return sound;
}

/* In a process of its own, which may crash. */
static inline bool memory_survives_apart(const memory_run *r, long failing, uint64_t held) {
    int code = 0;
    size_t failures = 0;
    pid_t child = fork();
    if (child == 0) {
        setenv("CMOCKA_TEST_ABORT", "1", 1);
        _exit(!memory_survives(r, failing, held, &failures));
    }
    assert_true(child > 0 && waitpid(child, &code, 0) == child);
    if (code && r->after) r->after(r->context, PARE_OK); /* removes what a crash left */
    if (code) fprintf(stderr, "allocation %ld: status %#x\n\n", failing, (unsigned)code);
    return !code;
}

/* At most so many of the places, evenly. PARE_ALL_ALLOCATIONS in the environment: all of them; "apart": each in a
 * process of its own. */
static inline void memory_fail_everywhere(const memory_run *r, size_t most) {
    void *warm[2];
    const char *all = getenv("PARE_ALL_ALLOCATIONS");
    backtrace(warm, 2); /* loads what it needs */
    json_set_alloc_funcs(memory_for_json, free);
    memory_try(r, 0); /* what is made once and kept */
    if (r->after) r->after(r->context, PARE_OK);
    uint64_t held = pare_memory_current();
    size_t failures = 0, unsound = 0;
    memset(memory.places, 0, sizeof memory.places);
    memory.count = 0;
    memory.learning = true;
    assert_true(memory_survives(r, 0, held, &failures));
    memory.learning = false;
    assert_true(!failures && memory.count > 3);
    size_t step = all ? 1 : (memory.count + most - 1) / most;
    for (size_t i = 0; i < memory.count; i += step)
        unsound += all && strcmp(all, "apart") == 0 ? !memory_survives_apart(r, memory.list[i], held)
                                                    : !memory_survives(r, memory.list[i], held, &failures);
    assert_int_equal(unsound, 0);
    json_set_alloc_funcs(malloc, free);
}

#endif
