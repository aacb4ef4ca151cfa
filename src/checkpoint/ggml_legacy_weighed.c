/* Blocks of 32 (their layout is at the top of ggml_legacy.c) of a row whose columns have an importance, by ggml's
 * reference: the scale (and offset) is the best of some least-squares fits (ggml_fit.h), weighed by the importance and
 * by the size of the numbers as against the row's. */
#include "checkpoint/ggml_fit.h"
#include "support/vectorize.h"

enum { BLOCK = PARE_FIT_PART };

/* levels: [BLOCK], around the middle one of 2 `middle`. */
static inline float centred(const float *x, const float *importance, float square, int middle, int *levels) {
    float w[BLOCK], by, most = (float)middle;
    pare_ggml_weigh(x, importance, square, w);
    float scale = pare_fit_centred(x, w, BLOCK, most, &by);
    bool none = !(by < 0 || by > 0);
    for (int i = 0; i < BLOCK; i++)
        levels[i] = none ? 0 : (int)pare_fit_within(pare_fit_nearest(by * x[i]), -most, most - 1) + middle;
    return scale;
}

/* The same from an offset on, which is returned as *low with the other sign. */
static inline float ranged(const float *x, const float *importance, float square, const pare_fit_trial *t, int *levels,
                           float *low) {
    float w[BLOCK];
    pare_fit_found found;
    pare_ggml_weigh(x, importance, square, w);
    float scale = pare_fit_offset(x, w, t, low, &found);
    for (int i = 0; i < BLOCK; i++) {
        float level = pare_fit_within(found.by * (x[i] - found.least), 0.0f, (float)t->most);
        levels[i] = (int)pare_fit_nearest(level);
    }
    return scale;
}

PARE_VECTORIZE void pare_ggml_weighed_q4_0(const float *row, const float *importance, size_t count,
                                           unsigned char *out) {
    float square = pare_ggml_mean_square(row, count * BLOCK);
    int levels[BLOCK];
    for (size_t b = 0; b < count; b++, row += BLOCK, importance += BLOCK, out += 18) {
        pare_ggml_put_half(out, centred(row, importance, square, 8, levels));
        pare_ggml_put_low(levels, out + 2);
    }
}

PARE_VECTORIZE void pare_ggml_weighed_q5_0(const float *row, const float *importance, size_t count,
                                           unsigned char *out) {
    float square = pare_ggml_mean_square(row, count * BLOCK);
    int levels[BLOCK];
    for (size_t b = 0; b < count; b++, row += BLOCK, importance += BLOCK, out += 22) {
        pare_ggml_put_half(out, centred(row, importance, square, 16, levels));
        pare_ggml_put_fifth(levels, out + 2);
        pare_ggml_put_low(levels, out + 6);
    }
}

PARE_VECTORIZE void pare_ggml_weighed_q4_1(const float *row, const float *importance, size_t count,
                                           unsigned char *out) {
    float square = pare_ggml_mean_square(row, count * BLOCK), low;
    int levels[BLOCK];
    for (size_t b = 0; b < count; b++, row += BLOCK, importance += BLOCK, out += 20) {
        pare_ggml_put_half(out, ranged(row, importance, square, &pare_fit_four_weighed, levels, &low));
        pare_ggml_put_half(out + 2, -low);
        pare_ggml_put_low(levels, out + 4);
    }
}

PARE_VECTORIZE void pare_ggml_weighed_q5_1(const float *row, const float *importance, size_t count,
                                           unsigned char *out) {
    float square = pare_ggml_mean_square(row, count * BLOCK), low;
    int levels[BLOCK];
    for (size_t b = 0; b < count; b++, row += BLOCK, importance += BLOCK, out += 24) {
        pare_ggml_put_half(out, ranged(row, importance, square, &pare_fit_five_weighed, levels, &low));
        pare_ggml_put_half(out + 2, -low);
        pare_ggml_put_fifth(levels, out + 4);
        pare_ggml_put_low(levels, out + 8);
    }
}
