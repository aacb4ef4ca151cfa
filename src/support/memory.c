#include "support/memory.h"
#include "support/kernel_file.h"
#include "support/machine.h"
#include "support/usage.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum { ALIGNMENT = 64, HUGE_PAGE = 2 << 20, LOOKED_AT = 8 << 20 };

/* In front of every block, in ALIGNMENT bytes of its own. */
typedef struct block_header {
    uint64_t bytes;
} block_header;

static _Atomic uint64_t current_bytes, peak_bytes;

bool pare_multiply_size(uint64_t a, uint64_t b, uint64_t *product) {
    return !__builtin_mul_overflow(a, b, product);
}

static void count_bytes(uint64_t bytes) {
    uint64_t now = atomic_fetch_add(&current_bytes, bytes) + bytes;
    uint64_t peak = atomic_load(&peak_bytes);
    while (now > peak && !atomic_compare_exchange_weak(&peak_bytes, &peak, now)) {
    }
}

pare_status pare_alloc_uninitialized(void *out, size_t count, size_t size, const char *what) {
    void **result = out;
    uint64_t bytes, padded;
    *result = NULL;
    if (!pare_multiply_size(count, size, &bytes) || __builtin_add_overflow(bytes, (uint64_t)2 * ALIGNMENT, &padded))
        return pare_fail(PARE_OUT_OF_MEMORY, "%s: %zu elements of %zu bytes do not fit any memory", what, count, size);
    char *memory = aligned_alloc(ALIGNMENT, padded / ALIGNMENT * ALIGNMENT);
    if (!memory)
        return pare_fail(PARE_OUT_OF_MEMORY,
                         "not enough memory for %s (%.1f MiB); lower --memory, --samples or --length", what,
                         (double)bytes / 1048576.0);
    if (padded >= 4 * (uint64_t)HUGE_PAGE) {
        /* Fewer, larger pages: they are cleared faster and found faster. The kernel may ignore the wish. */
        uintptr_t begin = ((uintptr_t)memory + HUGE_PAGE - 1) / HUGE_PAGE * HUGE_PAGE;
        uintptr_t end = ((uintptr_t)memory + padded) / HUGE_PAGE * HUGE_PAGE;
        madvise((void *)begin, end - begin, MADV_HUGEPAGE);
    }
    ((block_header *)memory)->bytes = bytes;
    count_bytes(bytes);
    *result = memory + ALIGNMENT;
    return PARE_OK;
}

pare_status pare_alloc(void *out, size_t count, size_t size, const char *what) {
    PARE_TRY(pare_alloc_uninitialized(out, count, size, what));
    if (count && size) memset(*(void **)out, 0, count * size);
    return PARE_OK;
}

void pare_free(void *pointer) {
    if (!pointer) return;
    char *memory = (char *)pointer - ALIGNMENT;
    uint64_t bytes = ((block_header *)memory)->bytes;
    if (bytes >= LOOKED_AT) pare_resident_look();
    atomic_fetch_sub(&current_bytes, bytes);
    free(memory);
}

uint64_t pare_memory_current(void) {
    return atomic_load(&current_bytes);
}

uint64_t pare_memory_peak(void) {
    return atomic_load(&peak_bytes);
}

void pare_memory_peak_reset(void) {
    atomic_store(&peak_bytes, atomic_load(&current_bytes));
    pare_resident_reset(PARE_RESIDENT_RUN);
}

uint64_t pare_memory_anonymous_resident(void) {
    uint64_t kib;
    return pare_kernel_field("", "proc/self/status", "RssAnon:", &kib) ? pare_kernel_scale(kib, 1024) : 0;
}

uint64_t pare_memory_available(void) {
    return pare_machine_memory_left("").available;
}
