/* Heads, and the rotary embedding on the way. */
#include "backend/reference/reference.h"

/* Offset in the head-major buffer of token t, query head `member` of key/value head g, sequence b. */
static int64_t head_major(const pare_heads *s, int64_t b, int64_t g, int64_t t, int64_t member) {
    int64_t slot = (b * s->groups + g) * s->capacity + s->offset + t;
    return (slot * s->shared + member) * s->head;
}

static int64_t token_major(const pare_heads *s, int64_t b, int64_t g, int64_t t, int64_t member) {
    return (((b * s->tokens + t) * s->groups + g) * s->shared + member) * s->head;
}

static int64_t rotated_of(const pare_heads *s) {
    return s->rotated ? s->rotated : s->head;
}

/* The angles of token t of sequence b; NULL without a rotation. */
static const float *angles_of(const pare_heads *s, const float *rotation, int64_t b, int64_t t) {
    int64_t position = s->positions ? s->positions[b * s->tokens + t] : s->offset + t;
    return rotation ? rotation + position * rotated_of(s) : NULL;
}

/* Pairs (x1, x2) turn to (x1 cos - x2 sin, x2 cos + x1 sin), or back for direction -1. out may be in. */
static void copy_rotated(const pare_heads *s, float *out, const float *in, const float *angles, double direction) {
    int64_t half = rotated_of(s) / 2;
    for (int64_t i = angles ? 2 * half : 0; i < s->head; i++)
        out[i] = in[i];
    for (int64_t i = 0; angles && i < half; i++) {
        int64_t first = s->interleaved ? 2 * i : i, second = s->interleaved ? 2 * i + 1 : half + i;
        double cosine = (double)angles[i], sine = direction * (double)angles[half + i];
        double x1 = (double)in[first], x2 = (double)in[second];
        out[first] = (float)(x1 * cosine - x2 * sine);
        out[second] = (float)(x2 * cosine + x1 * sine);
    }
}

static void move_heads(const pare_heads *s, const float *in, const float *rotation, bool split, float *out) {
    for (int64_t b = 0; b < s->batch; b++)
        for (int64_t t = 0; t < s->tokens; t++)
            for (int64_t g = 0; g < s->groups; g++)
                for (int64_t member = 0; member < s->shared; member++) {
                    int64_t major = head_major(s, b, g, t, member), token = token_major(s, b, g, t, member);
                    const float *angles = angles_of(s, rotation, b, t);
                    if (split)
                        copy_rotated(s, out + major, in + token, angles, 1.0);
                    else
                        copy_rotated(s, out + token, in + major, angles, -1.0);
                }
}

void pare_reference_split_heads(const pare_backend *backend, const pare_heads *heads, const float *in,
                                const float *rotation, void *out) {
    (void)backend;
    move_heads(heads, in, rotation, true, out);
}

void pare_reference_merge_heads(const pare_backend *backend, const pare_heads *heads, const float *in,
                                const float *rotation, void *out) {
    (void)backend;
    move_heads(heads, in, rotation, false, out);
}

void pare_reference_rotate(const pare_backend *backend, const pare_heads *s, float *x, const float *rotation,
                           bool back) {
    (void)backend;
    for (int64_t row = 0; row < s->batch * s->tokens; row++) {
        const float *angles = angles_of(s, rotation, row / s->tokens, row % s->tokens);
        for (int64_t head = 0; head < s->groups * s->shared; head++) {
            float *at = x + (row * s->groups * s->shared + head) * s->head;
            copy_rotated(s, at, at, angles, back ? -1.0 : 1.0);
        }
    }
}
