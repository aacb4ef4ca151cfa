/* Fits of a few numbers to levels that stand in for them, as ggml's reference makes them: numbers are rounded to levels
 * with one of a few steps (from the best offset so far), and the step (and offset) that suits these levels best,
 * weighed, is solved for. Sums run in eight lanes. For loops that are compiled for several machines
 * (support/vectorize.h). */
#ifndef PARE_CHECKPOINT_GGML_FIT_H
#define PARE_CHECKPOINT_GGML_FIT_H

#include "checkpoint/ggml_encode.h"

#include <math.h>

enum { PARE_FIT_LANES = 8, PARE_FIT_PART = 32 };

/* Below this size all numbers are 0. */
static const float pare_fit_tiny = 1e-15f;

/* How many levels, and which other steps are tried: range / (levels + first + apart i), i < count. */
typedef struct pare_fit_trial {
    int most;
    float first, apart;
    int count;
} pare_fit_trial;

/* With the importance of columns. */
static const pare_fit_trial pare_fit_four_weighed = {15, -0.9f, 0.05f, 37},
                            pare_fit_five_weighed = {31, -0.9f, 0.05f, 37};

/* With what numbers become levels: by (number - least), rounded. */
typedef struct pare_fit_found {
    float by, least;
} pare_fit_found;

/* To the nearest whole number, ties to even, for sizes below 2^22. */
static inline float pare_fit_nearest(float value) {
    return (value + 12582912.0f) - 12582912.0f;
}

static inline float pare_fit_within(float value, float least, float most) {
    return value < least ? least : value > most ? most : value;
}

static inline float pare_fit_total(const float *lanes) {
    float sum = 0;
    for (int i = 0; i < PARE_FIT_LANES; i++)
        sum += lanes[i];
    return sum;
}

/* Sums over a part of w, w x, and with levels l of w l, w l^2, w l x. */
typedef struct pare_fit_sums {
    float w, x, l, ll, lx;
} pare_fit_sums;

static inline void pare_fit_level_sums(const float *x, const float *w, float least, float by, float most,
                                       pare_fit_sums *s) {
    float l[PARE_FIT_LANES] = {0}, ll[PARE_FIT_LANES] = {0}, lx[PARE_FIT_LANES] = {0};
    for (int i = 0; i < PARE_FIT_PART; i += PARE_FIT_LANES)
        for (int j = 0; j < PARE_FIT_LANES; j++) {
            float level = pare_fit_within(pare_fit_nearest(by * (x[i + j] - least)), 0.0f, most),
                  weighted = w[i + j] * level;
            l[j] += weighted;
            ll[j] += weighted * level;
            lx[j] += weighted * x[i + j];
        }
    s->l = pare_fit_total(l);
    s->ll = pare_fit_total(ll);
    s->lx = pare_fit_total(lx);
}

/* sum w (scale l + offset - x)^2 with the levels as level_sums takes them. */
static inline float pare_fit_error_of(const float *x, const float *w, float least, float by, float most, float scale,
                                      float offset) {
    float lanes[PARE_FIT_LANES] = {0};
    for (int i = 0; i < PARE_FIT_PART; i += PARE_FIT_LANES)
        for (int j = 0; j < PARE_FIT_LANES; j++) {
            float level = pare_fit_within(pare_fit_nearest(by * (x[i + j] - least)), 0.0f, most);
            float apart = scale * level + offset - x[i + j];
            lanes[j] += w[i + j] * apart * apart;
        }
    return pare_fit_total(lanes);
}

/* The scale and the offset (not above 0, returned with the other sign) of PARE_FIT_PART numbers. w: their weights. */
static inline float pare_fit_offset(const float *x, const float *w, const pare_fit_trial *t, float *low,
                                    pare_fit_found *found) {
    float least = x[0], largest = x[0];
    pare_fit_sums s = {0};
    for (int i = 0; i < PARE_FIT_PART; i++) {
        least = x[i] < least ? x[i] : least;
        largest = x[i] > largest ? x[i] : largest;
        s.w += w[i];
        s.x += w[i] * x[i];
    }
    least = least > 0 ? 0 : least;
    *low = -least;
    *found = (pare_fit_found){0, least};
    if (!(largest > least)) return 0;
    float most = (float)t->most, scale = (largest - least) / most, offset = least;
    float best = pare_fit_error_of(x, w, offset, 1 / scale, most, scale, offset);
    found->by = 1 / scale;
    for (int i = 0; i < t->count; i++) {
        float by = (t->first + t->apart * (float)i + most) / (largest - offset);
        pare_fit_level_sums(x, w, offset, by, most, &s);
        float determinant = s.w * s.ll - s.l * s.l;
        if (!(determinant > 0)) continue;
        float here = (s.w * s.lx - s.x * s.l) / determinant, begin = (s.ll * s.x - s.l * s.lx) / determinant;
        if (begin > 0) {
            begin = 0;
            here = s.lx / s.ll;
        }
        float error = pare_fit_error_of(x, w, offset, by, most, here, begin);
        if (!(error < best)) continue;
        best = error;
        *found = (pare_fit_found){by, offset};
        scale = here;
        offset = begin;
    }
    *low = -offset;
    return scale;
}

/* The best step of n numbers, a multiple of eight, for levels -most .. most - 1; its sign is that which has the
 * farthest number at the lowest level. *by: what numbers are multiplied with to become levels. */
static inline float pare_fit_centred(const float *x, const float *w, int n, float most, float *by) {
    float farthest = 0, scale = 0, best = 0;
    *by = 0;
    for (int i = 0; i < n; i++)
        if (fabsf(x[i]) > fabsf(farthest)) farthest = x[i];
    if (fabsf(farthest) < pare_fit_tiny) return 0;
    for (int at = 0; at < 19; at++) {
        /* The usual step first, then those around it. */
        int other = at == 0 ? 0 : at <= 9 ? at - 10 : at - 9;
        float here = -(most + 0.1f * (float)other) / farthest, lx[PARE_FIT_LANES] = {0}, ll[PARE_FIT_LANES] = {0};
        for (int i = 0; i < n; i += PARE_FIT_LANES)
            for (int j = 0; j < PARE_FIT_LANES; j++) {
                float v = x[i + j], level = pare_fit_within(pare_fit_nearest(here * v), -most, most - 1);
                float weighted = w[i + j] * level;
                lx[j] += weighted * v;
                ll[j] += weighted * level;
            }
        if (at == 0) *by = here;
        float with_x = pare_fit_total(lx), squares = pare_fit_total(ll);
        if (!(squares > 0) || (at && !(with_x * with_x > best * squares))) continue;
        scale = with_x / squares;
        best = scale * with_x;
        *by = here;
    }
    return scale;
}

/* Of numbers, in their order. */
static inline float pare_ggml_mean_square(const float *x, size_t count) {
    float sum = 0;
    for (size_t i = 0; i < count; i++)
        sum += x[i] * x[i];
    return sum / (float)count;
}

/* w [PARE_FIT_PART] of numbers whose columns have an importance: large ones count for more, as against `square`. */
static inline void pare_ggml_weigh(const float *x, const float *importance, float square, float *w) {
    for (int i = 0; i < PARE_FIT_PART; i++)
        w[i] = importance[i] * sqrtf(square + x[i] * x[i]);
}

#endif
