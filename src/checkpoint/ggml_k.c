/* Blocks of 256 in parts that have scales of their own, which are multiples of the block's (d, and of offsets dmin, as
 * fp16). q of element i; bits are numbered from the lowest:
 *
 *   Q2_K  16 bytes: scale and offset of 16 elements, 4 bits each; 64 bytes of q; d; dmin       (d s) q - (dmin o)
 *   Q3_K  32 bytes: bit i / 32 of byte i % 32 says that q is not 4 less; 64 bytes of q; 12 bytes: 16 scales; d
 *                                                                                              (d (s - 32)) q
 *   Q4_K  d; dmin; 12 bytes: scale and offset of 32 elements; 128 bytes of q                   (d s) q - (dmin o)
 *   Q5_K  d; dmin; 12 bytes; 32 bytes: bit i / 32 of byte i % 32 is the fifth of q; 128 bytes  (d s) q - (dmin o)
 *   Q6_K  128 bytes of q's low 4 bits; 64 of its high 2; 16 signed scales of 16 elements; d    (d s) (q - 32)
 *
 * Two bits of element i are in byte i / 128 * 32 + i % 32 from bit i / 32 % 4 * 2 on; four bits in byte i / 64 * 32 +
 * i % 32 from bit i / 32 % 2 * 4 on, in Q6_K in byte i / 128 * 64 + i % 64 from bit i / 64 % 2 * 4 on.
 */
#include "checkpoint/ggml_decode.h"
#include "support/vectorize.h"

PARE_VECTORIZE void pare_ggml_decode_q2_k(const unsigned char *restrict blocks, size_t count, float *restrict out) {
    for (size_t b = 0; b < count; b++, blocks += 84) {
        float d = pare_ggml_half(blocks + 80), offset = pare_ggml_half(blocks + 82);
        for (int part = 0; part < 16; part++, out += 16) {
            const unsigned char *q = blocks + 16 + part / 8 * 32 + part % 2 * 16;
            float scale = d * (float)(blocks[part] & 15), low = offset * (float)(blocks[part] >> 4);
            int shift = part / 2 % 4 * 2;
            for (int i = 0; i < 16; i++)
                out[i] = scale * (float)(q[i] >> shift & 3) - low;
        }
    }
}

/* Scales of 6 bits: the low 4 of scale s in byte s % 8 from bit s / 8 * 4 on, the high 2 in byte 8 + s % 4 from bit
 * s / 4 * 2 on. */
PARE_VECTORIZE void pare_ggml_decode_q3_k(const unsigned char *restrict blocks, size_t count, float *restrict out) {
    for (size_t b = 0; b < count; b++, blocks += 110) {
        const unsigned char *scales = blocks + 96;
        float d = pare_ggml_half(blocks + 108);
        for (int part = 0; part < 16; part++, out += 16) {
            const unsigned char *q = blocks + 32 + part / 8 * 32 + part % 2 * 16, *mask = blocks + part % 2 * 16;
            int low = scales[part % 8] >> part / 8 * 4 & 15, high = scales[8 + part % 4] >> part / 4 * 2 & 3;
            float scale = d * (float)((low | high << 4) - 32);
            int shift = part / 2 % 4 * 2, bit = part / 2;
            for (int i = 0; i < 16; i++)
                out[i] = scale * (float)((q[i] >> shift & 3) - (~mask[i] >> bit & 1) * 4);
        }
    }
}

/* Scale and offset `part` of 8, 6 bits each in 12 bytes: the first four in the low bits of bytes part and 4 + part; of
 * the others the low 4 bits in byte 4 + part, and the high 2 above the first four's. */
static inline void scale_and_offset(const unsigned char *scales, int part, float *scale, float *offset) {
    int s = part < 4 ? scales[part] & 63 : (scales[part + 4] & 15) | scales[part - 4] >> 6 << 4;
    int o = part < 4 ? scales[part + 4] & 63 : scales[part + 4] >> 4 | scales[part] >> 6 << 4;
    *scale *= (float)s;
    *offset *= (float)o;
}

PARE_VECTORIZE void pare_ggml_decode_q4_k(const unsigned char *restrict blocks, size_t count, float *restrict out) {
    for (size_t b = 0; b < count; b++, blocks += 144)
        for (int part = 0; part < 8; part++, out += 32) {
            const unsigned char *q = blocks + 16 + part / 2 * 32;
            float scale = pare_ggml_half(blocks), offset = pare_ggml_half(blocks + 2);
            scale_and_offset(blocks + 4, part, &scale, &offset);
            int shift = part % 2 * 4;
            for (int i = 0; i < 32; i++)
                out[i] = scale * (float)(q[i] >> shift & 15) - offset;
        }
}

PARE_VECTORIZE void pare_ggml_decode_q5_k(const unsigned char *restrict blocks, size_t count, float *restrict out) {
    for (size_t b = 0; b < count; b++, blocks += 176)
        for (int part = 0; part < 8; part++, out += 32) {
            const unsigned char *q = blocks + 48 + part / 2 * 32, *fifth = blocks + 16;
            float scale = pare_ggml_half(blocks), offset = pare_ggml_half(blocks + 2);
            scale_and_offset(blocks + 4, part, &scale, &offset);
            int shift = part % 2 * 4;
            for (int i = 0; i < 32; i++)
                out[i] = scale * (float)((q[i] >> shift & 15) | (fifth[i] >> part & 1) << 4) - offset;
        }
}

PARE_VECTORIZE void pare_ggml_decode_q6_k(const unsigned char *restrict blocks, size_t count, float *restrict out) {
    for (size_t b = 0; b < count; b++, blocks += 210) {
        const signed char *scales = (const signed char *)blocks + 192;
        float d = pare_ggml_half(blocks + 208);
        for (int part = 0; part < 16; part++, out += 16) {
            const unsigned char *low = blocks + part / 8 * 64 + part % 4 * 16;
            const unsigned char *high = blocks + 128 + part / 8 * 32 + part % 2 * 16;
            float scale = d * (float)scales[part];
            int shift = part / 4 % 2 * 4, above = part / 2 % 4 * 2;
            for (int i = 0; i < 16; i++)
                out[i] = scale * (float)(((low[i] >> shift & 15) | (high[i] >> above & 3) << 4) - 32);
        }
    }
}
