#include "checkpoint/bitmask.h"
#include "support/vectorize.h"

#include <string.h>

#define INLINE static inline __attribute__((always_inline))

PARE_VECTORIZE static uint32_t count_16(const unsigned char *restrict data, size_t n) {
    uint32_t found = 0;
    for (size_t i = 0; i < n; i++) {
        uint16_t bits;
        memcpy(&bits, data + 2 * i, sizeof bits);
        found += bits != 0;
    }
    return found;
}

PARE_VECTORIZE static uint32_t count_32(const unsigned char *restrict data, size_t n) {
    uint32_t found = 0;
    for (size_t i = 0; i < n; i++) {
        uint32_t bits;
        memcpy(&bits, data + 4 * i, sizeof bits);
        found += bits != 0;
    }
    return found;
}

uint64_t pare_bitmask_count(const unsigned char *data, size_t size, uint64_t count) {
    enum { PART = 1 << 24 }; /* its count fits 32 bits */
    uint64_t found = 0;
    for (uint64_t at = 0; at < count; at += PART) {
        size_t n = count - at < PART ? count - at : PART;
        found += size == 4 ? count_32(data + 4 * at, n) : count_16(data + 2 * at, n);
    }
    return found;
}

PARE_VECTORIZE uint64_t pare_bitmask_ones(const unsigned char *mask, uint64_t bytes) {
    uint64_t ones = 0;
    for (uint64_t at = 0; at < bytes; at += 8) {
        uint64_t word;
        memcpy(&word, mask + at, sizeof word);
        ones += (uint64_t)__builtin_popcountll(word);
    }
    return ones;
}

bool pare_bitmask_is_padded(const unsigned char *mask, uint64_t count) {
    uint64_t word, used = count % PARE_BITMASK_WORD;
    if (used == 0) return true;
    memcpy(&word, mask + count / PARE_BITMASK_WORD * 8, sizeof word);
    return word >> used == 0;
}

INLINE bool is_set(const unsigned char *element, size_t size) {
    uint32_t bits = 0;
    memcpy(&bits, element, size);
    return bits != 0;
}

/* Eight bytes that are 0 or 1 as eight bits: the product moves byte i to bit 56 + i, and no two terms meet there. */
INLINE unsigned char gather_bits(const unsigned char flags[8]) {
    uint64_t bytes;
    memcpy(&bytes, flags, sizeof bytes);
    return (unsigned char)(bytes * 0x0102040810204080u >> 56);
}

INLINE void make(unsigned char *restrict mask, const unsigned char *restrict data, size_t size, uint64_t count) {
    for (uint64_t at = 0; at < count; at += PARE_BITMASK_WORD, data += PARE_BITMASK_WORD * size) {
        unsigned char flags[PARE_BITMASK_WORD] = {0};
        if (count - at >= PARE_BITMASK_WORD)
            for (unsigned i = 0; i < PARE_BITMASK_WORD; i++)
                flags[i] = is_set(data + i * size, size);
        else
            for (unsigned i = 0; i < count - at; i++)
                flags[i] = is_set(data + i * size, size);
        for (unsigned i = 0; i < PARE_BITMASK_WORD; i += 8)
            mask[at / 8 + i / 8] = gather_bits(flags + i);
    }
}

static void make_plain(unsigned char *mask, const unsigned char *data, size_t size, uint64_t count) {
    if (size == 4)
        make(mask, data, 4, count);
    else
        make(mask, data, 2, count);
}

/* Every element is stored; the next one takes its place if it was a zero. */
INLINE uint64_t compress(unsigned char *values, const unsigned char *data, size_t size, uint64_t count) {
    uint64_t found = 0;
    for (uint64_t i = 0; i < count; i++) {
        memcpy(values + found * size, data + i * size, size);
        found += is_set(data + i * size, size);
    }
    return found;
}

static uint64_t compress_plain(unsigned char *values, const unsigned char *data, size_t size, uint64_t count) {
    return size == 4 ? compress(values, data, 4, count) : compress(values, data, 2, count);
}

INLINE void expand(unsigned char *restrict out, const unsigned char *restrict mask,
                   const unsigned char *restrict values, size_t size, uint64_t count) {
    for (uint64_t at = 0; at < count; at += PARE_BITMASK_WORD) {
        uint64_t n = count - at < PARE_BITMASK_WORD ? count - at : PARE_BITMASK_WORD, word;
        unsigned char *place = out + at * size;
        memcpy(&word, mask + at / 8, sizeof word);
        if (word == UINT64_MAX) {
            memcpy(place, values, PARE_BITMASK_WORD * size);
            values += PARE_BITMASK_WORD * size;
            continue;
        }
        memset(place, 0, n * size);
        for (; word; word &= word - 1) {
            memcpy(place + (size_t)__builtin_ctzll(word) * size, values, size);
            values += size;
        }
    }
}

static void expand_plain(unsigned char *out, const unsigned char *mask, const unsigned char *values, size_t size,
                         uint64_t count) {
    if (size == 4)
        expand(out, mask, values, 4, count);
    else
        expand(out, mask, values, 2, count);
}

const pare_bitmask_kernels pare_bitmask_plain = {make_plain, compress_plain, expand_plain};

const pare_bitmask_kernels *pare_bitmask_best(void) {
    const pare_bitmask_kernels *fast = pare_bitmask_x86();
    return fast ? fast : &pare_bitmask_plain;
}
