/* Masks with AVX-512: a vector of elements is tested, compressed or expanded by one instruction each. Loads and stores
 * are masked, so that nothing is touched that lies beyond the tensor or the values. */
#include "checkpoint/bitmask.h"

#if defined(__x86_64__)

#include <immintrin.h>
#include <string.h>

#define AVX512 __attribute__((target("avx512f,avx512bw,avx512vbmi2,bmi2,popcnt")))
#define AVX512_INLINE AVX512 static inline __attribute__((always_inline))

enum { VECTOR = 64 };

/* The lanes of the first n elements, or all. */
AVX512_INLINE uint32_t lanes_of(uint64_t n) {
    return n < 32 ? _bzhi_u32(UINT32_MAX, (unsigned)n) : UINT32_MAX;
}

AVX512_INLINE __m512i load(const unsigned char *data, size_t size, uint32_t lanes) {
    return size == 4 ? _mm512_maskz_loadu_epi32((__mmask16)lanes, data) : _mm512_maskz_loadu_epi16(lanes, data);
}

AVX512_INLINE void make(unsigned char *mask, const unsigned char *data, size_t size, uint64_t count) {
    const uint64_t step = VECTOR / size;
    if (count) memset(mask + pare_bitmask_bytes(count) - 8, 0, 8);
    for (uint64_t i = 0; i < count; i += step) {
        __m512i v = load(data + i * size, size, lanes_of(count - i));
        uint32_t bits = size == 4 ? _mm512_test_epi32_mask(v, v) : _mm512_test_epi16_mask(v, v);
        memcpy(mask + i / 8, &bits, step / 8);
    }
}

AVX512 static void make_512(unsigned char *mask, const unsigned char *data, size_t size, uint64_t count) {
    if (size == 4)
        make(mask, data, 4, count);
    else
        make(mask, data, 2, count);
}

AVX512_INLINE uint64_t compress(unsigned char *values, const unsigned char *data, size_t size, uint64_t count) {
    const uint64_t step = VECTOR / size;
    uint64_t found = 0;
    for (uint64_t i = 0; i < count; i += step) {
        __m512i v = load(data + i * size, size, lanes_of(count - i));
        uint32_t bits = size == 4 ? _mm512_test_epi32_mask(v, v) : _mm512_test_epi16_mask(v, v);
        v = size == 4 ? _mm512_maskz_compress_epi32((__mmask16)bits, v) : _mm512_maskz_compress_epi16(bits, v);
        _mm512_storeu_si512(values + found * size, v);
        found += (uint64_t)_mm_popcnt_u32(bits);
    }
    return found;
}

AVX512 static uint64_t compress_512(unsigned char *values, const unsigned char *data, size_t size, uint64_t count) {
    return size == 4 ? compress(values, data, 4, count) : compress(values, data, 2, count);
}

AVX512_INLINE void expand(unsigned char *out, const unsigned char *mask, const unsigned char *values, size_t size,
                          uint64_t count) {
    const uint64_t step = VECTOR / size;
    for (uint64_t i = 0; i < count; i += step) {
        uint32_t bits = 0, lanes = lanes_of(count - i);
        memcpy(&bits, mask + i / 8, step / 8);
        unsigned ones = (unsigned)_mm_popcnt_u32(bits);
        __m512i v = load(values, size, lanes_of(ones));
        if (size == 4)
            _mm512_mask_storeu_epi32(out + 4 * i, (__mmask16)lanes, _mm512_maskz_expand_epi32((__mmask16)bits, v));
        else
            _mm512_mask_storeu_epi16(out + 2 * i, lanes, _mm512_maskz_expand_epi16(bits, v));
        values += ones * size;
    }
}

AVX512 static void expand_512(unsigned char *out, const unsigned char *mask, const unsigned char *values, size_t size,
                              uint64_t count) {
    if (size == 4)
        expand(out, mask, values, 4, count);
    else
        expand(out, mask, values, 2, count);
}

const pare_bitmask_kernels *pare_bitmask_x86(void) {
    static const pare_bitmask_kernels kernels = {make_512, compress_512, expand_512};
    bool known = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                 __builtin_cpu_supports("avx512vbmi2") && __builtin_cpu_supports("bmi2") &&
                 __builtin_cpu_supports("popcnt");
    return known ? &kernels : NULL;
}

#else

const pare_bitmask_kernels *pare_bitmask_x86(void) {
    return NULL;
}

#endif
