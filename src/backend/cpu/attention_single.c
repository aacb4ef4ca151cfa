/* Attention of one query per sequence over a cache, as when text is written: no products through oneDNN, whose
 * shapes would be others for every token. Keys come in pieces that fit a small buffer in fp32; a running maximum and
 * sum per query head (online softmax) joins the pieces. Weights of keys are rounded to operands, as in the tiles. */
#include "backend/cpu/attention_single.h"
#include "backend/cpu/attention_mask.h"
#include "backend/cpu/attention_score.h"
#include "backend/cpu/reduce.h"
#include "backend/cpu/vector_math.h"

#include <math.h>

/* Keys at a time, elements of these, and query heads at a time that share them; bytes that memory gives at a time. */
enum { KEYS = 128, ELEMENTS = 8192, MEMBERS = 32, LINE = 64 };

typedef struct member {
    float maximum, sum;
} member;

/* The dot product of a query with one key. */
PARE_VECTORIZE static void score_key(const float *restrict q, const float *restrict k, int64_t head, float scale,
                                     float *score) {
    float lanes[PARE_LANES] = {0};
    int64_t i = 0;
    for (; i + PARE_LANES <= head; i += PARE_LANES)
        for (int j = 0; j < PARE_LANES; j++)
            lanes[j] += q[i + j] * k[i + j];
    for (int j = 0; i + j < head; j++)
        lanes[j] += q[i + j] * k[i + j];
    *score = pare_lanes_sum(lanes) * scale;
}

#if PARE_HAS_EIGHTS

/* The sums of eight keys' lanes, in the order of pare_lanes_sum, whose first step `x` has behind it: each step adds
 * halves of two vectors at a time, and the keys are paired so that they end in order. */
static inline void sum_eights(pare_eight x[8], pare_eight *sums) {
    for (int i = 0; i < 4; i++)
        x[i] = __builtin_shufflevector(x[i], x[i + 4], 0, 1, 2, 3, 8, 9, 10, 11) +
               __builtin_shufflevector(x[i], x[i + 4], 4, 5, 6, 7, 12, 13, 14, 15);
    for (int i = 0; i < 4; i += 2)
        x[i] = __builtin_shufflevector(x[i], x[i + 1], 0, 1, 8, 9, 4, 5, 12, 13) +
               __builtin_shufflevector(x[i], x[i + 1], 2, 3, 10, 11, 6, 7, 14, 15);
    *sums = __builtin_shufflevector(x[0], x[2], 0, 2, 8, 10, 4, 6, 12, 14) +
            __builtin_shufflevector(x[0], x[2], 1, 3, 9, 11, 5, 7, 13, 15);
}

/* As score_key, eight keys at a time; head is a multiple of PARE_LANES. Returns how many of the keys are done. */
PARE_VECTORIZE static int64_t score_eights(const float *restrict q, const float *restrict k, int64_t keys, int64_t head,
                                           float scale, float *restrict scores) {
    int64_t key = 0;
    for (; key + 8 <= keys; key += 8) {
        pare_eight low[8] = {0}, high[8] = {0};
        for (int64_t i = 0; i < head; i += PARE_LANES)
            for (int j = 0; j < 8; j++) {
                const float *row = k + (key + j) * head + i;
                low[j] += *pare_eight_at(q + i) * *pare_eight_at(row);
                high[j] += *pare_eight_at(q + i + 8) * *pare_eight_at(row + 8);
            }
        for (int j = 0; j < 8; j++)
            low[j] += high[j];
        pare_eight sums;
        sum_eights(low, &sums);
        sums *= scale;
        memcpy(scores + key, &sums, sizeof sums);
    }
    return key;
}

#else

static int64_t score_eights(const float *q, const float *k, int64_t keys, int64_t head, float scale, float *scores) {
    (void)q, (void)k, (void)keys, (void)head, (void)scale, (void)scores;
    return 0;
}

#endif

static void score_keys(const float *q, const float *k, int64_t keys, int64_t head, float scale, float *scores) {
    for (int64_t key = head % PARE_LANES ? 0 : score_eights(q, k, keys, head, scale, scores); key < keys; key++)
        score_key(q, k + key * head, head, scale, scores + key);
}

/* x = exp(x - shift); returns their sum. */
PARE_VECTORIZE_RANGES static float exponentials(float *restrict x, float shift, int64_t n) {
    PARE_RANGE(x, (size_t)n * sizeof *x);
    float lanes[PARE_LANES] = {0};
    for (int64_t i = 0; i < n; i += PARE_LANES) {
        int count = n - i < PARE_LANES ? (int)(n - i) : PARE_LANES;
        for (int j = 0; j < count; j++) {
            x[i + j] = pare_exp(x[i + j] - shift);
            lanes[j] += x[i + j];
        }
    }
    return pare_lanes_sum(lanes);
}

/* out = factor * out + weights V for PARE_LANES columns, which stay in registers; four keys at a time. */
PARE_VECTORIZE static void add_value_lanes(const float *restrict weights, const float *restrict v, int64_t keys,
                                           int64_t head, float factor, float *restrict out) {
    float sum[PARE_LANES];
    int64_t key = 0;
    for (int i = 0; i < PARE_LANES; i++)
        sum[i] = out[i] * factor;
    for (; key + 4 <= keys; key += 4) {
        const float *w = weights + key, *a = v + key * head, *b = a + head, *c = b + head, *d = c + head;
        for (int i = 0; i < PARE_LANES; i++)
            sum[i] += (w[0] * a[i] + w[1] * b[i]) + (w[2] * c[i] + w[3] * d[i]);
    }
    for (; key < keys; key++)
        for (int i = 0; i < PARE_LANES; i++)
            sum[i] += weights[key] * v[key * head + i];
    memcpy(out, sum, sizeof sum);
}

/* The same for the columns that are left. */
PARE_VECTORIZE static void add_value_rest(const float *restrict weights, const float *restrict v, int64_t keys,
                                          int64_t head, int64_t columns, float factor, float *restrict out) {
    for (int64_t i = 0; i < columns; i++)
        out[i] *= factor;
    int64_t key = 0;
    for (; key + 4 <= keys; key += 4) {
        const float *w = weights + key, *a = v + key * head, *b = a + head, *c = b + head, *d = c + head;
        for (int64_t i = 0; i < columns; i++)
            out[i] += (w[0] * a[i] + w[1] * b[i]) + (w[2] * c[i] + w[3] * d[i]);
    }
    for (; key < keys; key++)
        for (int64_t i = 0; i < columns; i++)
            out[i] += weights[key] * v[key * head + i];
}

static void add_values(const float *weights, const float *v, int64_t keys, int64_t head, float factor, float *out) {
    int64_t i = 0;
    for (; i + PARE_LANES <= head; i += PARE_LANES)
        add_value_lanes(weights, v + i, keys, head, factor, out + i);
    if (i < head) add_value_rest(weights, v + i, keys, head, head - i, factor, out + i);
}

/* Rows as fp32: where they lie if they are, else in `room`. */
static const float *rows_of(const pare_backend *backend, const void *from, int64_t first, int64_t n, float *room) {
    const void *at = pare_operand_at(backend, from, first);
    if (backend->operand == PARE_DTYPE_F32) return at;
    pare_to_float(room, at, backend->operand, (size_t)n);
    return room;
}

static void round_to_operand(const pare_backend *backend, float *x, int64_t n) {
    if (backend->operand == PARE_DTYPE_F32) return;
    uint16_t rounded[KEYS];
    pare_from_float(rounded, backend->operand, x, (size_t)n);
    pare_to_float(x, rounded, backend->operand, (size_t)n);
}

/* One query head and one piece of keys, whose scores become their weights; returns what to multiply with before. */
static float weigh(const pare_backend *backend, member *m, float *scores, int64_t keys, bool first) {
    float highest = pare_cpu_largest(scores, keys);
    if (!first && highest < m->maximum) highest = m->maximum;
    float factor = first ? 0.0f : pare_exp(m->maximum - highest), sum = exponentials(scores, highest, keys);
    m->sum = first ? sum : m->sum * factor + sum;
    m->maximum = highest;
    round_to_operand(backend, scores, keys);
    return factor;
}

/* Asks for the keys or values that come next while the ones in hand are worked on: a cache is far larger than what the
 * CPU keeps near, and it does not look beyond a page by itself. */
static void prefetch(const pare_backend *backend, const void *from, int64_t first, int64_t n) {
    const char *at = pare_operand_at(backend, from, first), *end = pare_operand_at(backend, from, first + n);
    for (; at < end; at += LINE)
        __builtin_prefetch(at);
}

typedef struct work {
    const pare_backend *backend;
    const pare_attention *shape;
    const void *q, *k, *v;
    float *out, *logsum;
} work;

/* The first key that the query sees. */
static int64_t lowest_of(const pare_attention *s) {
    return pare_attention_lowest(s, s->keys - 1);
}

/* The keys that follow: of this pair, or the first ones of the next. */
static void prefetch_next(const work *w, int64_t pair, int64_t key, int64_t step) {
    const pare_attention *s = w->shape;
    if (key >= s->keys) pair++, key = lowest_of(s);
    if (pair >= s->batch * s->groups) return;
    int64_t keys = s->keys - key < step ? s->keys - key : step;
    prefetch(w->backend, w->k, (pair * s->key_capacity + key) * s->head, keys * s->head);
}

/* Scores of keys from `key` on, of query head `at` of the pair. */
static void score(const pare_attention *s, int64_t pair, int64_t at, const float *query, const float *rows, int64_t key,
                  int64_t keys, float *scores) {
    float scale = pare_attention_scale(s);
    score_keys(query, rows, keys, s->head, pare_attention_bends(s) ? 1.0f : scale, scores);
    if (!pare_attention_bends(s)) return;
    pare_bend bend = {.shape = s, .position = s->keys - 1, .distance = key - (s->keys - 1)};
    if (s->slopes) bend.slope = s->slopes[pair % s->groups * s->shared + at];
    pare_cpu_bend_scores(&bend, scores, keys, NULL);
}

/* `count` query heads from `first` on, all of one (batch, group) pair. */
static void attend(const work *w, int64_t pair, int64_t first, int64_t count) {
    const pare_attention *s = w->shape;
    int64_t head = s->head, row = pair * s->shared + first, step = ELEMENTS / head < KEYS ? ELEMENTS / head : KEYS;
    float room[ELEMENTS], query[MEMBERS][PARE_PIECE], scores[MEMBERS][KEYS], factors[MEMBERS];
    int64_t lowest = lowest_of(s);
    member members[MEMBERS];
    memset(w->out + row * head, 0, (size_t)(count * head) * sizeof *w->out);
    for (int64_t i = 0; i < count; i++)
        pare_to_float(query[i], pare_operand_at(w->backend, w->q, (row + i) * head), w->backend->operand, (size_t)head);
    for (int64_t key = lowest, keys; key < s->keys; key += keys) {
        keys = s->keys - key < step ? s->keys - key : step;
        int64_t at = (pair * s->key_capacity + key) * head;
        prefetch(w->backend, w->v, at, keys * head);
        const float *rows = rows_of(w->backend, w->k, at, keys * head, room);
        for (int64_t i = 0; i < count; i++) {
            score(s, pair, first + i, query[i], rows, key, keys, scores[i]);
            factors[i] = weigh(w->backend, &members[i], scores[i], keys, key == lowest);
        }
        prefetch_next(w, pair, key + keys, step);
        rows = rows_of(w->backend, w->v, at, keys * head, room);
        for (int64_t i = 0; i < count; i++)
            add_values(scores[i], rows, keys, head, factors[i], w->out + (row + i) * head);
    }
    for (int64_t i = 0; i < count; i++) {
        for (int64_t j = 0; j < head; j++)
            w->out[(row + i) * head + j] /= members[i].sum;
        if (w->logsum) w->logsum[row + i] = members[i].maximum + logf(members[i].sum);
    }
}

bool pare_attention_is_single(const pare_attention *s) {
    return s->queries == 1 && !s->start && s->head <= PARE_PIECE;
}

void pare_attention_single(const pare_backend *backend, const pare_attention *s, const void *q, const void *k,
                           const void *v, float *out, float *logsum) {
    work w = {backend, s, q, k, v, out, logsum};
    int64_t pairs = s->batch * s->groups;
#pragma omp parallel for schedule(static) if (pairs * s->shared * s->keys * s->head > PARE_PARALLEL_MINIMUM)
    for (int64_t pair = 0; pair < pairs; pair++)
        for (int64_t first = 0; first < s->shared; first += MEMBERS)
            attend(&w, pair, first, s->shared - first < MEMBERS ? s->shared - first : MEMBERS);
}
