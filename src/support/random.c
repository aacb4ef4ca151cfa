#include "support/random.h"
#include "support/vectorize.h"

#include <math.h>
#include <string.h>

enum { ROUNDS = 10, BLOCK = 16, BATCH = 4 * BLOCK };

static const uint32_t multiplier_0 = 0xD2511F53u, multiplier_1 = 0xCD9E8D57u;
static const uint32_t weyl_0 = 0x9E3779B9u, weyl_1 = 0xBB67AE85u;

/* BLOCK counters at once: c[word][lane], in place. */
static inline void philox_block(uint32_t c[4][BLOCK], uint32_t key_0, uint32_t key_1) {
    for (int round = 0; round < ROUNDS; round++) {
        for (int i = 0; i < BLOCK; i++) {
            uint64_t product_0 = (uint64_t)multiplier_0 * c[0][i], product_1 = (uint64_t)multiplier_1 * c[2][i];
            uint32_t word_0 = (uint32_t)(product_1 >> 32) ^ c[1][i] ^ key_0;
            uint32_t word_2 = (uint32_t)(product_0 >> 32) ^ c[3][i] ^ key_1;
            c[1][i] = (uint32_t)product_1;
            c[3][i] = (uint32_t)product_0;
            c[0][i] = word_0;
            c[2][i] = word_2;
        }
        key_0 += weyl_0;
        key_1 += weyl_1;
    }
}

void pare_philox(const uint32_t counter[4], const uint32_t key[2], uint32_t out[4]) {
    uint32_t c[4][BLOCK] = {{0}};
    for (int word = 0; word < 4; word++)
        c[word][0] = counter[word];
    philox_block(c, key[0], key[1]);
    for (int word = 0; word < 4; word++)
        out[word] = c[word][0];
}

static inline float float_of_bits(uint32_t bits) {
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

/* sqrt(-2 ln u), u uniform in (0, 1) from 32 bits: u = (bits + 1/2) / 2^32. The logarithm is that of the mantissa
 * around 1 (atanh series to the 9th power, error below 1e-7) plus exponent times ln 2. */
static inline float radius(uint32_t bits) {
    float u = ((float)(bits >> 8) + 0.5f) * 0x1p-24f;
    uint32_t raw;
    memcpy(&raw, &u, sizeof raw);
    uint32_t shifted = raw - 0x3f3504f3u; /* mantissa into [sqrt(1/2), sqrt(2)) */
    float exponent = (float)((int32_t)shifted >> 23);
    float mantissa = float_of_bits((shifted & 0x007fffffu) + 0x3f3504f3u);
    float ratio = (mantissa - 1.0f) / (mantissa + 1.0f), square = ratio * ratio;
    float series = 2.0f + square * (0.66666667f + square * (0.4f + square * (0.28571429f + square * 0.22222222f)));
    float logarithm = exponent * 0.69314718f + ratio * series;
    return sqrtf(-2.0f * logarithm);
}

/* Cosine and sine of a uniform angle: the top 3 bits choose the octant, 24 of the rest the angle inside [0, pi/4). */
static inline void direction(uint32_t bits, float *cosine, float *sine) {
    float t = ((float)((bits >> 5) & 0xffffffu) + 0.5f) * (0.78539816f * 0x1p-24f), square = t * t;
    float s = t * (1.0f + square * (-0.16666667f + square * (0.0083333310f + square * -0.00019840874f)));
    float c = 1.0f + square * (-0.5f + square * (0.041666638f + square * (-0.0013888378f + square * 2.4760495e-5f)));
    uint32_t swap = (bits >> 29) & 1u, sign_c = bits & 0x80000000u, sign_s = (bits << 1) & 0x80000000u;
    float x = swap ? s : c, y = swap ? c : s;
    uint32_t x_bits, y_bits;
    memcpy(&x_bits, &x, sizeof x_bits);
    memcpy(&y_bits, &y, sizeof y_bits);
    *cosine = float_of_bits(x_bits ^ sign_c);
    *sine = float_of_bits(y_bits ^ sign_s);
}

/* Elements 64 b .. 64 b + 63: lane i of word w is element 64 b + 16 w + i, so that every store is contiguous. */
static inline void normal_batch(float *restrict out, uint64_t seed, uint64_t draw, uint64_t tensor, uint64_t batch) {
    uint32_t c[4][BLOCK];
    for (int i = 0; i < BLOCK; i++) {
        uint64_t counter = batch * BLOCK + (uint64_t)i;
        c[0][i] = (uint32_t)counter;
        c[1][i] = (uint32_t)(counter >> 32);
        c[2][i] = (uint32_t)tensor;
        c[3][i] = (uint32_t)draw;
    }
    philox_block(c, (uint32_t)seed, (uint32_t)(seed >> 32) ^ (uint32_t)(draw >> 32));
    for (int pair = 0; pair < 4; pair += 2) {
        for (int i = 0; i < BLOCK; i++) {
            float cosine, sine, r = radius(c[pair][i]);
            direction(c[pair + 1][i], &cosine, &sine);
            out[pair * BLOCK + i] = r * cosine;
            out[(pair + 1) * BLOCK + i] = r * sine;
        }
    }
}

PARE_VECTORIZE void pare_normal_fill(float *out, uint64_t seed, uint64_t draw, uint64_t tensor, uint64_t first,
                                     size_t n) {
    float edge[BATCH];
    size_t done = 0;
    while (done < n) {
        uint64_t element = first + done, batch = element / BATCH;
        size_t skip = (size_t)(element % BATCH), left = n - done;
        if (skip == 0 && left >= BATCH) {
            normal_batch(out + done, seed, draw, tensor, batch);
            done += BATCH;
            continue;
        }
        size_t take = BATCH - skip < left ? BATCH - skip : left;
        normal_batch(edge, seed, draw, tensor, batch);
        memcpy(out + done, edge + skip, take * sizeof *out);
        done += take;
    }
}

uint64_t pare_random_next(pare_random *random) {
    uint64_t block = random->position / 2;
    uint32_t counter[4] = {(uint32_t)block, (uint32_t)(block >> 32), (uint32_t)random->stream,
                           (uint32_t)(random->stream >> 32)};
    uint32_t key[2] = {(uint32_t)random->seed, (uint32_t)(random->seed >> 32)}, out[4];
    pare_philox(counter, key, out);
    const uint32_t *pair = out + 2 * (random->position & 1);
    random->position++;
    return (uint64_t)pair[1] << 32 | pair[0];
}

double pare_random_uniform(pare_random *random) {
    return (double)(pare_random_next(random) >> 11) * 0x1p-53;
}

uint64_t pare_random_below(pare_random *random, uint64_t bound) {
    uint64_t limit = UINT64_MAX - UINT64_MAX % bound, value;
    do
        value = pare_random_next(random);
    while (value >= limit);
    return value % bound;
}
