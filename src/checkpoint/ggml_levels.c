/* Blocks whose elements are one of a few levels, times a scale:
 *
 *   IQ4_NL  d (fp16), 16 bytes of q as in Q4_0                                            d levels[q]
 *   IQ4_XS  d, 2 bytes: high 2 bits of 8 scales, 4 bytes: their low 4, 128 bytes of q     (d (s - 32)) levels[q]
 *   MXFP4   1 byte: exponent e, 16 bytes of q as in Q4_0                                  2^(e - 128) fours[q]
 *   NVFP4   4 bytes: unsigned E4M3 scales of 16 elements, 32 bytes of q                   (d / 2) fours[q]
 *   TQ1_0   48 + 4 bytes: five, or in the last 4 four, digits of base 3 each, d           d (q - 1)
 *   TQ2_0   64 bytes of q, 2 bits as in Q2_K, d                                           d (q - 1)
 *
 * In IQ4_XS and NVFP4 the low halves of a part's bytes come first, then the high ones. The levels are constants of the
 * format, those of ggml (ggml_grids.c says whose).
 */
#include "checkpoint/ggml_decode.h"
#include "support/vectorize.h"

static const float levels[16] = {-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113};
/* E2M1, doubled. */
static const float fours[16] = {0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12};

/* bytes: [half] of two elements each. */
static inline void look_up(const unsigned char *q, int half, const float *table, float scale, float *out) {
    for (int i = 0; i < half; i++) {
        out[i] = scale * table[q[i] & 15];
        out[i + half] = scale * table[q[i] >> 4];
    }
}

PARE_VECTORIZE void pare_ggml_decode_iq4_nl(const unsigned char *restrict blocks, size_t count, float *restrict out) {
    for (size_t b = 0; b < count; b++, blocks += 18, out += 32)
        look_up(blocks + 2, 16, levels, pare_ggml_half(blocks), out);
}

PARE_VECTORIZE void pare_ggml_decode_iq4_xs(const unsigned char *restrict blocks, size_t count, float *restrict out) {
    for (size_t b = 0; b < count; b++, blocks += 136) {
        float d = pare_ggml_half(blocks);
        int high = pare_ggml_u16(blocks + 2);
        for (int part = 0; part < 8; part++, out += 32) {
            int scale = (blocks[4 + part / 2] >> part % 2 * 4 & 15) | (high >> 2 * part & 3) << 4;
            look_up(blocks + 8 + part * 16, 16, levels, d * (float)(scale - 32), out);
        }
    }
}

/* Half of 2^(exponent - 127), the doubled levels' scale; subnormal for 0 and 1. */
static inline float half_power(unsigned exponent) {
    uint32_t bits = exponent < 2 ? UINT32_C(0x00200000) << exponent : (uint32_t)(exponent - 1) << 23;
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

PARE_VECTORIZE void pare_ggml_decode_mxfp4(const unsigned char *restrict blocks, size_t count, float *restrict out) {
    for (size_t b = 0; b < count; b++, blocks += 17, out += 32)
        look_up(blocks + 1, 16, fours, half_power(blocks[0]), out);
}

PARE_VECTORIZE static void decode_neighbours(const unsigned char *restrict blocks,
                                             const unsigned char *restrict exponents, uint64_t count,
                                             float *restrict out) {
    for (uint64_t b = 0; b < count; b++, blocks += 16, out += 32) {
        float scale = half_power(exponents[b]);
        for (int i = 0; i < 16; i++) {
            out[2 * i] = scale * fours[blocks[i] & 15];
            out[2 * i + 1] = scale * fours[blocks[i] >> 4];
        }
    }
}

void pare_mxfp4_values(const unsigned char *blocks, const unsigned char *exponents, uint64_t first, uint64_t count,
                       float *out) {
    enum { SIZE = 32 };
    for (uint64_t i = first, end = first + count, take; i < end; i += take, out += take) {
        take = i % SIZE ? 1 : (end - i) / SIZE * SIZE;
        decode_neighbours(blocks + i / 2, exponents + i / SIZE, take / SIZE, out);
        if (take >= SIZE) continue;
        take = 1;
        *out = half_power(exponents[i / SIZE]) * fours[blocks[i / 2] >> i % 2 * 4 & 15];
    }
}

/* Half of the number that `bits` (4 of exponent, 3 of mantissa) stand for; 0 for what is no number. */
static inline float half_e4m3(unsigned bits) {
    unsigned exponent = bits >> 3 & 15, mantissa = bits & 7;
    if (bits == 0x7f) return 0.0f;
    if (!exponent) return (float)mantissa * 0x1p-10f;
    return (1.0f + (float)mantissa / 8.0f) * half_power(exponent + 120);
}

PARE_VECTORIZE void pare_ggml_decode_nvfp4(const unsigned char *restrict blocks, size_t count, float *restrict out) {
    for (size_t b = 0; b < count; b++, blocks += 36)
        for (int part = 0; part < 4; part++, out += 16)
            look_up(blocks + 4 + part * 8, 8, fours, half_e4m3(blocks[part]), out);
}

/* The digit in front of the point of a fraction of 256 that is multiplied by 3. */
static inline float digit(unsigned char fraction) {
    return (float)((fraction * 3 >> 8) - 1);
}

PARE_VECTORIZE void pare_ggml_decode_tq1_0(const unsigned char *restrict blocks, size_t count, float *restrict out) {
    static const struct { int begin, bytes, digits; } parts[] = {{0, 32, 5}, {32, 16, 5}, {48, 4, 4}};
    static const unsigned char powers[] = {1, 3, 9, 27, 81};
    for (size_t b = 0; b < count; b++, blocks += 54) {
        float d = pare_ggml_half(blocks + 52);
        for (int part = 0; part < 3; part++)
            for (int n = 0; n < parts[part].digits; n++, out += parts[part].bytes)
                for (int i = 0; i < parts[part].bytes; i++)
                    out[i] = d * digit((unsigned char)(blocks[parts[part].begin + i] * powers[n]));
    }
}

PARE_VECTORIZE void pare_ggml_decode_tq2_0(const unsigned char *restrict blocks, size_t count, float *restrict out) {
    for (size_t b = 0; b < count; b++, blocks += 66) {
        float d = pare_ggml_half(blocks + 64);
        for (int part = 0; part < 8; part++, out += 32)
            for (int i = 0; i < 32; i++)
                out[i] = d * (float)((blocks[part / 4 * 32 + i] >> part % 4 * 2 & 3) - 1);
    }
}
