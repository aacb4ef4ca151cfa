/* Blocks of 256 in parts with scales of their own (their layout is at the top of ggml_k.c). As in ggml's reference,
 * each part's scale (and offset) is the best of some least-squares fits (ggml_fit.h). The scales are rounded to
 * multiples of the block's, and the levels taken anew with what is read again. Where columns have an importance,
 * numbers are weighed by it, and the block's scales are fitted, too, as weighed sums of the parts' weights. */
#include "checkpoint/ggml_fit.h"
#include "support/vectorize.h"

enum { BLOCK = 256, PART = PARE_FIT_PART, PARTS = BLOCK / PART, SMALL = 16, SMALLS = BLOCK / SMALL };
enum { SCALE_STEPS = 63 };

static const pare_fit_trial four_bits = {15, -1.0f, 0.1f, 21}, five_bits = {31, -0.5f, 0.1f, 16};

/* Large numbers count for more. */
static inline void weigh(const float *x, float *w) {
    float lanes[PARE_FIT_LANES] = {0};
    for (int i = 0; i < PART; i += PARE_FIT_LANES)
        for (int j = 0; j < PARE_FIT_LANES; j++)
            lanes[j] += x[i + j] * x[i + j];
    float mean = sqrtf(pare_fit_total(lanes) / PART);
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

/* Multiples s and o of the block's scales d and m to out[4 .. 15], and its levels. */
static inline void put_parts(const float *x, float most, float d, float m, const float *s, const float *o,
                             unsigned char *out, unsigned char *levels) {
    memset(out + 4, 0, 12);
    for (int part = 0; part < PARTS; part++) {
        float step = d * s[part], offset = m * o[part];
        put_scale(out + 4, part, (int)s[part], (int)o[part]);
        for (int i = 0; i < PART; i++) {
            float v = (x[part * PART + i] + offset) / step;
            float level = step > 0 ? pare_fit_nearest(pare_fit_within(v, 0.0f, most)) : 0.0f;
            levels[part * PART + i] = (unsigned char)level;
        }
    }
}

/* Scales and offsets of a block to out[0 .. 15], and its levels. */
static inline void fit_block(const float *x, const pare_fit_trial *t, unsigned char *out, unsigned char *levels) {
    float scale[PARTS], low[PARTS], w[PART], largest = 0, lowest = 0;
    pare_fit_found found;
    for (int part = 0; part < PARTS; part++) {
        weigh(x + part * PART, w);
        scale[part] = pare_fit_offset(x + part * PART, w, t, &low[part], &found);
        largest = scale[part] > largest ? scale[part] : largest;
        lowest = low[part] > lowest ? low[part] : lowest;
    }
    float d = pare_ggml_put_half(out, largest / SCALE_STEPS), m = pare_ggml_put_half(out + 2, lowest / SCALE_STEPS);
    float by = largest > pare_fit_tiny ? SCALE_STEPS / largest : 0;
    float by_low = lowest > pare_fit_tiny ? SCALE_STEPS / lowest : 0;
    for (int part = 0; part < PARTS; part++) {
        scale[part] = pare_fit_within(pare_fit_nearest(by * scale[part]), 0, SCALE_STEPS);
        low[part] = pare_fit_within(pare_fit_nearest(by_low * low[part]), 0, SCALE_STEPS);
    }
    put_parts(x, (float)t->most, d, m, scale, low, out, levels);
}

/* Sums over the parts of w x l and of w l^2, l their levels. */
typedef struct fitted {
    float lx, ll;
} fitted;

/* One level after the other goes where the fit is better. True if one did. */
static bool better_levels(const float *x, const float *w, float *levels, fitted *f) {
    bool changed = false;
    for (int i = 0; i < PARTS; i++) {
        float lx = f->lx - w[i] * x[i] * levels[i], ll = f->ll - w[i] * levels[i] * levels[i];
        if (!(lx > 0 && ll > 0)) continue;
        float other = pare_fit_within(pare_fit_nearest(pare_fit_within(x[i] * ll / lx, 0, 1e6f)), 0, SCALE_STEPS);
        if (!(other < levels[i] || other > levels[i])) continue;
        lx += w[i] * x[i] * other;
        ll += w[i] * other * other;
        if (!(lx * lx * f->ll > f->lx * f->lx * ll)) continue;
        levels[i] = other;
        *f = (fitted){lx, ll};
        changed = true;
    }
    return changed;
}

static float error_with(const float *x, const float *w, float by) {
    float sum = 0;
    for (int i = 0; i < PARTS; i++) {
        float apart = x[i] - 1 / by * pare_fit_within(pare_fit_nearest(by * x[i]), 0, SCALE_STEPS);
        sum += w[i] * apart * apart;
    }
    return sum;
}

/* What scales x [PARTS], none below 0, are multiples of, best with weights w; and these multiples. */
static float fit_scales(const float *x, const float *w, float *levels) {
    enum { ROUNDS = 5, REACH = 4 };
    float largest = 0;
    fitted f = {0};
    for (int i = 0; i < PARTS; i++)
        largest = x[i] > largest ? x[i] : largest;
    memset(levels, 0, PARTS * sizeof *levels);
    if (largest < pare_fit_tiny) return 0;
    float by = SCALE_STEPS / largest, best = error_with(x, w, by);
    for (int other = -REACH; other <= REACH; other++) {
        float here = (0.1f * (float)other + SCALE_STEPS) / largest, error = other ? error_with(x, w, here) : best;
        if (!(error < best)) continue;
        best = error;
        by = here;
    }
    for (int i = 0; i < PARTS; i++) {
        levels[i] = pare_fit_within(pare_fit_nearest(by * x[i]), 0, SCALE_STEPS);
        f.lx += w[i] * x[i] * levels[i];
        f.ll += w[i] * levels[i] * levels[i];
    }
    for (int round = 0; round < ROUNDS && better_levels(x, w, levels, &f); round++)
        continue;
    return f.ll > 0 ? f.lx / f.ll : 0;
}

/* The same as fit_block with the importance of columns. */
static inline void fit_block_weighed(const float *x, const float *importance, const pare_fit_trial *t,
                                     unsigned char *out, unsigned char *levels) {
    float scale[PARTS], low[PARTS], total[PARTS], w[PART], s[PARTS], o[PARTS];
    float square = 2 * pare_ggml_mean_square(x, BLOCK);
    pare_fit_found found;
    for (int part = 0; part < PARTS; part++) {
        pare_ggml_weigh(x + part * PART, importance + part * PART, square, w);
        total[part] = 0;
        for (int i = 0; i < PART; i++)
            total[part] += w[i];
        scale[part] = pare_fit_offset(x + part * PART, w, t, &low[part], &found);
    }
    float d = pare_ggml_put_half(out, fit_scales(scale, total, s));
    float m = pare_ggml_put_half(out + 2, fit_scales(low, total, o));
    put_parts(x, (float)t->most, d, m, s, o, out, levels);
}

static inline void put_low(const unsigned char *levels, unsigned char *out) {
    for (int pair = 0; pair < PARTS / 2; pair++, levels += 2 * PART, out += PART)
        for (int i = 0; i < PART; i++)
            out[i] = (unsigned char)((levels[i] & 15) | (levels[i + PART] & 15) << 4);
}

static inline void put_fifth(const unsigned char *levels, unsigned char *out) {
    memset(out, 0, PART);
    for (int i = 0; i < BLOCK; i++)
        out[i % PART] = (unsigned char)(out[i % PART] | (levels[i] >> 4) << i / PART);
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
        put_fifth(levels, out + 16);
        put_low(levels, out + 48);
    }
}

PARE_VECTORIZE void pare_ggml_weighed_q4_k(const float *row, const float *importance, size_t count,
                                           unsigned char *out) {
    unsigned char levels[BLOCK];
    for (size_t b = 0; b < count; b++, row += BLOCK, importance += BLOCK, out += 144) {
        fit_block_weighed(row, importance, &pare_fit_four_weighed, out, levels);
        put_low(levels, out + 16);
    }
}

PARE_VECTORIZE void pare_ggml_weighed_q5_k(const float *row, const float *importance, size_t count,
                                           unsigned char *out) {
    unsigned char levels[BLOCK];
    for (size_t b = 0; b < count; b++, row += BLOCK, importance += BLOCK, out += 176) {
        fit_block_weighed(row, importance, &pare_fit_five_weighed, out, levels);
        put_fifth(levels, out + 16);
        put_low(levels, out + 48);
    }
}

/* levels: [BLOCK] 0 .. 63; scales to out[0 .. 15], the block's to out[16 .. 17]. w: weights of the numbers. */
static inline void fit_smalls(const float *x, const float *w, unsigned char *out, unsigned char *levels) {
    float scale[SMALLS], farthest = 0, used;
    for (int part = 0; part < SMALLS; part++) {
        scale[part] = pare_fit_centred(x + part * SMALL, w + part * SMALL, SMALL, 32.0f, &used);
        if (fabsf(scale[part]) > fabsf(farthest)) farthest = scale[part];
    }
    float by = fabsf(farthest) < pare_fit_tiny ? 0 : -128.0f / farthest;
    float d = pare_ggml_put_half(out + SMALLS, by < 0 || by > 0 ? 1.0f / by : 0);
    for (int part = 0; part < SMALLS; part++) {
        float s = pare_fit_within(pare_fit_nearest(by * scale[part]), -128.0f, 127.0f), step = d * s;
        out[part] = (unsigned char)(int)s;
        for (int i = 0; i < SMALL; i++) {
            float v = x[part * SMALL + i];
            float level = step < 0 || step > 0 ? pare_fit_nearest(pare_fit_within(v / step, -32.0f, 31.0f)) : 0.0f;
            levels[part * SMALL + i] = (unsigned char)(int)(level + 32.0f);
        }
    }
}

static inline void put_six(const unsigned char *levels, unsigned char *out) {
    memset(out, 0, 192);
    for (int i = 0; i < BLOCK; i++) {
        unsigned char *low = out + i / 128 * 64 + i % 64, *high = out + 128 + i / 128 * 32 + i % 32;
        *low = (unsigned char)(*low | (levels[i] & 15) << i / 64 % 2 * 4);
        *high = (unsigned char)(*high | levels[i] >> 4 << i / 32 % 4 * 2);
    }
}

/* Weights are squares of the numbers. */
PARE_VECTORIZE void pare_ggml_encode_q6_k(const float *values, size_t count, unsigned char *out) {
    unsigned char levels[BLOCK];
    float w[BLOCK];
    for (size_t b = 0; b < count; b++, values += BLOCK, out += 210) {
        for (int i = 0; i < BLOCK; i++)
            w[i] = values[i] * values[i];
        fit_smalls(values, w, out + 192, levels);
        put_six(levels, out);
    }
}

PARE_VECTORIZE void pare_ggml_weighed_q6_k(const float *row, const float *importance, size_t count,
                                           unsigned char *out) {
    unsigned char levels[BLOCK];
    for (size_t b = 0; b < count; b++, row += BLOCK, importance += BLOCK, out += 210) {
        fit_smalls(row, importance, out + 192, levels);
        put_six(levels, out);
    }
}
