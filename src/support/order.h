/* Which of two numbers is larger, and comparisons for qsort, from the lowest up. */
#ifndef PARE_SUPPORT_ORDER_H
#define PARE_SUPPORT_ORDER_H

#include <stdint.h>

static inline int64_t pare_smaller(int64_t a, int64_t b) {
    return a < b ? a : b;
}

static inline int64_t pare_larger(int64_t a, int64_t b) {
    return a > b ? a : b;
}

static inline uint64_t pare_larger_bytes(uint64_t a, uint64_t b) {
    return a > b ? a : b;
}

static inline int pare_ascending_float(const void *a, const void *b) {
    float x = *(const float *)a, y = *(const float *)b;
    return (x > y) - (x < y);
}

static inline int pare_ascending_double(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static inline int pare_ascending_uint64(const void *a, const void *b) {
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

#endif
