#include "backend/cpu/attention_score.h"
#include "backend/cpu/vector_math.h"

#include <math.h>
#include <string.h>

float pare_attention_scale(const pare_attention *s) {
    return s->scale > 0.0f ? s->scale : 1.0f / sqrtf((float)s->head);
}

bool pare_attention_bends(const pare_attention *s) {
    return s->cap > 0.0f || s->slopes != NULL;
}

PARE_VECTORIZE static void scale_by(float *restrict x, float scale, int64_t n) {
    for (int64_t i = 0; i < n; i++)
        x[i] *= scale;
}

PARE_VECTORIZE static void cap_scores(float *restrict x, float scale, float cap, int64_t n) {
    float inner = scale / cap;
    for (int64_t i = 0; i < n; i++)
        x[i] = cap * pare_tanh(x[i] * inner);
}

PARE_VECTORIZE static void cap_scores_and_slopes(float *restrict x, float scale, float cap, int64_t n,
                                                 float *restrict slopes) {
    float inner = scale / cap;
    for (int64_t i = 0; i < n; i++) {
        float capped = pare_tanh(x[i] * inner);
        x[i] = cap * capped;
        slopes[i] = 1.0f - capped * capped;
    }
}

PARE_VECTORIZE static void add_distances(float *restrict x, float slope, int32_t distance, int32_t n) {
    for (int32_t i = 0; i < n; i++)
        x[i] += slope * (float)(distance + i);
}

/* Without branches, so that it is vectorized; x is finite. */
static inline float round_to_bf16(float x) {
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    bits = (bits + 0x7fffu + ((bits >> 16) & 1u)) & 0xffff0000u;
    memcpy(&x, &bits, sizeof bits);
    return x;
}

PARE_VECTORIZE static void add_rounded(float *restrict x, float slope, float scale, int32_t position, int32_t n) {
    for (int32_t i = 0; i < n; i++)
        x[i] += scale * round_to_bf16(slope * round_to_bf16((float)(position + i)));
}

void pare_cpu_bend_scores(const pare_bend *bend, float *x, int64_t n, float *slopes) {
    float scale = pare_attention_scale(bend->shape), cap = bend->shape->cap, slope = bend->slope;
    if (cap > 0.0f && slopes)
        cap_scores_and_slopes(x, scale, cap, n, slopes);
    else if (cap > 0.0f)
        cap_scores(x, scale, cap, n);
    else
        scale_by(x, scale, n);
    if (bend->shape->rounded_slopes && slope != 0.0f)
        add_rounded(x, slope, scale, (int32_t)(bend->position + bend->distance), (int32_t)n);
    else if (slope != 0.0f)
        add_distances(x, slope, (int32_t)bend->distance, (int32_t)n);
}
