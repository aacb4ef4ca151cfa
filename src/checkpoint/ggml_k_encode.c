/* Blocks of 256 in parts with scales of their own (their layout is at the top of ggml_k.c). As in ggml's reference,
 * each part's scale (and offset) is the best of some least-squares fits: numbers are rounded to levels with one of a
 * few steps from the best offset so far, and the step (and offset) that suits these levels best is solved for. The
 * scales are rounded to multiples of the block's, and the levels taken anew with what is read again. Sums run in eight
 * lanes. */
#include "checkpoint/ggml_encode.h"
#include "support/vectorize.h"

#include <math.h>

enum { BLOCK = 256, LANES = 8, PART = 32, PARTS = BLOCK / PART, SMALL = 16, SMALLS = BLOCK / SMALL };
enum { SCALE_STEPS = 63 };

/* Below this size all numbers of a block are 0. */
static const float TINY = 1e-15f;

/* How many levels, and which other steps are tried: range / (levels + first + i / 10), i < count. */
typedef struct trial {
    int most;
    float first;
    int count;
} trial;

static const trial four_bits = {15, -1.0f, 21}, five_bits = {31, -0.5f, 16};

/* To the nearest whole number, ties to even, for sizes below 2^22. */
static inline float nearest(float value) {
    return (value + 12582912.0f) - 12582912.0f;
}

static inline float within(float value, float least, float most) {
    return value < least ? least : value > most ? most : value;
}

static inline float total(const float *lanes) {
    float sum = 0;
    for (int i = 0; i < LANES; i++)
        sum += lanes[i];
    return sum;
}

/* Sums over a part of w, w x, and with levels l of w l, w l^2, w l x. */
typedef struct sums {
    float w, x, l, ll, lx;
} sums;

static inline void level_sums(const float *x, const float *w, float least, float by, float most, sums *s) {
    float l[LANES] = {0}, ll[LANES] = {0}, lx[LANES] = {0};
    for (int i = 0; i < PART; i += LANES)
        for (int j = 0; j < LANES; j++) {
            float level = within(nearest(by * (x[i + j] - least)), 0.0f, most), weighted = w[i + j] * level;
            l[j] += weighted;
            ll[j] += weighted * level;
            lx[j] += weighted * x[i + j];
        }
    s->l = total(l);
    s->ll = total(ll);
    s->lx = total(lx);
}

/* sum w (scale l + offset - x)^2 with the levels as level_sums takes them. */
static inline float error_of(const float *x, const float *w, float least, float by, float most, float scale,
                             float offset) {
    float lanes[LANES] = {0};
    for (int i = 0; i < PART; i += LANES)
        for (int j = 0; j < LANES; j++) {
            float level = within(nearest(by * (x[i + j] - least)), 0.0f, most);
            float apart = scale * level + offset - x[i + j];
            lanes[j] += w[i + j] * apart * apart;
        }
    return total(lanes);
}

/* The scale and the offset (not above 0, returned with the other sign) of a part. w: weights of its numbers. */
static inline float fit_part(const float *x, const float *w, const trial *t, float *low) {
    float least = x[0], largest = x[0];
    sums s = {0};
    for (int i = 0; i < PART; i++) {
        least = x[i] < least ? x[i] : least;
        largest = x[i] > largest ? x[i] : largest;
        s.w += w[i];
        s.x += w[i] * x[i];
    }
    least = least > 0 ? 0 : least;
    *low = -least;
    if (!(largest > least)) return 0;
    float most = (float)t->most, scale = (largest - least) / most, offset = least;
    float best = error_of(x, w, offset, 1 / scale, most, scale, offset);
    for (int i = 0; i < t->count; i++) {
        float by = (t->first + 0.1f * (float)i + most) / (largest - offset);
        level_sums(x, w, offset, by, most, &s);
        float determinant = s.w * s.ll - s.l * s.l;
        if (!(determinant > 0)) continue;
        float here = (s.w * s.lx - s.x * s.l) / determinant, begin = (s.ll * s.x - s.l * s.lx) / determinant;
        if (begin > 0) {
            begin = 0;
            here = s.lx / s.ll;
        }
        float error = error_of(x, w, offset, by, most, here, begin);
        if (!(error < best)) continue;
        best = error;
        scale = here;
        offset = begin;
    }
    *low = -offset;
    return scale;
}

/* Large numbers count for more. */
static inline void weigh(const float *x, float *w) {
    float lanes[LANES] = {0};
    for (int i = 0; i < PART; i += LANES)
        for (int j = 0; j < LANES; j++)
            lanes[j] += x[i + j] * x[i + j];
    float mean = sqrtf(total(lanes) / PART);
    for (int i = 0; i < PART; i++)
        w[i] = mean + fabsf(x[i]);
}

/* The inverse of scale_and_offset in ggml_k.c. */
static inline void put_scale(unsigned char *packed, int part, int scale, int offset) {
    if (part < 4) {
        packed[part] = (unsigned char)(packed[part] | scale);
        packed[part + 4] = (unsigned char)(packed[part + 4] | offset);
    } else {
        packed[part + 4] = (unsigned char)((scale & 15) | (offset & 15) << 4);
        packed[part - 4] = (unsigned char)(packed[part - 4] | (scale >> 4) << 6);
        packed[part] = (unsigned char)(packed[part] | (offset >> 4) << 6);
    }
}

/* Scales and offsets of a block to out[0 .. 15], and its levels. */
static inline void fit_block(const float *x, const trial *t, unsigned char *out, unsigned char *levels) {
    float scale[PARTS], low[PARTS], w[PART], largest = 0, lowest = 0, most = (float)t->most;
    for (int part = 0; part < PARTS; part++) {
        weigh(x + part * PART, w);
        scale[part] = fit_part(x + part * PART, w, t, &low[part]);
        largest = scale[part] > largest ? scale[part] : largest;
        lowest = low[part] > lowest ? low[part] : lowest;
    }
    float d = pare_ggml_put_half(out, largest / SCALE_STEPS), m = pare_ggml_put_half(out + 2, lowest / SCALE_STEPS);
    float by = largest > TINY ? SCALE_STEPS / largest : 0, by_low = lowest > TINY ? SCALE_STEPS / lowest : 0;
    memset(out + 4, 0, 12);
    for (int part = 0; part < PARTS; part++) {
        float s = within(nearest(by * scale[part]), 0, SCALE_STEPS), o = within(nearest(by_low * low[part]), 0, 63);
        float step = d * s, offset = m * o;
        put_scale(out + 4, part, (int)s, (int)o);
        for (int i = 0; i < PART; i++) {
            float level = step > 0 ? nearest(within((x[part * PART + i] + offset) / step, 0.0f, most)) : 0.0f;
            levels[part * PART + i] = (unsigned char)level;
        }
    }
}

static inline void put_low(const unsigned char *levels, unsigned char *out) {
    for (int pair = 0; pair < PARTS / 2; pair++, levels += 2 * PART, out += PART)
        for (int i = 0; i < PART; i++)
            out[i] = (unsigned char)((levels[i] & 15) | (levels[i + PART] & 15) << 4);
}

PARE_VECTORIZE void pare_ggml_encode_q4_k(const float *values, size_t count, unsigned char *out) {
    unsigned char levels[BLOCK];
    for (size_t b = 0; b < count; b++, values += BLOCK, out += 144) {
        fit_block(values, &four_bits, out, levels);
        put_low(levels, out + 16);
    }
}

PARE_VECTORIZE void pare_ggml_encode_q5_k(const float *values, size_t count, unsigned char *out) {
    unsigned char levels[BLOCK];
    for (size_t b = 0; b < count; b++, values += BLOCK, out += 176) {
        fit_block(values, &five_bits, out, levels);
        memset(out + 16, 0, PART);
        for (int i = 0; i < BLOCK; i++)
            out[16 + i % PART] = (unsigned char)(out[16 + i % PART] | (levels[i] >> 4) << i / PART);
        put_low(levels, out + 48);
    }
}

/* The best step of 16 numbers for levels -32 .. 31, with weights x^2; its sign is that which has the farthest number at
 * the lowest level. */
static inline float fit_small(const float *x) {
    float farthest = 0, scale = 0, best = 0;
    for (int i = 0; i < SMALL; i++)
        if (fabsf(x[i]) > fabsf(farthest)) farthest = x[i];
    if (fabsf(farthest) < TINY) return 0;
    for (int at = 0; at < 19; at++) {
        /* The usual step first, then those around it. */
        int other = at == 0 ? 0 : at <= 9 ? at - 10 : at - 9;
        float by = -(32.0f + 0.1f * (float)other) / farthest, lx[LANES] = {0}, ll[LANES] = {0};
        for (int i = 0; i < SMALL; i += LANES)
            for (int j = 0; j < LANES; j++) {
                float v = x[i + j], level = within(nearest(by * v), -32.0f, 31.0f), weighted = v * v * level;
                lx[j] += weighted * v;
                ll[j] += weighted * level;
            }
        float with_x = total(lx), squares = total(ll);
        if (!(squares > 0) || (at && !(with_x * with_x > best * squares))) continue;
        scale = with_x / squares;
        best = scale * with_x;
    }
    return scale;
}

/* levels: [BLOCK] 0 .. 63; scales to out[0 .. 15], the block's to out[16 .. 17]. */
static inline void fit_smalls(const float *x, unsigned char *out, unsigned char *levels) {
    float scale[SMALLS], farthest = 0;
    for (int part = 0; part < SMALLS; part++) {
        scale[part] = fit_small(x + part * SMALL);
        if (fabsf(scale[part]) > fabsf(farthest)) farthest = scale[part];
    }
    float by = fabsf(farthest) < TINY ? 0 : -128.0f / farthest;
    float d = pare_ggml_put_half(out + SMALLS, by < 0 || by > 0 ? 1.0f / by : 0);
    for (int part = 0; part < SMALLS; part++) {
        float s = within(nearest(by * scale[part]), -128.0f, 127.0f), step = d * s;
        out[part] = (unsigned char)(int)s;
        for (int i = 0; i < SMALL; i++) {
            float v = x[part * SMALL + i];
            float level = step < 0 || step > 0 ? nearest(within(v / step, -32.0f, 31.0f)) : 0.0f;
            levels[part * SMALL + i] = (unsigned char)(int)(level + 32.0f);
        }
    }
}

PARE_VECTORIZE void pare_ggml_encode_q6_k(const float *values, size_t count, unsigned char *out) {
    unsigned char levels[BLOCK];
    for (size_t b = 0; b < count; b++, values += BLOCK, out += 210) {
        fit_smalls(values, out + 192, levels);
        memset(out, 0, 192);
        for (int i = 0; i < BLOCK; i++) {
            unsigned char *low = out + i / 128 * 64 + i % 64, *high = out + 128 + i / 128 * 32 + i % 32;
            *low = (unsigned char)(*low | (levels[i] & 15) << i / 64 % 2 * 4);
            *high = (unsigned char)(*high | levels[i] >> 4 << i / 32 % 4 * 2);
        }
    }
}
