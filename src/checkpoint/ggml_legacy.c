/* Blocks of 32 with one scale (d), and in some types an offset (m), as fp16:
 *
 *   Q4_0  d, 16 bytes: element i in the low half of byte i, element i + 16 in the high half    d (q - 8)
 *   Q4_1  d, m, the same                                                                       d q + m
 *   Q5_0  d, 4 bytes: bit i is the fifth of element i, 16 bytes as in Q4_0                      d (q - 16)
 *   Q5_1  d, m, the same                                                                       d q + m
 *   Q8_0  d, 32 signed bytes                                                                   q d
 */
#include "checkpoint/ggml_decode.h"
#include "support/vectorize.h"

void pare_ggml_decode_f32(const unsigned char *blocks, size_t count, float *out) {
    pare_to_float(out, blocks, PARE_DTYPE_F32, count);
}

void pare_ggml_decode_f16(const unsigned char *blocks, size_t count, float *out) {
    pare_to_float(out, blocks, PARE_DTYPE_F16, count);
}

void pare_ggml_decode_bf16(const unsigned char *blocks, size_t count, float *out) {
    pare_to_float(out, blocks, PARE_DTYPE_BF16, count);
}

PARE_VECTORIZE void pare_ggml_decode_q4_0(const unsigned char *restrict blocks, size_t count, float *restrict out) {
    for (size_t b = 0; b < count; b++, blocks += 18, out += 32) {
        float d = pare_ggml_half(blocks);
        const unsigned char *q = blocks + 2;
        for (int i = 0; i < 16; i++) {
            out[i] = d * (float)((q[i] & 15) - 8);
            out[i + 16] = d * (float)((q[i] >> 4) - 8);
        }
    }
}

PARE_VECTORIZE void pare_ggml_decode_q4_1(const unsigned char *restrict blocks, size_t count, float *restrict out) {
    for (size_t b = 0; b < count; b++, blocks += 20, out += 32) {
        float d = pare_ggml_half(blocks), m = pare_ggml_half(blocks + 2);
        const unsigned char *q = blocks + 4;
        for (int i = 0; i < 16; i++) {
            out[i] = d * (float)(q[i] & 15) + m;
            out[i + 16] = d * (float)(q[i] >> 4) + m;
        }
    }
}

PARE_VECTORIZE void pare_ggml_decode_q5_0(const unsigned char *restrict blocks, size_t count, float *restrict out) {
    for (size_t b = 0; b < count; b++, blocks += 22, out += 32) {
        float d = pare_ggml_half(blocks);
        uint32_t high = pare_ggml_u32(blocks + 2);
        const unsigned char *q = blocks + 6;
        for (int i = 0; i < 16; i++) {
            out[i] = d * (float)((int)((q[i] & 15u) | (high >> i & 1u) << 4) - 16);
            out[i + 16] = d * (float)((int)((uint32_t)(q[i] >> 4) | (high >> (i + 16) & 1u) << 4) - 16);
        }
    }
}

PARE_VECTORIZE void pare_ggml_decode_q5_1(const unsigned char *restrict blocks, size_t count, float *restrict out) {
    for (size_t b = 0; b < count; b++, blocks += 24, out += 32) {
        float d = pare_ggml_half(blocks), m = pare_ggml_half(blocks + 2);
        uint32_t high = pare_ggml_u32(blocks + 4);
        const unsigned char *q = blocks + 8;
        for (int i = 0; i < 16; i++) {
            out[i] = d * (float)(int)((q[i] & 15u) | (high >> i & 1u) << 4) + m;
            out[i + 16] = d * (float)(int)((uint32_t)(q[i] >> 4) | (high >> (i + 16) & 1u) << 4) + m;
        }
    }
}

PARE_VECTORIZE void pare_ggml_decode_q8_0(const unsigned char *restrict blocks, size_t count, float *restrict out) {
    for (size_t b = 0; b < count; b++, blocks += 34, out += 32) {
        float d = pare_ggml_half(blocks);
        const signed char *q = (const signed char *)blocks + 2;
        for (int i = 0; i < 32; i++)
            out[i] = (float)q[i] * d;
    }
}
