/* Numbers that tests/oracle/importance.py repeats exactly: multiples of 1/64 from 1/64 to 127/64, of both signs. Every
 * stored type holds them. */
#ifndef PARE_TESTS_COUNTED_H
#define PARE_TESTS_COUNTED_H

#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>

static inline float counted(uint32_t stream, uint32_t index) {
    uint32_t x = stream * 0x9e3779b9u + index * 0x85ebca6bu + 1u;
    x = (x ^ x >> 16) * 0x7feb352du;
    x = (x ^ x >> 15) * 0x846ca68bu;
    x ^= x >> 16;
    float size = (float)((x >> 8) % 127u + 1u) / 64.0f;
    return x & 1u ? -size : size;
}

/* The first `count` of a stream, or their sizes; freed with free(). */
static inline float *counted_numbers(uint32_t stream, uint64_t count, bool positive) {
    float *x = malloc(count * sizeof *x);
    for (uint64_t i = 0; x && i < count; i++) {
        float number = counted(stream, (uint32_t)i);
        x[i] = positive ? fabsf(number) : number;
    }
    return x;
}

#endif
