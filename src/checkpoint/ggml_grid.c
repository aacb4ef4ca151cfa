/* Blocks of 256 whose runs of 8 (IQ3: of 4) elements are points of a lattice, times a scale d (fp16), with signs. `s`
 * are scales of 4 bits, the first of a byte in its low half; signs a bit each, or 7 bits that stand for 8 of even
 * number (the eighth makes it even):
 *
 *   IQ2_XXS  d, 8 x (4 bytes: points; 4 x 7 bits: signs, 4 bits: s)                d (1/2 + s) / 4 point
 *   IQ2_XS   d, 32 x (9 bits: point, 7 bits: signs), 8 bytes: s of 16 elements      the same
 *   IQ2_S    d, 32 bytes: points, 32 bytes: signs, 8 bytes: high 2 bits of points, 8 bytes: s of 16     the same
 *   IQ3_XXS  d, 64 bytes: points, 8 x (4 x 7 bits: signs, 4 bits: s)                d (1/2 + s) / 2 point
 *   IQ3_S    d, 64 bytes: points, 8 bytes: their ninth bits, 32 bytes: signs, 4 bytes: s of 32     d (1 + 2 s) point
 *   IQ1_S    d, 32 bytes: points, 8 x (4 x 3 bits: high bits of points, 3 bits: s, 1 bit: minus)
 *   IQ1_M    32 bytes: points, 16 bytes: 32 x (3 bits: high bits of points, 1 bit: minus), 4 x (4 x 3 bits: s of 16, 4
 *            bits of d)                                                             d (2 s + 1) (point +- 1/8)
 */
#include "checkpoint/ggml_decode.h"
#include "support/vectorize.h"

static const float twos[4] = {8, 25, 43, 0};
static const float threes_xxs[8] = {4, 12, 20, 28, 36, 44, 52, 62}, threes[8] = {1, 3, 5, 7, 9, 11, 13, 15};

/* `bits` bits from `shift` on. */
static inline unsigned field(unsigned from, int shift, int bits) {
    return from >> shift & ((1u << bits) - 1);
}

static inline uint32_t all_signs(uint32_t seven) {
    uint32_t parity = seven ^ seven >> 4;
    parity ^= parity >> 2;
    parity ^= parity >> 1;
    return seven | (parity & 1) << 7;
}

static inline float sign_of(uint32_t signs, int i) {
    return (signs >> i & 1) ? -1.0f : 1.0f;
}

static inline void put_eight(uint16_t point, float scale, uint32_t signs, float *out) {
    for (int i = 0; i < 8; i++)
        out[i] = scale * twos[point >> 2 * i & 3] * sign_of(signs, i);
}

/* Two points of 4. */
static inline void put_fours(const uint16_t *grid, unsigned first, unsigned second, const float *values, float scale,
                             uint32_t signs, float *out) {
    for (int i = 0; i < 4; i++) {
        out[i] = scale * values[grid[first] >> 4 * i & 7] * sign_of(signs, i);
        out[i + 4] = scale * values[grid[second] >> 4 * i & 7] * sign_of(signs, i + 4);
    }
}

static inline float quarter(float d, unsigned s) {
    return d * (0.5f + (float)s) * 0.25f;
}

PARE_VECTORIZE void pare_ggml_decode_iq2_xxs(const unsigned char *restrict blocks, size_t count, float *restrict out) {
    for (size_t b = 0; b < count; b++, blocks += 66)
        for (int part = 0; part < 8; part++) {
            const unsigned char *points = blocks + 2 + part * 8;
            uint32_t rest = pare_ggml_u32(points + 4);
            float scale = quarter(pare_ggml_half(blocks), rest >> 28);
            for (int k = 0; k < 4; k++, out += 8)
                put_eight(pare_ggml_grid_iq2_xxs[points[k]], scale, all_signs(rest >> 7 * k & 127), out);
        }
}

PARE_VECTORIZE void pare_ggml_decode_iq2_xs(const unsigned char *restrict blocks, size_t count, float *restrict out) {
    for (size_t b = 0; b < count; b++, blocks += 74)
        for (int k = 0; k < 32; k++, out += 8) {
            unsigned q = pare_ggml_u16(blocks + 2 + 2 * k), s = field(blocks[66 + k / 4], k / 2 % 2 * 4, 4);
            put_eight(pare_ggml_grid_iq2_xs[q & 511], quarter(pare_ggml_half(blocks), s), all_signs(q >> 9), out);
        }
}

PARE_VECTORIZE void pare_ggml_decode_iq2_s(const unsigned char *restrict blocks, size_t count, float *restrict out) {
    for (size_t b = 0; b < count; b++, blocks += 82)
        for (int k = 0; k < 32; k++, out += 8) {
            unsigned point = blocks[2 + k] | field(blocks[66 + k / 4], k % 4 * 2, 2) << 8;
            unsigned s = field(blocks[74 + k / 4], k / 2 % 2 * 4, 4);
            put_eight(pare_ggml_grid_iq2_s[point], quarter(pare_ggml_half(blocks), s), blocks[34 + k], out);
        }
}

PARE_VECTORIZE void pare_ggml_decode_iq3_xxs(const unsigned char *restrict blocks, size_t count, float *restrict out) {
    for (size_t b = 0; b < count; b++, blocks += 98)
        for (int k = 0; k < 32; k++, out += 8) {
            uint32_t rest = pare_ggml_u32(blocks + 66 + k / 4 * 4);
            float scale = pare_ggml_half(blocks) * (0.5f + (float)(rest >> 28)) * 0.5f;
            put_fours(pare_ggml_grid_iq3_xxs, blocks[2 + 2 * k], blocks[3 + 2 * k], threes_xxs, scale,
                      all_signs(rest >> k % 4 * 7 & 127), out);
        }
}

PARE_VECTORIZE void pare_ggml_decode_iq3_s(const unsigned char *restrict blocks, size_t count, float *restrict out) {
    for (size_t b = 0; b < count; b++, blocks += 110)
        for (int k = 0; k < 32; k++, out += 8) {
            unsigned ninth = field(blocks[66 + k / 4], k % 4 * 2, 2), s = field(blocks[106 + k / 8], k / 4 % 2 * 4, 4);
            put_fours(pare_ggml_grid_iq3_s, blocks[2 + 2 * k] | (ninth & 1) << 8,
                      blocks[3 + 2 * k] | (ninth >> 1 & 1) << 8, threes, pare_ggml_half(blocks) * (float)(1 + 2 * s),
                      blocks[74 + k], out);
        }
}

static inline void put_ternary(uint16_t point, float scale, float delta, float *out) {
    for (int i = 0; i < 8; i++)
        out[i] = scale * ((float)((int)(point >> 2 * i & 3) - 1) + delta);
}

PARE_VECTORIZE void pare_ggml_decode_iq1_s(const unsigned char *restrict blocks, size_t count, float *restrict out) {
    for (size_t b = 0; b < count; b++, blocks += 50)
        for (int k = 0; k < 32; k++, out += 8) {
            unsigned rest = pare_ggml_u16(blocks + 34 + k / 4 * 2), high = rest >> k % 4 * 3 & 7;
            float scale = pare_ggml_half(blocks) * (float)(2 * (rest >> 12 & 7) + 1);
            put_ternary(pare_ggml_grid_iq1[blocks[2 + k] | high << 8], scale, rest & 0x8000 ? -0.125f : 0.125f, out);
        }
}

PARE_VECTORIZE void pare_ggml_decode_iq1_m(const unsigned char *restrict blocks, size_t count, float *restrict out) {
    for (size_t b = 0; b < count; b++, blocks += 56) {
        unsigned bits = 0;
        for (int i = 0; i < 4; i++)
            bits |= (unsigned)(blocks[49 + 2 * i] >> 4) << 4 * i;
        float d = pare_f16_to_float((uint16_t)bits);
        for (int k = 0; k < 32; k++, out += 8) {
            unsigned rest = field(blocks[32 + k / 2], k % 2 * 4, 4),
                     s = field(pare_ggml_u16(blocks + 48 + k / 8 * 2), k / 2 % 4 * 3, 3);
            put_ternary(pare_ggml_grid_iq1[blocks[k] | (rest & 7) << 8], d * (float)(2 * s + 1),
                        rest & 8 ? -0.125f : 0.125f, out);
        }
    }
}
