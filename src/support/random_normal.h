/* How words of Philox4x32-10 become normal numbers, shared by the versions for different instruction sets (random.c,
 * random_x86.c). Every step is one rounded addition, multiplication or square root, or works on integers, so
 * all versions give the same bits.
 *
 * Counter 16 b + i makes lane i of the four words of batch b; word w of lane i becomes element 64 b + 16 w + i. Words 0
 * and 1 make one pair of numbers (Box and Muller), words 2 and 3 the other. */
#ifndef PARE_SUPPORT_RANDOM_NORMAL_H
#define PARE_SUPPORT_RANDOM_NORMAL_H

#include <math.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

enum { PARE_PHILOX_ROUNDS = 10, PARE_NORMAL_LANES = 16, PARE_NORMAL_BATCH = 4 * PARE_NORMAL_LANES };

#define PARE_PHILOX_MULTIPLIER_0 0xD2511F53u
#define PARE_PHILOX_MULTIPLIER_1 0xCD9E8D57u
#define PARE_PHILOX_WEYL_0 0x9E3779B9u
#define PARE_PHILOX_WEYL_1 0xBB67AE85u

/* The coordinates that all elements of one fill share. */
typedef struct pare_normal_stream {
    uint32_t key_0, key_1, tensor, draw;
} pare_normal_stream;

/* out: batches [first, first + count), 64 numbers each. Only call a version that the CPU supports. */
typedef void (*pare_normal_batches_fn)(float *out, const pare_normal_stream *stream, uint64_t first, size_t count);

void pare_normal_batches_plain(float *out, const pare_normal_stream *stream, uint64_t first, size_t count);

/* The versions of random_x86.c that this CPU can run, the fastest first; returns how many (0 elsewhere). */
size_t pare_normal_batches_x86(pare_normal_batches_fn versions[2]);

/* What pare_random_bits_fill does; the coordinates are those of the stream. Only call a version that the CPU supports.
 */
typedef void (*pare_bits_batches_fn)(uint32_t (*out)[4], const pare_normal_stream *stream, uint32_t threshold,
                                     uint64_t first, uint64_t stride, size_t count);

void pare_bits_batches_plain(uint32_t (*out)[4], const pare_normal_stream *stream, uint32_t threshold, uint64_t first,
                             uint64_t stride, size_t count);

/* As pare_normal_batches_x86. */
size_t pare_bits_batches_x86(pare_bits_batches_fn versions[2]);

static inline float pare_float_of_bits(uint32_t bits) {
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

static inline uint32_t pare_bits_of_float(float value) {
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

/* sqrt(-2 ln u), u = (2 k + 1) / 2^24 with 23 random bits k: from 3e-4 to 5.77. With u = 2^e (1 + x), 1 + x in
 * [sqrt(1/2), sqrt(2)), -2 ln u = -2 ln 2 e + x p(x); the polynomial is within 1.4e-6 of -2 ln(1 + x) / x, relative. */
static inline float pare_normal_radius(uint32_t bits) {
    const uint32_t root_half = 0x3f3504f3u;
    uint32_t shifted = pare_bits_of_float((float)(int32_t)((bits >> 8) | 1u)) - (root_half + (24u << 23));
    float exponent = (float)((int32_t)shifted >> 23);
    float x = pare_float_of_bits((shifted & 0x007fffffu) + root_half) - 1.0f;
    float p = 0.371752292f + x * -0.238988936f;
    p = 0.498381227f + x * (-0.408982426f + x * p);
    p = -2.0f + x * (1.00001693f + x * (-0.666384399f + x * p));
    return sqrtf(exponent * -1.38629436f + x * p);
}

/* Cosine and sine of a uniform angle: 30 bits are an angle t in [-pi/4, pi/4), the top two turn it into one of the four
 * quadrants. The polynomials are within 2e-6 of the sine, relative, and 4e-8 of the cosine. */
static inline void pare_normal_direction(uint32_t bits, float *cosine, float *sine) {
    float t = (float)(int32_t)(bits << 2) * (0.785398163f * 0x1p-31f), square = t * t;
    float s = t + t * (square * (-0.166634589f + square * 0.00816460885f));
    float c = 1.0f + square * (-0.499998957f + square * (0.041656293f + square * -0.0013597823f));
    float turned = pare_float_of_bits(pare_bits_of_float(c) ^ (bits & 0x80000000u));
    bool swap = (bits & 0x40000000u) != 0;
    *cosine = swap ? s : turned;
    *sine = swap ? turned : s;
}

/* One batch from its words [4][lanes]. */
static inline __attribute__((always_inline)) void pare_normal_of_words(float *restrict out,
                                                                       uint32_t (*words)[PARE_NORMAL_LANES]) {
#if defined(__clang__)
    /* Words that still sit in vector registers must go to memory first: clang would take them apart one by one. */
    __asm__ volatile("" : : "r"(words) : "memory");
#endif
    for (int pair = 0; pair < 4; pair += 2)
        for (int i = 0; i < PARE_NORMAL_LANES; i++) {
            float cosine, sine, radius = pare_normal_radius(words[pair][i]);
            pare_normal_direction(words[pair + 1][i], &cosine, &sine);
            out[pair * PARE_NORMAL_LANES + i] = radius * cosine;
            out[(pair + 1) * PARE_NORMAL_LANES + i] = radius * sine;
        }
}

#endif
