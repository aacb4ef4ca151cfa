/* Marks a loop function to be compiled for several instruction sets; the best one is chosen when the program starts.
 * Products are never fused with sums (-ffp-contract=off), so every version gives the same bits. Sanitizer builds keep
 * one version, since instrumented resolvers would run before the sanitizer is ready; so does clang, whose OpenMP
 * outlining does not see the attribute, and so does gcc before 12, which knows no levels of x86-64 here. */
#ifndef PARE_SUPPORT_VECTORIZE_H
#define PARE_SUPPORT_VECTORIZE_H

#include <stddef.h>
#include <stdint.h>

#if defined(__x86_64__) && defined(__OPTIMIZE__) && !defined(__SANITIZE_ADDRESS__) && !defined(__clang__) &&           \
    __GNUC__ >= 12
#define PARE_VECTORIZE __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define PARE_VECTORIZE
#endif

/* The same for a loop that tells which ranges of memory it will touch (PARE_RANGE, first in its function):
 * AddressSanitizer is asked about each at once, and stops at the first byte that is not the program's, in place of
 * looking at every element. What it calls has to be PARE_INLINE, or it would be called for every element. */
#if defined(__SANITIZE_ADDRESS__)
#define PARE_ADDRESS_SANITIZER
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define PARE_ADDRESS_SANITIZER
#endif
#endif

#ifdef PARE_ADDRESS_SANITIZER
#include <sanitizer/asan_interface.h>
#define PARE_UNWATCHED no_sanitize("address"), no_sanitize("undefined")
#define PARE_INLINE static inline __attribute__((always_inline, PARE_UNWATCHED))
#define PARE_VECTORIZE_RANGES __attribute__((noinline, PARE_UNWATCHED))
#define PARE_RANGE(from, bytes) pare_range_check((from), (bytes))

__attribute__((noinline, unused)) static void pare_range_check(const void *from, size_t bytes) {
    const volatile char *bad = __asan_region_is_poisoned((void *)(uintptr_t)from, bytes);
    if (bad) (void)*bad;
}
#else
#define PARE_INLINE static inline __attribute__((always_inline))
#define PARE_VECTORIZE_RANGES PARE_VECTORIZE
#define PARE_RANGE(from, bytes) ((void)0)
#endif

#endif
