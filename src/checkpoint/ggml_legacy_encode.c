/* Blocks of 32 (their layout is at the top of ggml_legacy.c) by ggml's reference: the scale is the number of the
 * largest size by the lowest level (Q4_0, Q5_0), or the range by the number of steps. The bits are its own: every
 * product and sum is rounded to fp32. */
#include "checkpoint/ggml_encode.h"
#include "support/vectorize.h"

#include <math.h>

enum { BLOCK = 32, HALF = BLOCK / 2 };

void pare_ggml_encode_f32(const float *values, size_t count, unsigned char *out) {
    pare_from_float(out, PARE_DTYPE_F32, values, count);
}

void pare_ggml_encode_f16(const float *values, size_t count, unsigned char *out) {
    pare_from_float(out, PARE_DTYPE_F16, values, count);
}

void pare_ggml_encode_bf16(const float *values, size_t count, unsigned char *out) {
    pare_from_float(out, PARE_DTYPE_BF16, values, count);
}

/* The first of those that are farthest from 0. */
static float farthest(const float *values) {
    float found = 0;
    for (int i = 0; i < BLOCK; i++)
        if (fabsf(values[i]) > fabsf(found)) found = values[i];
    return found;
}

/* 0 where there is none in fp32: such a step is 0 in fp16. */
static float inverse(float d) {
    float by = d < 0 || d > 0 ? 1.0f / d : 0.0f;
    return isfinite(by) ? by : 0.0f;
}

static int clamp(float value, int most) {
    int whole = (int)value;
    return whole < 0 ? 0 : whole > most ? most : whole;
}

/* levels: [BLOCK], around the middle one of 2 `middle`. */
static float centred(const float *values, int middle, int *levels) {
    float d = farthest(values) / (float)-middle, by = inverse(d);
    for (int i = 0; i < BLOCK; i++)
        levels[i] = clamp(values[i] * by + ((float)middle + 0.5f), 2 * middle - 1);
    return d;
}

/* The same from the smallest number on, in `most` steps. */
static float ranged(const float *values, int most, int *levels, float *least) {
    float largest = values[0];
    *least = values[0];
    for (int i = 1; i < BLOCK; i++) {
        largest = values[i] > largest ? values[i] : largest;
        *least = values[i] < *least ? values[i] : *least;
    }
    float d = (largest - *least) / (float)most, by = inverse(d);
    for (int i = 0; i < BLOCK; i++)
        levels[i] = clamp((values[i] - *least) * by + 0.5f, most);
    return d;
}

void pare_ggml_put_low(const int *levels, unsigned char *out) {
    for (int i = 0; i < HALF; i++)
        out[i] = (unsigned char)((levels[i] & 15) | (levels[i + HALF] & 15) << 4);
}

void pare_ggml_put_fifth(const int *levels, unsigned char *out) {
    for (int i = 0; i < BLOCK / 8; i++) {
        out[i] = 0;
        for (int bit = 0; bit < 8; bit++)
            out[i] = (unsigned char)(out[i] | (levels[8 * i + bit] >> 4) << bit);
    }
}

void pare_ggml_encode_q4_0(const float *values, size_t count, unsigned char *out) {
    int levels[BLOCK];
    for (size_t b = 0; b < count; b++, values += BLOCK, out += 18) {
        pare_ggml_put_half(out, centred(values, 8, levels));
        pare_ggml_put_low(levels, out + 2);
    }
}

void pare_ggml_encode_q5_0(const float *values, size_t count, unsigned char *out) {
    int levels[BLOCK];
    for (size_t b = 0; b < count; b++, values += BLOCK, out += 22) {
        pare_ggml_put_half(out, centred(values, 16, levels));
        pare_ggml_put_fifth(levels, out + 2);
        pare_ggml_put_low(levels, out + 6);
    }
}

void pare_ggml_encode_q4_1(const float *values, size_t count, unsigned char *out) {
    int levels[BLOCK];
    float least;
    for (size_t b = 0; b < count; b++, values += BLOCK, out += 20) {
        pare_ggml_put_half(out, ranged(values, 15, levels, &least));
        pare_ggml_put_half(out + 2, least);
        pare_ggml_put_low(levels, out + 4);
    }
}

void pare_ggml_encode_q5_1(const float *values, size_t count, unsigned char *out) {
    int levels[BLOCK];
    float least;
    for (size_t b = 0; b < count; b++, values += BLOCK, out += 24) {
        pare_ggml_put_half(out, ranged(values, 31, levels, &least));
        pare_ggml_put_half(out + 2, least);
        pare_ggml_put_fifth(levels, out + 4);
        pare_ggml_put_low(levels, out + 8);
    }
}

/* The largest size. */
static inline float reach(const float *values) {
    enum { LANES = 8 };
    float lanes[LANES] = {0}, most = 0;
    for (int i = 0; i < BLOCK; i += LANES)
        for (int k = 0; k < LANES; k++)
            lanes[k] = fabsf(values[i + k]) > lanes[k] ? fabsf(values[i + k]) : lanes[k];
    for (int k = 0; k < LANES; k++)
        most = lanes[k] > most ? lanes[k] : most;
    return most;
}

/* What roundf makes of it, in steps that loops take side by side: what is cut off is exact. */
static inline int to_nearest(float value) {
    int whole = (int)value;
    float rest = value - (float)whole;
    return whole + (rest >= 0.5f ? 1 : 0) - (rest <= -0.5f ? 1 : 0);
}

PARE_VECTORIZE void pare_ggml_encode_q8_0(const float *values, size_t count, unsigned char *out) {
    for (size_t b = 0; b < count; b++, values += BLOCK, out += 34) {
        float d = reach(values) / 127.0f, by = inverse(d);
        signed char levels[BLOCK];
        for (int i = 0; i < BLOCK; i++)
            levels[i] = (signed char)to_nearest(values[i] * by);
        pare_ggml_put_half(out, d);
        memcpy(out + 2, levels, BLOCK);
    }
}
