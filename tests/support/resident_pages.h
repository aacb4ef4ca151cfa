/* Pages of a mapped file: which are in memory, and how to be rid of them. */
#ifndef PARE_TESTS_RESIDENT_PAGES_H
#define PARE_TESTS_RESIDENT_PAGES_H

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

/* Whole pages within `bytes` at `data` that are in memory; *all: how many there are. */
static inline size_t resident_pages(const void *data, uint64_t bytes, size_t *all) {
    uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE), begin = ((uintptr_t)data + page - 1) / page * page;
    uintptr_t end = ((uintptr_t)data + bytes) / page * page;
    *all = end > begin ? (end - begin) / page : 0;
    unsigned char *marks = calloc(*all + 1, 1);
    size_t count = 0;
    if (*all && mincore((void *)begin, end - begin, marks) != 0) abort();
    for (size_t i = 0; i < *all; i++)
        count += marks[i] & 1;
    free(marks);
    return count;
}

/* Some file systems (in memory, or stacked) keep what they are told to give back: there is nothing to see there. */
static inline bool pages_can_go(const void *data, uint64_t bytes) {
    size_t all;
    uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE), begin = ((uintptr_t)data + page - 1) / page * page;
    for (uint64_t i = 0; i + 2 * page <= bytes; i += page)
        (void)*((const volatile char *)begin + i);
    madvise((void *)begin, ((uintptr_t)data + bytes) / page * page - begin, 21 /* MADV_PAGEOUT */);
    size_t left = resident_pages(data, bytes, &all);
    return left <= all / 2; /* what shares a folio with other bytes stays */
}

#endif
