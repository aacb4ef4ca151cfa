/* Between token-major projections and head-major attention operands, with the rotary embedding on the way:
 * (x1, x2) -> (x1 cos - x2 sin, x2 cos + x1 sin) on pairs of each head's dimensions. */
#include "backend/cpu/cpu.h"
#include "backend/cpu/vector_math.h"

enum { MAX_HEAD = 1024 };

PARE_VECTORIZE static void rotate(float *restrict out, const float *restrict in, const float *restrict rotation,
                                  float direction, int64_t half) {
    for (int64_t i = 0; i < half; i++) {
        float cosine = rotation[i], sine = direction * rotation[half + i];
        out[i] = in[i] * cosine - in[half + i] * sine;
        out[half + i] = in[half + i] * cosine + in[i] * sine;
    }
}

PARE_VECTORIZE static void rotate_interleaved(float *restrict out, const float *restrict in,
                                              const float *restrict rotation, float direction, int64_t half) {
    for (int64_t i = 0; i < half; i++) {
        float cosine = rotation[i], sine = direction * rotation[half + i];
        out[2 * i] = in[2 * i] * cosine - in[2 * i + 1] * sine;
        out[2 * i + 1] = in[2 * i + 1] * cosine + in[2 * i] * sine;
    }
}

static int64_t rotated_of(const pare_heads *s) {
    return s->rotated ? s->rotated : s->head;
}

/* One head, turned by `direction` times the angles; out is not in. */
static void rotate_head(const pare_heads *s, float *out, const float *in, const float *angles, float direction) {
    int64_t rotated = rotated_of(s);
    (s->interleaved ? rotate_interleaved : rotate)(out, in, angles, direction, rotated / 2);
    if (rotated < s->head) memcpy(out + rotated, in + rotated, (size_t)(s->head - rotated) * sizeof *out);
}

static int64_t position_of(const pare_heads *s, int64_t row) {
    return s->positions ? s->positions[row] : s->offset + row % s->tokens;
}

/* Element offset of token t, head `member` of group g of sequence b in the head-major buffer. */
static int64_t head_major(const pare_heads *s, int64_t b, int64_t g, int64_t t, int64_t member) {
    return (((b * s->groups + g) * s->capacity + s->offset + t) * s->shared + member) * s->head;
}

/* Every head of every token from one layout to the other, turned by `direction` times its position's angles if
 * `rotation` is given. */
static void move_heads(const pare_backend *backend, const pare_heads *s, const float *in, const float *rotation,
                       float direction, bool to_head_major, void *out) {
    int64_t heads = s->groups * s->shared, rows = s->batch * s->tokens;
#pragma omp parallel for schedule(static) if (rows * heads * s->head > PARE_PARALLEL_MINIMUM)
    for (int64_t row = 0; row < rows; row++) {
        int64_t b = row / s->tokens, t = row % s->tokens;
        const float *angles = rotation ? rotation + position_of(s, row) * rotated_of(s) : NULL;
        for (int64_t head = 0; head < heads; head++) {
            int64_t by_token = (row * heads + head) * s->head;
            int64_t by_head = head_major(s, b, head / s->shared, t, head % s->shared);
            const float *from = in + (to_head_major ? by_token : by_head);
            float rotated[MAX_HEAD];
            if (angles) {
                rotate_head(s, rotated, from, angles, direction);
                from = rotated;
            }
            void *to = pare_operand_at(backend, out, to_head_major ? by_head : by_token);
            pare_from_float(to, backend->operand, from, (size_t)s->head);
        }
    }
}

void pare_cpu_split_heads(const pare_backend *backend, const pare_heads *s, const float *in, const float *rotation,
                          void *out) {
    move_heads(backend, s, in, rotation, 1.0f, true, out);
}

void pare_cpu_merge_heads(const pare_backend *backend, const pare_heads *s, const float *in, const float *rotation,
                          void *out) {
    move_heads(backend, s, in, rotation, -1.0f, false, out);
}

void pare_cpu_rotate(const pare_backend *backend, const pare_heads *s, float *x, const float *rotation, bool back) {
    (void)backend;
    int64_t heads = s->groups * s->shared, rows = s->batch * s->tokens;
#pragma omp parallel for schedule(static) if (rows * heads * s->head > PARE_PARALLEL_MINIMUM)
    for (int64_t row = 0; row < rows; row++) {
        const float *angles = rotation + position_of(s, row) * rotated_of(s);
        for (int64_t head = 0; head < heads; head++) {
            float rotated[MAX_HEAD], *at = x + (row * heads + head) * s->head;
            rotate_head(s, rotated, at, angles, back ? -1.0f : 1.0f);
            memcpy(at, rotated, (size_t)s->head * sizeof *at);
        }
    }
}
