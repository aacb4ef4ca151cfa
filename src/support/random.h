/* Counter-based random numbers: Philox4x32-10 (Salmon et al., SC 2011). A draw is a pure function of its coordinates,
 * so the same noise can be made again anywhere, in any order, on any number of threads, and is never stored. */
#ifndef PARE_SUPPORT_RANDOM_H
#define PARE_SUPPORT_RANDOM_H

#include <stddef.h>
#include <stdint.h>

/* out[4] = Philox4x32-10 of counter[4] under key[2]. */
void pare_philox(const uint32_t counter[4], const uint32_t key[2], uint32_t out[4]);

/* Standard normal noise of elements [first, first + n) of tensor `tensor` (32 bits count) in draw `draw` of stream
 * `seed`. Values lie within +-5.77. Only integer steps, additions, multiplications and square roots, each rounded on
 * its own: the same bits on every machine. */
void pare_normal_fill(float *out, uint64_t seed, uint64_t draw, uint64_t tensor, uint64_t first, size_t n);

/* Bits that are 1 with probability 1 - threshold / 65536: 16 random bits each, from Philox with this key and the upper
 * half of the counter. */
typedef struct pare_random_bits {
    uint32_t key[2], high[2];
    uint32_t threshold; /* 0 .. 65535 */
} pare_random_bits;

enum { PARE_RANDOM_BITS_BATCH = 128 };

/* out: [count][4], batches first, first + stride, .. of 128 bits each, bit i of a batch being bit i % 32 of its word
 * i / 32. Batch numbers below 2^60. The same bits on every machine. */
void pare_random_bits_fill(uint32_t (*out)[4], const pare_random_bits *bits, uint64_t first, uint64_t stride,
                           size_t count);

/* A sequence of draws for serial use. */
typedef struct pare_random {
    uint64_t seed, stream, position;
} pare_random;

uint64_t pare_random_next(pare_random *random);
/* Uniform in [0, 1) with 53 random bits. */
double pare_random_uniform(pare_random *random);
/* Uniform in 0 .. bound - 1, without bias. bound > 0. */
uint64_t pare_random_below(pare_random *random, uint64_t bound);

#endif
