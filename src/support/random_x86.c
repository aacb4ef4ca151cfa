/* Normal noise with AVX-512 or AVX2. Philox's 32 x 32 -> 64 bit products are what compilers do not vectorise well: here
 * every word sits in the low half of a 64-bit lane (the high half is never looked at), so that one multiplication gives
 * both halves of a product in place, and a round is two products, two shifts and two three-way exclusive ors. */
#include "support/random_normal.h"

#if defined(__x86_64__)

#include <immintrin.h>

typedef struct round_keys {
    uint64_t key[PARE_PHILOX_ROUNDS][2];
} round_keys;

static round_keys round_keys_of(const pare_normal_stream *stream) {
    round_keys keys;
    for (uint32_t round = 0; round < PARE_PHILOX_ROUNDS; round++) {
        keys.key[round][0] = stream->key_0 + round * PARE_PHILOX_WEYL_0;
        keys.key[round][1] = stream->key_1 + round * PARE_PHILOX_WEYL_1;
    }
    return keys;
}

#define AVX512 __attribute__((target("avx512f,avx512dq,avx512vl,avx512bw")))

AVX512 static inline __attribute__((always_inline)) void round_512(__m512i x[4], __m512i key_0, __m512i key_1) {
    __m512i product_0 = _mm512_mul_epu32(x[0], _mm512_set1_epi64(PARE_PHILOX_MULTIPLIER_0));
    __m512i product_1 = _mm512_mul_epu32(x[2], _mm512_set1_epi64(PARE_PHILOX_MULTIPLIER_1));
    x[0] = _mm512_ternarylogic_epi64(_mm512_srli_epi64(product_1, 32), x[1], key_0, 0x96);
    x[2] = _mm512_ternarylogic_epi64(_mm512_srli_epi64(product_0, 32), x[3], key_1, 0x96);
    x[1] = product_1;
    x[3] = product_0;
}

AVX512 static inline __attribute__((always_inline)) void philox_512(uint32_t (*words)[PARE_NORMAL_LANES],
                                                                    const pare_normal_stream *stream,
                                                                    const round_keys *keys, uint64_t batch) {
    __m512i counter = _mm512_add_epi64(_mm512_set1_epi64((long long)(batch * PARE_NORMAL_LANES)),
                                       _mm512_setr_epi64(0, 2, 4, 6, 8, 10, 12, 14));
    __m512i tensor = _mm512_set1_epi64(stream->tensor), draw = _mm512_set1_epi64(stream->draw);
    __m512i high = _mm512_srli_epi64(counter, 32);
    __m512i even[4] = {counter, high, tensor, draw};
    __m512i odd[4] = {_mm512_add_epi64(counter, _mm512_set1_epi64(1)), high, tensor, draw};
#pragma GCC unroll 10
    for (int round = 0; round < PARE_PHILOX_ROUNDS; round++) {
        __m512i key_0 = _mm512_set1_epi64((long long)keys->key[round][0]);
        __m512i key_1 = _mm512_set1_epi64((long long)keys->key[round][1]);
        round_512(even, key_0, key_1);
        round_512(odd, key_0, key_1);
    }
    for (int word = 0; word < 4; word++) {
        __m512i merged = _mm512_mask_shuffle_epi32(even[word], 0xaaaa, odd[word], _MM_PERM_CCAA);
        _mm512_storeu_si512(words[word], merged);
    }
}

AVX512 static void batches_512(float *out, const pare_normal_stream *stream, uint64_t first, size_t count) {
    round_keys keys = round_keys_of(stream);
    for (size_t i = 0; i < count; i++) {
        uint32_t words[4][PARE_NORMAL_LANES];
        philox_512(words, stream, &keys, first + i);
        pare_normal_of_words(out + i * PARE_NORMAL_BATCH, words);
    }
}

AVX512 static void bits_512(uint32_t (*out)[4], const pare_normal_stream *stream, uint32_t threshold, uint64_t first,
                            uint64_t stride, size_t count) {
    round_keys keys = round_keys_of(stream);
    __m512i least = _mm512_set1_epi16((short)threshold);
    for (size_t i = 0; i < count; i++) {
        uint32_t words[4][PARE_NORMAL_LANES];
        philox_512(words, stream, &keys, first + i * stride);
        for (int word = 0; word < 4; word++)
            out[i][word] = _mm512_cmpge_epu16_mask(_mm512_loadu_si512(words[word]), least);
    }
}

#define AVX2 __attribute__((target("avx2")))

AVX2 static inline __attribute__((always_inline)) void round_256(__m256i x[4], __m256i key_0, __m256i key_1) {
    __m256i product_0 = _mm256_mul_epu32(x[0], _mm256_set1_epi64x(PARE_PHILOX_MULTIPLIER_0));
    __m256i product_1 = _mm256_mul_epu32(x[2], _mm256_set1_epi64x(PARE_PHILOX_MULTIPLIER_1));
    x[0] = _mm256_xor_si256(_mm256_xor_si256(_mm256_srli_epi64(product_1, 32), x[1]), key_0);
    x[2] = _mm256_xor_si256(_mm256_xor_si256(_mm256_srli_epi64(product_0, 32), x[3]), key_1);
    x[1] = product_1;
    x[3] = product_0;
}

/* Lanes [lane, lane + 8) of a batch: four even ones and four odd ones. */
AVX2 static inline __attribute__((always_inline)) void philox_256(uint32_t (*words)[PARE_NORMAL_LANES],
                                                                  const pare_normal_stream *stream,
                                                                  const round_keys *keys, uint64_t batch, int lane) {
    __m256i counter = _mm256_add_epi64(_mm256_set1_epi64x((long long)(batch * PARE_NORMAL_LANES + (uint64_t)lane)),
                                       _mm256_setr_epi64x(0, 2, 4, 6));
    __m256i tensor = _mm256_set1_epi64x(stream->tensor), draw = _mm256_set1_epi64x(stream->draw);
    __m256i high = _mm256_srli_epi64(counter, 32);
    __m256i even[4] = {counter, high, tensor, draw};
    __m256i odd[4] = {_mm256_add_epi64(counter, _mm256_set1_epi64x(1)), high, tensor, draw};
#pragma GCC unroll 10
    for (int round = 0; round < PARE_PHILOX_ROUNDS; round++) {
        __m256i key_0 = _mm256_set1_epi64x((long long)keys->key[round][0]);
        __m256i key_1 = _mm256_set1_epi64x((long long)keys->key[round][1]);
        round_256(even, key_0, key_1);
        round_256(odd, key_0, key_1);
    }
    for (int word = 0; word < 4; word++) {
        __m256i merged = _mm256_blend_epi32(even[word], _mm256_slli_epi64(odd[word], 32), 0xaa);
        _mm256_storeu_si256((__m256i *)(void *)(words[word] + lane), merged);
    }
}

AVX2 static void batches_256(float *out, const pare_normal_stream *stream, uint64_t first, size_t count) {
    round_keys keys = round_keys_of(stream);
    for (size_t i = 0; i < count; i++) {
        uint32_t words[4][PARE_NORMAL_LANES];
        philox_256(words, stream, &keys, first + i, 0);
        philox_256(words, stream, &keys, first + i, 8);
        pare_normal_of_words(out + i * PARE_NORMAL_BATCH, words);
    }
}

AVX2 static void bits_256(uint32_t (*out)[4], const pare_normal_stream *stream, uint32_t threshold, uint64_t first,
                          uint64_t stride, size_t count) {
    round_keys keys = round_keys_of(stream);
    __m256i least = _mm256_set1_epi16((short)threshold);
    for (size_t i = 0; i < count; i++) {
        uint32_t words[4][PARE_NORMAL_LANES];
        philox_256(words, stream, &keys, first + i * stride, 0);
        philox_256(words, stream, &keys, first + i * stride, 8);
        for (int word = 0; word < 4; word++) {
            __m256i low = _mm256_loadu_si256((const __m256i *)(const void *)words[word]);
            __m256i high = _mm256_loadu_si256((const __m256i *)(const void *)(words[word] + 8));
            low = _mm256_cmpeq_epi16(_mm256_max_epu16(low, least), low);
            high = _mm256_cmpeq_epi16(_mm256_max_epu16(high, least), high);
            __m256i bytes = _mm256_permute4x64_epi64(_mm256_packs_epi16(low, high), 0xd8);
            out[i][word] = (uint32_t)_mm256_movemask_epi8(bytes);
        }
    }
}

static bool has_avx512(void) {
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
           __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512bw");
}

size_t pare_bits_batches_x86(pare_bits_batches_fn versions[2]) {
    size_t count = 0;
    if (has_avx512()) versions[count++] = bits_512;
    if (__builtin_cpu_supports("avx2")) versions[count++] = bits_256;
    return count;
}

size_t pare_normal_batches_x86(pare_normal_batches_fn versions[2]) {
    size_t count = 0;
    if (has_avx512()) versions[count++] = batches_512;
    if (__builtin_cpu_supports("avx2")) versions[count++] = batches_256;
    return count;
}

#else

size_t pare_bits_batches_x86(pare_bits_batches_fn versions[2]) {
    (void)versions;
    return 0;
}

size_t pare_normal_batches_x86(pare_normal_batches_fn versions[2]) {
    (void)versions;
    return 0;
}

#endif
